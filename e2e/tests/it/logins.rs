//! Servers that want to know who the user is, and certificates that Chrome does not trust.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wstp_e2e::{Page, Row, Stage, View};
use wstp_testkit::{Contents, LONG, Program, Proxy, Server, until};

const PASSWORD: &str = "planted-password-1";
const SECOND: &str = "planted-password-2";
const WRONG: &str = "planted-wrong-word";
const SIZE: u64 = 12 << 20;

/// A server with users, and everything that belongs to it.
struct Private {
    _server: Server,
    proxy: Proxy,
    state: PathBuf,
    folder: tempfile::TempDir,
}

impl Private {
    async fn start(files: &[(&str, u64)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for (path, size) in files {
            Contents::new(*path, *size).write(&folder.path().join("shared").join(path))?;
        }
        let state = folder.path().join("state");
        Server::manage(&state, &["user", "add", "anna"], PASSWORD).await?;
        let only = ["user", "add", "kid", "--role", "limited", "--only", "for kids"];
        Server::manage(&state, &only, PASSWORD).await?;
        let arguments = ["--log", "trace", "--state-dir", state.to_str().context("a path is text")?];
        let log = folder.path().join("log");
        let server = Server::start_with_log(&folder.path().join("shared"), &arguments, &log).await?;
        let proxy = Proxy::start(server.address()).await?;
        Ok(Self { _server: server, proxy, state, folder })
    }

    fn address(&self) -> String {
        self.proxy.address().to_string()
    }

    async fn manage(&self, arguments: &[&str], typed: &str) -> Result<String> {
        Server::manage(&self.state, arguments, typed).await
    }

    /// Waits until the running server has read of a link that a command made.
    async fn wait_for_link(&self, link: &str) -> Result<()> {
        let path = link.strip_prefix(&format!("http://{}", self.address())).context("a link of this server")?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address());
        until("the server to know the link", LONG, async || {
            let mut stream = TcpStream::connect(self.address()).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut response = String::new();
            stream.read_to_string(&mut response).await?;
            Ok(response.starts_with("HTTP/1.1 403 ").then_some(()))
        })
        .await
    }

    /// The numbers of all tokens.
    async fn tokens(&self) -> Result<Vec<String>> {
        let listed = self.manage(&["token", "list"], "").await?;
        Ok(listed.lines().filter_map(|line| line.split('\t').next().map(str::to_owned)).collect())
    }

    /// Gives `kid` another place.
    fn move_kid(&self, from: &str, to: &str) -> Result<()> {
        let file = self.state.join("accounts.toml");
        let accounts = fs::read_to_string(&file)?;
        let changed = accounts.replace(&format!("\"{from}\""), &format!("\"{to}\""));
        ensure!(changed != accounts, "{accounts}");
        let other = file.with_extension("new");
        fs::write(&other, changed)?;
        Ok(fs::rename(other, file)?)
    }

    /// Revokes all tokens of links.
    fn forget_link_tokens(&self) -> Result<()> {
        let file = self.state.join("accounts.toml");
        let accounts = fs::read_to_string(&file)?;
        let kept: Vec<_> = accounts.lines().filter(|line| !line.starts_with("tokens = [")).collect();
        ensure!(kept.len() < accounts.lines().count(), "{accounts}");
        let other = file.with_extension("new");
        fs::write(&other, kept.join("\n"))?;
        Ok(fs::rename(other, file)?)
    }

    fn is_same(&self, path: &str, saved: &Path) -> Result<()> {
        let shared = fs::read(self.folder.path().join("shared").join(path))?;
        ensure!(fs::read(saved)? == shared, "{path} was saved with other bytes");
        Ok(())
    }
}

/// Fills in the form that is shown. `before` is the part of the page that has it.
async fn log_in(view: &View<'_>, before: &str, user: Option<&str>, secret: &str) -> Result<()> {
    let part = |name: &str| format!("{before} [data-testid={name}]");
    match user {
        Some(user) => view.enter_text(&part("login-user"), user).await?,
        None => view.click(&part("login-has-token")).await?,
    }
    view.enter_text(&part("login-secret"), secret).await?;
    view.click(&part("login-submit")).await
}

