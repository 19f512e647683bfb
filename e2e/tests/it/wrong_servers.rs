//! Addresses that lead nowhere, or to another program. The error comes soon and in words, and the user can try another
//! address.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wstp_e2e::{Page, Stage, View};
use wstp_testkit::{LONG, Program, Server, until};

/// A listener's behaviour with each connection.
#[derive(Clone)]
enum Answer {
    /// Answers every request with this and closes.
    Says(String),
    /// Closes at once.
    HangsUp,
    /// Takes the connection and never answers.
    KeepsSilent,
}

async fn listener(answer: Answer) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match &answer {
                Answer::HangsUp => {}
                Answer::KeepsSilent => silent.push(stream),
                Answer::Says(text) => {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(text.as_bytes()).await;
                }
            }
        }
    });
    Ok(address)
}

/// Requests an address, and waits until the page complains in these words.
async fn says(view: &View<'_>, address: &str, words: &str) -> Result<()> {
    view.ask_for(address).await?;
    let error = view.wait_for_error().await?;
    ensure!(error.contains(words), "{address}: {error:?} and not {words:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_lead_nowhere_are_refused_in_words_and_the_way_stays_open() -> Result<()> {
    let stage = Stage::serving(&[("real.txt", 4)]).await?;
    let view = stage.open(Page::Popup).await?;
    let free = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (address, words) in [
        (free.to_string(), "Nobody answers at"),
        ("this is not an address".to_owned(), "That is not an address."),
        ("user:secret@nas".to_owned(), "can't hold a user's name or password"),
        (listener(Answer::Says(page.to_owned())).await?.to_string(), "is not a WSTP server"),
        (listener(Answer::Says(refusal.to_owned())).await?.to_string(), "refuses this browser (403)"),
        (listener(Answer::HangsUp).await?.to_string(), "Nobody answers at"),
        (listener(Answer::KeepsSilent).await?.to_string(), "Nobody answers at"),
    ] {
        says(&view, &address, words).await?;
        view.connect(&stage.address()).await?;
        view.wait_for_name("real.txt").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_before_a_server_and_is_in_the_way_is_named() -> Result<()> {
    let stage = Stage::serving(&[("real.txt", 4), ("sub dir/100%.txt", 5)]).await?;
    let server = stage.server.address();
    let view = stage.open(Page::Popup).await?;
    // This one passes no requests on that could carry the protocol, so the words name the lines for WebSockets.
    let nginx = format!("location / {{ limit_except GET {{ deny all; }} proxy_pass http://{server}; }}");
    let nginx = Program::nginx(&nginx).await?;
    says(&view, &nginx.address().to_string(), "proxy_set_header Upgrade $http_upgrade").await?;
    view.screenshot("no-websocket").await?;
    for (status, words) in [
        ("401 Unauthorized", "asks for a name and a password"),
        ("421 Misdirected Request", "--allow-host"),
        ("502 Bad Gateway", "the server behind it does not (502)"),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        says(&view, &listener(Answer::Says(answer)).await?.to_string(), words).await?;
    }
    let leads_to = async |target: String| {
        let answer =
            format!("HTTP/1.1 307 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        listener(Answer::Says(answer)).await
    };
    let elsewhere = leads_to(format!("http://localhost:{}/ws", server.port())).await?;
    says(&view, &elsewhere.to_string(), &format!("leads to another server, localhost:{}", server.port())).await?;
    // On the same host the redirect is followed, and the requested place is shown.
    let moved = leads_to(format!("http://{server}/ws")).await?;
    view.connect(&format!("http://{moved}/files/sub%20dir/")).await?;
    view.wait_for_crumb("sub dir").await?;
    view.wait_for_name("100%.txt").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_a_folder_or_a_file_leads_there() -> Result<()> {
    let stage = Stage::serving(&[("real.txt", 4), ("sub dir/100%.txt", 5)]).await?;
    let view = stage.open(Page::Popup).await?;
    let address = stage.address();
    for typed in [format!("http://{address}/files/sub%20dir/"), format!("<{address}/sub dir>")] {
        view.connect(&typed).await?;
        view.wait_for_crumb("sub dir").await?;
        view.wait_for_name("100%.txt").await?;
    }
    says(&view, &format!("{address}/sub%20dir"), "There is no").await?;
    view.wait_for_name("real.txt").await?;
    view.connect(&format!("http://{address}/files/sub%20dir/100%25.txt")).await?;
    view.wait_for_crumb("sub dir").await?;
    view.wait_for_text("The address points to this file.").await?;
    view.screenshot("offered-file").await?;
    view.click("[data-testid=take-offer]").await?;
    let saved = view.save("100%.txt").await?;
    stage.check_saved("sub dir/100%.txt", &saved)?;
    below_a_path(&stage, &view).await
}

/// A server with other pages around it, whose proxy soon drops what is idle.
async fn below_a_path(stage: &Stage, view: &View<'_>) -> Result<()> {
    let server = Server::start_with(stage.folder(), "127.0.0.1:0".parse()?, &["--base", "/wstp/"]).await?;
    let pass = format!(
        "proxy_pass http://{}; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_read_timeout 1s; \
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";",
        server.address()
    );
    // nginx calls the end of an idle WebSocket information.
    let lines = format!("error_log log info; location / {{ return 404; }} location /wstp/ {{ {pass} }}");
    let nginx = Program::nginx(&lines).await?;
    view.connect(&format!("http://{}/wstp/", nginx.address())).await?;
    view.wait_for_name("sub dir").await?;
    until("the proxy to drop the idle connection", LONG, async || Ok(nginx.log().contains("timed out").then_some(())))
        .await?;
    view.click_entry("sub dir").await?;
    view.wait_for_name("100%.txt").await?;
    view.connect(&server.address().to_string()).await?;
    view.wait_for_name("real.txt").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_no_websocket_reaches_is_used_by_http() -> Result<()> {
    const SIZE: u64 = 24 << 20;
    let proxy = Program::tinyproxy("ConnectPort 443\nConnectPort 563").await?;
    let small = (0..40).map(|file| (format!("folder/{file:02}"), 1000 + file)).collect::<Vec<_>>();
    let mut files: Vec<_> = small.iter().map(|(name, size)| (name.as_str(), *size)).collect();
    files.extend([("film.bin", SIZE), ("other.bin", SIZE)]);
    let stage = Stage::serving_behind(&files, proxy.address()).await?;
    let server = stage.server.address();
    let nginx = Program::nginx(&format!("location / {{ proxy_pass http://{server}; }}")).await?;
    let view = stage.open(Page::Manager).await?;
    // One proxy allows no CONNECT. nginx behind it upgrades no connection either.
    for (address, file) in [(server.to_string(), "film.bin"), (nginx.address().to_string(), "other.bin")] {
        let began = std::time::Instant::now();
        view.connect(&address).await?;
        view.wait_for_name("folder").await?;
        // A WebSocket that is not made is given up after ten seconds.
        ensure!(began.elapsed() < std::time::Duration::from_secs(10), "it took {:?}", began.elapsed());
        view.download(file).await?;
        let saved = view.save(file).await?;
        stage.check_saved(file, &saved)?;
    }
    view.download_folder("folder").await?;
    view.save_folder("folder").await?;
    stage.check_saved_folder("folder")
}
