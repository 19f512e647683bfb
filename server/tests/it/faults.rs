//! Disks that are full, files that are damaged, and a server that is killed again and again.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use wstp_testkit::{LONG, Listening, Random, listening, until};

use crate::support::plain::{head, request, try_send};
use crate::support::{Client, Folder, sample};

const SERVER: &str = env!("CARGO_BIN_EXE_wstp-server");
const PASSWORD: &str = "correct horse battery";
const MIB: usize = 1 << 20;

/// A command in a mount namespace of its own, in which a small disk is mounted.
fn with_disk(disk: &Path, program: &str) -> Command {
    const START: &str = "mount -t tmpfs -o size=4m none \"$1\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["sh", "-c", START, "sh"]).arg(disk).arg(program);
    command
}

/// Runs a command in the namespace of a process. Whether it succeeds, and what it says.
async fn beside(pid: u32, program: &str, args: &[&str]) -> (bool, String) {
    let mut enter = Command::new("nsenter");
    enter.args(["--target", &pid.to_string(), "--mount"]);
    if !rustix::process::geteuid().is_root() {
        enter.args(["--user", "--preserve-credentials"]);
    }
    let output = enter.arg(program).args(args).output().await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn a_full_disk_stops_nothing_but_what_needs_it() {
    let folder = Folder::new();
    let bytes = sample(9 * MIB);
    folder.file("share/one", &bytes);
    folder.file("share/two", &bytes[MIB..]);
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let path = |name: &str| disk.join(name).to_str().unwrap().to_owned();
    let (state, cache, filler) = (path("state"), path("cache"), path("filler"));
    let log = folder.path().join("log");
    let mut command = with_disk(&disk, SERVER);
    command.arg(folder.path().join("share")).args(["--listen", "127.0.0.1:0", "--state-dir", &state]);
    command.args(["--cache-dir", &cache]).stderr(std::fs::File::create(&log).unwrap());
    let Listening { child, address, said: _said } = listening(&mut command).await.unwrap();
    let (pid, address) = (child.id().unwrap(), address.to_string());
    let serves = async |name: &str, bytes: &[u8]| {
        let mut client = Client::connect(&address).await;
        let opened = client.open_file(name).await.unwrap();
        assert_eq!(client.root(&opened).await, *blake3::hash(bytes).as_bytes());
        assert!(client.fetch(name).await == bytes);
        assert_eq!(request(&address, "GET", &format!("/files/{name}"), &[]).await.body, bytes);
    };
    serves("one", &bytes).await;

    // The last block is written too, so that nothing at all fits any more.
    let fill = format!("cat /dev/zero >{filler} 2>/dev/null; test -s {filler}");
    assert!(beside(pid, "sh", &["-c", &fill]).await.0);
    serves("two", &bytes[MIB..]).await;
    let logged = async |words: &str| {
        let what = format!("{words:?} in the log");
        until(&what, LONG, async || Ok(std::fs::read_to_string(&log)?.contains(words).then_some(()))).await.unwrap();
    };
    logged("hashes can't be kept in the cache folder").await;
    logged("Events are in memory until it can").await;
    let link = ["link", "add", "one", "--state-dir", &state];
    let (done, said) = beside(pid, SERVER, &link).await;
    assert!(!done && said.contains("No space left on device"), "{said}");

    // With room everything works again, and nothing was lost.
    assert!(beside(pid, "rm", &[&filler]).await.0);
    let (done, said) = beside(pid, SERVER, &link).await;
    assert!(done, "{said}");
    let code = said.lines().find_map(|line| line.split("/s/").nth(1)).unwrap().trim();
    until("the link", LONG, async || {
        let page = request(&address, "GET", &format!("/s/{code}"), &[]).await;
        Ok((page.status == 200).then_some(()))
    })
    .await
    .unwrap();
    serves("one", &bytes).await;
    until("the events", LONG, async || {
        let (_, events) = beside(pid, SERVER, &["events", "--state-dir", &state]).await;
        Ok((events.contains("reads one") && events.contains("reads two")).then_some(()))
    })
    .await
    .unwrap();
}

/// The things that the server said it keeps.
#[derive(Default)]
struct Promised {
    users: Vec<String>,
    tokens: Vec<String>,
    links: Vec<String>,
    /// Users that were asked for. One may be there without the answer having come.
    asked: usize,
}

async fn post(address: &str, call: &str, cookie: &str, body: &Value) -> Option<(String, Value)> {
    let body = body.to_string();
    let (length, cookie) = (format!("Content-Length: {}", body.len()), format!("Cookie: {cookie}"));
    let fields = ["Content-Type: application/json", "wstp-admin: 1", &length, &cookie];
    let text = format!("{}{body}", head("POST", &format!("/admin/api/{call}"), &fields));
    let reply = try_send(address, text).await?;
    let cookie = reply.header("set-cookie").and_then(|set| set.split(';').next()).unwrap_or_default().to_owned();
    assert_eq!(reply.status, 200, "{reply:?}");
    Some((cookie, serde_json::from_slice(&reply.body).ok()?))
}

impl Promised {
    /// Has an administrator make one after the other, until the server is gone.
    async fn grow(&mut self, address: &str) {
        let login = json!({ "name": "root", "password": PASSWORD });
        let Some((cookie, _)) = post(address, "login", "", &login).await else { return };
        let act = async |action: Value| Some(post(address, "do", &cookie, &action).await?.1);
        loop {
            self.asked += 1;
            let name = format!("user-{}", self.asked);
            let user = json!({ "name": name, "password": PASSWORD, "role": "normal", "only": [], "rate": null });
            let token = json!({ "AddToken": { "user": null, "only": ["file"], "days": 7 } });
            let link = json!({ "AddLink": { "path": "file", "days": 7, "downloads": null, "password": null } });
            let Some(done) = act(token).await else { return };
            self.tokens.push(done["token"].as_str().unwrap().to_owned());
            let Some(done) = act(link).await else { return };
            self.links.push(done["link"].as_str().unwrap().to_owned());
            match act(json!({ "AddUser": user })).await {
                Some(_) => self.users.push(name),
                None => return,
            }
        }
    }

    /// Whether everything is still there.
    async fn is_kept(&self, address: &str, state: &str) {
        let output = Command::new(SERVER).args(["user", "list", "--state-dir", state]).output().await.unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        for user in &self.users {
            assert!(listed.contains(&format!("{user}\tnormal")), "{user} is lost: {listed}");
        }
        for token in &self.tokens {
            let field = format!("Authorization: Bearer {token}");
            assert_eq!(request(address, "GET", "/files/file", &[&field]).await.body, b"content", "a token is lost");
        }
        for link in &self.links {
            assert_eq!(request(address, "GET", &format!("/{link}"), &[]).await.status, 200, "a link is lost");
        }
    }
}

/// The kills come at moments of a seed: during the login, before, between and after the changes.
#[tokio::test(flavor = "multi_thread")]
async fn no_kill_loses_what_the_server_promised_to_keep() {
    let folder = Folder::new();
    folder.file("share/file", b"content");
    let state = folder.path().join("state").to_str().unwrap().to_owned();
    let mut add = Command::new(SERVER);
    add.args(["user", "add", "root", "--role", "admin", "--state-dir", &state]).stdin(std::process::Stdio::piped());
    let mut adding = add.spawn().unwrap();
    let mut input = adding.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut input, format!("{PASSWORD}\n").as_bytes()).await.unwrap();
    drop(input);
    assert!(adding.wait().await.unwrap().success());
    let (mut promised, mut random) = (Promised::default(), Random::new(2026));
    for round in 0..12 {
        let mut command = Command::new(SERVER);
        command.arg(folder.path().join("share")).args(["--listen", "127.0.0.1:0", "--log", "warn"]);
        command.args(["--state-dir", &state]).arg("--cache-dir").arg(folder.path().join("cache"));
        let Listening { mut child, address, said: _said } = listening(&mut command).await.unwrap();
        let address = address.to_string();
        promised.is_kept(&address, &state).await;
        let moment = Duration::from_millis(random.below(600));
        let killing = async {
            tokio::time::sleep(moment).await;
            child.kill().await.unwrap();
        };
        tokio::join!(killing, promised.grow(&address));
        println!("round {round}: killed after {moment:?}, {} links so far", promised.links.len());
    }
    assert!(promised.links.len() > 3 && promised.users.len() > 3, "something was promised");
}
