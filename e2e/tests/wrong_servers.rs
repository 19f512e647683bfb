//! Addresses that lead nowhere, or somewhere else: an error in words, soon, and the way stays open to try another.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wstp_e2e::{Page, Stage};

/// What a listener does with each connection.
#[derive(Clone, Copy)]
enum Answer {
    /// Answers every request with this and closes.
    Says(&'static str),
    /// Closes at once.
    HangsUp,
    /// Takes the connection and never says a word.
    KeepsSilent,
}

async fn listener(answer: Answer) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match answer {
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

/// Asks for `address`, expects a complaint, and then connects to a real server from the same page.
async fn is_refused_in_words(address: &str) -> Result<String> {
    let stage = Stage::serving(&[("real.txt", 4)]).await?;
    let view = stage.open(Page::Popup).await?;
    view.ask_for(address).await?;
    let error = view.wait_for_error().await?;
    ensure!(error.split_whitespace().count() >= 4, "that is not a sentence: {error:?}");
    view.connect(&stage.address()).await?;
    view.wait_for_name("real.txt").await?;
    Ok(error)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_nobody_listens() -> Result<()> {
    let free = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
    is_refused_in_words(&free.to_string()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none() -> Result<()> {
    is_refused_in_words("this is not an address").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_that_is_not_wstp() -> Result<()> {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    is_refused_in_words(&listener(Answer::Says(page)).await?.to_string()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses() -> Result<()> {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    is_refused_in_words(&listener(Answer::Says(refusal)).await?.to_string()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up() -> Result<()> {
    is_refused_in_words(&listener(Answer::HangsUp).await?.to_string()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers() -> Result<()> {
    is_refused_in_words(&listener(Answer::KeepsSilent).await?.to_string()).await.map(drop)
}
