//! A connection to a server, direct or through the proxy that the environment names for it. `tls` encrypts it towards
//! the server.

use std::io;

use http::{Method, Request, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::AGENT;
use crate::address::Address;
use crate::exit::Failure;
use crate::proxy::Proxy;
use crate::tls;
use crate::words::connecting::{no_proxy_answers, nobody_answers, proxy_fails, proxy_refuses};

/// A transport for bytes: TCP, with or without TLS, with or without a proxy.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// An open connection.
pub type Line = Box<dyn Wire>;

/// Connects.
///
/// # Errors
///
/// In words, when the server or the proxy does not answer, or the proxy refuses.
pub async fn dial(address: &Address) -> Result<Line, Failure> {
    let Some(proxy) = Proxy::of(address.secure, &address.host, address.port) else {
        return Ok(Box::new(
            tcp(&address.host, address.port).await.map_err(|error| nobody_answers(&address.host_and_port(), &error))?,
        ));
    };
    let uri = proxy.uri().clone();
    let no_answer = |error: io::Error| no_proxy_answers(&proxy, &address.host, &error);
    match uri.scheme_str() {
        Some("http") => tunnel(Box::new(tcp_to(&uri).await.map_err(no_answer)?), &proxy, address).await,
        Some("https") => {
            let line = tcp_to(&uri).await.map_err(no_answer)?;
            let line = tls::wrap(bare_host(&uri), Box::new(line))
                .await
                .map_err(|error| proxy_fails(&proxy, &address.host, &error))?;
            tunnel(line, &proxy, address).await
        }
        Some(scheme) => socks(scheme, &proxy, address).await,
        None => Err(no_answer(io::ErrorKind::InvalidInput.into())),
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn tcp_to(uri: &Uri) -> io::Result<TcpStream> {
    tcp(bare_host(uri), uri.port_u16().unwrap_or_default()).await
}

/// Without the brackets of an IPv6 address.
fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}

/// Has an HTTP proxy connect to the server.
async fn tunnel(line: Line, proxy: &Proxy, address: &Address) -> Result<Line, Failure> {
    let failed = |error: hyper::Error| proxy_fails(proxy, &address.host, &error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(line)).await.map_err(failed)?;
    // The task ends with the tunnel.
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::builder().method(Method::CONNECT).uri(address.host_and_port());
    request = request.header(http::header::HOST, address.host_and_port()).header(http::header::USER_AGENT, AGENT);
    if let Some(secret) = proxy.basic_auth() {
        request = request.header(http::header::PROXY_AUTHORIZATION, secret);
    }
    let request = request.body(String::new()).map_err(|error| proxy_fails(proxy, &address.host, &error))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(proxy_refuses(proxy, &address.host, address.port, response.status()));
    }
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(response).await.map_err(failed)?)))
}

/// Has a SOCKS proxy connect to the server. With `socks4` and `socks5` this side resolves the name, otherwise the proxy
/// does, as in curl.
async fn socks(scheme: &str, proxy: &Proxy, address: &Address) -> Result<Line, Failure> {
    let failed = |error: &dyn std::error::Error| proxy_fails(proxy, &address.host, error);
    let server: Uri = format!("http://{}/", address.host_and_port())
        .parse()
        .map_err(|error: http::uri::InvalidUri| failed(&error))?;
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let stream = if scheme.starts_with("socks4") {
        let mut socks = SocksV4::new(proxy.uri().clone(), connector).local_dns(scheme == "socks4");
        socks.call(server).await.map_err(|error| failed(&error))?
    } else {
        let mut socks = SocksV5::new(proxy.uri().clone(), connector).local_dns(scheme == "socks5");
        if let Some((name, password)) = proxy.raw_auth() {
            socks = socks.with_auth(name.to_owned(), password.to_owned());
        }
        socks.call(server).await.map_err(|error| failed(&error))?
    };
    Ok(Box::new(stream.into_inner()))
}
