//! A media player of others, FFmpeg, that reads films by ranges with a login: it looks at the end first, and jumps.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::process::Command;
use wstp_server::accounts::{Accounts, Book, PasswordHash, Role, User};
use wstp_server::secret::Secret;
use wstp_server::store::{Layout, LocalStore, Shares};
use wstp_server::{Config, Control, tls};

use crate::support::{Embedded, Folder};

/// With characters that an address has to encode.
const PASSWORD: &str = "correct: horse/é";
const IN_A_URL: &str = "correct%3A%20horse%2F%C3%A9";
/// Seconds of the film, and of the jump, which lies in its last part.
const LENGTH: u32 = 60;
const JUMP: &str = "50";

/// Runs FFmpeg or ffprobe. Returns its standard output.
async fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(["-v", "error"]).args(arguments).kill_on_drop(true).output();
    let output = output.await.unwrap_or_else(|error| panic!("{program} is not installed: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A film whose table of contents lies at its end, as recorders write it. Its pictures are noise, so it is large.
async fn film(path: &Path) -> u64 {
    let source = format!("nullsrc=size=320x240:rate=10:duration={LENGTH},geq=random(1)*255:128:128");
    let path = path.to_str().unwrap();
    run("ffmpeg", &["-f", "lavfi", "-i", &source, "-c:v", "mpeg4", "-b:v", "4M", "-g", "10", path]).await;
    std::fs::metadata(path).unwrap().len()
}

/// The duration, and the hash of a picture behind a jump.
async fn seen(url: &str, options: &[&str]) -> (String, String) {
    let duration = ["-show_entries", "format=duration", "-of", "csv=p=0", url];
    let picture = ["-ss", JUMP, "-i", url, "-frames:v", "1", "-f", "framemd5", "-"];
    (run("ffprobe", &[options, &duration].concat()).await, run("ffmpeg", &[options, &picture].concat()).await)
}

/// A server whose only user may see the folder, with a certificate or without one.
async fn serve(folder: &Folder, certificate: Option<tls::Files>) -> (Embedded, Arc<Control>) {
    let password = PasswordHash::of(&Secret::new(PASSWORD)).unwrap();
    let mut accounts = Accounts::default();
    accounts.users.insert("anna".parse().unwrap(), User::new(Role::Normal, password));
    let config = Config { tls: certificate, ..Config::new(folder.path()) };
    let store = LocalStore::new(folder.path(), false).unwrap();
    let control = Arc::new(Control::with_accounts(config, Arc::new(Book::in_memory(accounts))));
    let server = Embedded::of_store(control.clone(), Arc::new(Shares::new(Layout::Root(Arc::new(store))))).await;
    (server, control)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_looks_at_a_film_and_jumps_with_a_login_over_http_and_https() {
    let (folder, state) = (Folder::new(), Folder::new());
    let path: PathBuf = folder.path().join("a film.mp4");
    let size = film(&path).await;
    let expected = seen(path.to_str().unwrap(), &[]).await;
    assert!(expected.0.starts_with(&LENGTH.to_string()) && expected.1.lines().any(|line| !line.starts_with('#')));
    let own = tls::self_signed(state.path(), vec!["localhost".to_owned()]).unwrap();
    let certificate = own.certificate.to_str().unwrap().to_owned();
    for (scheme, files, options) in
        [("http", None, &[][..]), ("https", Some(own), &["-tls_verify", "1", "-ca_file", &certificate])]
    {
        let (server, control) = serve(&folder, files).await;
        let port = server.address().rsplit_once(':').unwrap().1.to_owned();
        let url = |login: &str| format!("{scheme}://{login}localhost:{port}/files/a%20film.mp4");
        assert!(seen(&url(&format!("anna:{IN_A_URL}@")), options).await == expected, "{scheme}");
        let sent = control.sessions().sent();
        assert!(sent < 2 * size, "{scheme}: {sent} bytes were sent of {size}: it did not jump");
        let refused = Command::new("ffprobe").args(options).arg(url("")).output().await.unwrap();
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains("401"), "{scheme}: {words}");
        server.stop().await;
    }
}