const PANE: &str = "[aria-label=Files]";
const DIALOG: &str = "dialog[open]";

/// Waits until a transfer waits for a login and says so.
async fn waits_for_login(view: &View<'_>, name: &str) -> Result<Row> {
    view.wait_for_rows(&format!("{name} to wait for a login"), |rows| {
        let row = rows.iter().find(|row| row.name == name)?;
        let says = row.text.contains("Waiting for you to log in") && row.text.contains("Nothing that arrived is lost.");
        (says && row.buttons.iter().any(|button| button == "log-in")).then(|| row.clone())
    })
    .await
}

/// The logins in chrome.storage, which only trusted contexts can read.
async fn kept(stage: &Stage) -> Result<Vec<Value>> {
    let get = json!({
        "expression": "chrome.storage.local.get(null).then(JSON.stringify)",
        "awaitPromise": true,
    });
    let answer = stage.browser()?.devtools("Runtime.evaluate", get).await?;
    let stored: Value = serde_json::from_str(answer["result"]["value"].as_str().context("a text")?)?;
    let others: Vec<_> =
        stored.as_object().context("an object")?.iter().filter(|(name, _)| *name != "logins").collect();
    ensure!(!json!(others).to_string().contains("wstp_"), "a token is in another place");
    Ok(stored["logins"].as_array().cloned().unwrap_or_default())
}

/// All files beneath a folder that have this text.
fn files_with(folder: &Path, text: &str) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                // A file of Chromium's may be gone again.
                let bytes = fs::read(entry.path()).unwrap_or_default();
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    found.push(entry.path());
                }
            }
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_and_downloads_go_on_after_each_login() -> Result<()> {
    let private = Private::start(&[("film.bin", SIZE), ("for kids/tale.bin", SIZE), ("note.txt", 5)]).await?;
    let stage = Stage::serving(&[("open.bin", 1000)]).await?;
    let view = stage.open(Page::Popup).await?;

    // The form, and what it says.
    view.ask_for(&private.address()).await?;
    view.wait_for_text("wants to know who you are").await?;
    view.screenshot("login").await?;
    log_in(&view, PANE, Some("anna"), WRONG).await?;
    let error = view.wait_for_error().await?;
    ensure!(error.contains("does not know this name with this password"), "{error}");
    log_in(&view, PANE, Some("anna"), PASSWORD).await?;
    view.wait_for_name("film.bin").await?;
    view.wait_for_text("Logged in as anna (normal)").await?;
    view.screenshot("logged-in").await?;
    let first = kept(&stage).await?;
    ensure!(first.len() == 1 && private.tokens().await?.len() == 1, "{first:?}");
    let first = first[0]["token"].as_str().context("a token")?.to_owned();

    // A token that is revoked stops the transfer, and a login has it go on.
    private.proxy.limit_rate(SIZE / 16);
    view.download("film.bin").await?;
    view.show_transfers().await?;
    view.wait_for_verified("film.bin", 20).await?;
    for token in private.tokens().await? {
        private.manage(&["token", "rm", &token], "").await?;
    }
    let row = waits_for_login(&view, "film.bin").await?;
    view.screenshot("waits-for-login").await?;
    ensure!(kept(&stage).await?.is_empty(), "a token that ended is forgotten");
    let asked = private.proxy.passed();
    // Another server's file is not held up.
    view.show_folder().await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name("open.bin").await?;
    view.download("open.bin").await?;
    stage.check_saved("open.bin", &view.save("open.bin").await?)?;
    ensure!(private.proxy.passed() == asked, "nothing is asked for without a login");
    view.show_transfers().await?;
    view.press(&row, "log-in").await?;
    view.screenshot("login-window").await?;
    log_in(&view, DIALOG, Some("anna"), PASSWORD).await?;
    view.wait_for_state("film.bin", &["downloading"]).await?;
    view.wait_for_verified("film.bin", 40).await?;

    // The same with a password that changes.
    private.manage(&["user", "passwd", "anna"], SECOND).await?;
    let row = waits_for_login(&view, "film.bin").await?;
    view.press(&row, "log-in").await?;
    log_in(&view, DIALOG, Some("anna"), SECOND).await?;
    view.wait_for_state("film.bin", &["downloading"]).await?;
    private.proxy.limit_rate(u64::MAX);
    private.is_same("film.bin", &view.save("film.bin").await?)?;
    ensure!(private.proxy.passed() < SIZE + SIZE / 2, "what had arrived was fetched again");
    let second = kept(&stage).await?[0]["token"].as_str().context("a token")?.to_owned();

    // Logging out revokes the token.
    view.show_folder().await?;
    view.connect(&private.address()).await?;
    view.click("[data-testid=log-out]").await?;
    view.wait_for_text("wants to know who you are").await?;
    until("the token to be revoked", LONG, async || Ok(private.tokens().await?.is_empty().then_some(()))).await?;
    ensure!(kept(&stage).await?.is_empty(), "the token is forgotten");

    // No secret is anywhere but in its place.
    let token = kid_reads_by_a_token_over_http(&private, &stage, &view).await?;
    let page = view.run("return document.documentElement.outerHTML", json!([])).await?.to_string();
    let profile = stage.downloads().parent().context("a profile")?.to_owned();
    for secret in [PASSWORD, SECOND, WRONG, &first, &second, &token] {
        let mut places = files_with(&profile, secret)?;
        places.retain(|place| !place.to_string_lossy().contains("Local Extension Settings"));
        ensure!(places.is_empty(), "{secret} is in {places:?}");
        ensure!(files_with(private.folder.path(), secret)?.is_empty(), "{secret} is in the server's log or state");
        ensure!(!page.contains(secret), "{secret} is in the page");
    }
    ensure!(!files_with(&profile, &token)?.is_empty(), "the search finds what is there");
    let log = fs::read_to_string(private.folder.path().join("log"))?;
    ensure!(log.contains("/login") || log.contains("logged in"), "the log says what happened");
    Ok(())
}

/// A limited user's token, where only HTTP gets through, and a place that is taken away for a while.
async fn kid_reads_by_a_token_over_http(private: &Private, stage: &Stage, view: &View<'_>) -> Result<String> {
    let said = private.manage(&["token", "add", "--user", "kid"], "").await?;
    let token = said.split_whitespace().find(|word| word.starts_with("wstp_")).context("a token")?.to_owned();
    // nginx upgrades no connection here.
    let nginx = format!("location / {{ proxy_pass http://{}; proxy_buffering off; }}", private.proxy.address());
    let nginx = Program::nginx(&nginx).await?;
    view.ask_for(&nginx.address().to_string()).await?;
    view.wait_for_text("wants to know who you are").await?;
    log_in(view, PANE, None, "wstp_nothing").await?;
    let error = view.wait_for_error().await?;
    ensure!(error.contains("does not know this token"), "{error}");
    view.enter_text(&format!("{PANE} [data-testid=login-secret]"), &token).await?;
    view.click(&format!("{PANE} [data-testid=login-submit]")).await?;
    view.wait_for_name("for kids").await?;
    view.wait_for_text("Logged in as kid, limited to for kids").await?;
    ensure!(view.names().await? == ["for kids"], "only its place is shown");

    private.proxy.limit_rate(SIZE / 8);
    view.download("for kids/tale.bin").await?;
    view.show_transfers().await?;
    view.wait_for_verified("tale.bin", 20).await?;
    private.move_kid("for kids", "note.txt")?;
    view.wait_for_rows("the place to be missed", |rows| {
        let is_missed = |row: &&Row| row.state == "waiting" && row.text.contains("Nothing that arrived is lost.");
        rows.iter().find(is_missed).cloned()
    })
    .await?;
    private.move_kid("note.txt", "for kids")?;
    view.wait_for_state("tale.bin", &["downloading"]).await?;
    private.proxy.limit_rate(u64::MAX);
    private.is_same("for kids/tale.bin", &view.save("tale.bin").await?)?;
    ensure!(kept(stage).await?.len() == 1);
    Ok(token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_asks_for_its_password_and_the_browser_keeps_none() -> Result<()> {
    const PASSWORD: &str = "Grüße an alle 😀";
    let private = Private::start(&[("film.bin", SIZE), ("other.bin", 5)]).await?;
    let stage = Stage::serving(&[("open.bin", 1000)]).await?;
    let view = stage.open(Page::Popup).await?;
    let server = format!("http://{}/", private.address());
    let add = ["link", "add", "film.bin", "--password", "--server", &server];
    let link = private.manage(&add, PASSWORD).await?.trim().to_owned();
    private.wait_for_link(&link).await?;

    view.ask_for(&link).await?;
    view.wait_for_text("This link has a password.").await?;
    view.screenshot("link-password").await?;
    let (secret, submit) = (format!("{PANE} [data-testid=login-secret]"), format!("{PANE} [data-testid=login-submit]"));
    view.enter_text(&secret, WRONG).await?;
    view.click(&submit).await?;
    let error = view.wait_for_error().await?;
    ensure!(error.contains("not the password of the link"), "{error}");
    view.enter_text(&secret, PASSWORD).await?;
    view.click(&submit).await?;
    view.wait_for_name("film.bin").await?;
    view.wait_for_text("Opened by its password").await?;
    view.screenshot("link-opened").await?;
    ensure!(view.names().await? == ["film.bin"], "only what the link opens is shown");

    // The server forgets the token: the transfer waits for the password, and goes on with it.
    private.proxy.limit_rate(SIZE / 8);
    view.download("film.bin").await?;
    view.show_transfers().await?;
    view.wait_for_verified("film.bin", 20).await?;
    private.forget_link_tokens()?;
    let row = view
        .wait_for_rows("film.bin to wait for the password", |rows| {
            let waits = |row: &&Row| row.text.contains("Type the password to continue. Nothing that arrived is lost.");
            rows.iter().find(waits).cloned()
        })
        .await?;
    view.press(&row, "log-in").await?;
    view.screenshot("link-password-window").await?;
    view.enter_text(&format!("{DIALOG} [data-testid=login-secret]"), PASSWORD).await?;
    view.click(&format!("{DIALOG} [data-testid=login-submit]")).await?;
    view.wait_for_state("film.bin", &["downloading"]).await?;
    private.proxy.limit_rate(u64::MAX);
    private.is_same("film.bin", &view.save("film.bin").await?)?;

    let kept = kept(&stage).await?;
    ensure!(kept.len() == 1 && kept[0]["token"].as_str().is_some_and(|token| token.starts_with("wstp_")), "{kept:?}");
    let profile = stage.downloads().parent().context("a profile")?.to_owned();
    for secret in [PASSWORD, WRONG] {
        let places = files_with(&profile, secret)?;
        ensure!(places.is_empty(), "{secret} is in {places:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_chrome_refuses_is_named_and_its_page_opens() -> Result<()> {
    let stage = Stage::serving(&[("real.txt", 4)]).await?;
    let state = tempfile::tempdir()?;
    let arguments = ["--tls", "self-signed", "--state-dir", state.path().to_str().context("a path is text")?];
    let server = Server::start_with_log(stage.folder(), &arguments, &state.path().join("log")).await?;
    let view = stage.open(Page::Manager).await?;
    for typed in [format!("wss://{}", server.address()), format!("https://localhost:{}", server.address().port())] {
        view.ask_for(&typed).await?;
        let error = view.wait_for_error().await?;
        ensure!(error.contains("answers, but Chrome does not trust its certificate"), "{typed}: {error}");
    }
    view.screenshot("untrusted").await?;
    view.click("[data-testid=open-page]").await?;
    let page = format!("https://localhost:{}/", server.address().port());
    until("the server's page", LONG, async || {
        let targets = stage.browser()?.devtools("Target.getTargets", json!({})).await?;
        let targets = targets["targetInfos"].as_array().context("targets")?;
        Ok(targets.iter().any(|target| target["type"] == "page" && target["url"] == *page).then_some(()))
    })
    .await
}
