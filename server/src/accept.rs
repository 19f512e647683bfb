//! The accept loop: admits TCP connections, as many as fit, and speaks HTTP on them. A head has to arrive within a time
//! limit.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::base::Way;
use crate::congestion::Choice;
use crate::guarded_io::{GuardedIo, Reset};
use crate::links;
use crate::routes::{self, Peer};
use crate::server::Server;
use crate::tls::{FIRST_BYTE, PROOF_PROTOCOL};

/// How long plain HTTP connections have to end when the server stops.
const HTTP_DRAIN: Duration = Duration::from_secs(2);
/// Most unsent bytes that the system may hold for a connection. By default these are megabytes, and a slow reader's
/// progress shows only once it took a third of them.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 256 * 1024;
/// Longest pause after an error of `accept`.
const MAX_PAUSE: Duration = Duration::from_secs(1);

type Builder = auto::Builder<TokioExecutor>;
/// How a connection ended.
type Served = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Accepts until the server stops.
pub async fn accept(listener: TcpListener, server: Arc<Server>) {
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(server.config().timeouts.head);
    loop {
        let admitted = async {
            let (stream, address) = next(&listener).await;
            prepare(&stream, address, &server.congestion);
            let number = server.connection_number();
            (stream, address, number, server.places.slot(number, address.ip()).await)
        };
        let (stream, address, number, slot) = tokio::select! {
            () = server.stopping.cancelled() => break,
            admitted = admitted => admitted,
        };
        let Ok(local) = stream.local_addr() else { continue };
        let peer = Peer::new(number, address, local, slot);
        let (server, builder, watcher) = (server.clone(), builder.clone(), graceful.watcher());
        tokio::spawn(async move {
            let reader = peer.reader().clone();
            let served = tokio::select! {
                served = serve(stream, &server, peer, &builder, watcher) => served,
                () = reader.leaves() => Ok(()),
            };
            if let Err(error) = served {
                tracing::debug!(%address, %error, "HTTP connection failed");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(HTTP_DRAIN, graceful.shutdown()).await.is_err() {
        tracing::debug!("HTTP connections did not end in time");
    }
}

/// Serves a connection: encrypted, if the server encrypts.
async fn serve(stream: TcpStream, server: &Arc<Server>, peer: Peer, builder: &Builder, watcher: Watcher) -> Served {
    let Some(tls) = &server.tls else { return speak(stream, server, peer, builder, watcher).await };
    let handshake = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first != [FIRST_BYTE] {
            return Ok(Err(stream));
        }
        Ok::<_, io::Error>(Ok(tls.acceptor().accept(stream).await?))
    };
    match tokio::time::timeout(server.config().timeouts.head, handshake).await?? {
        // The authority saw the certificate that it was looking for.
        Ok(stream) if stream.get_ref().1.alpn_protocol() == Some(PROOF_PROTOCOL) => Ok(()),
        Ok(stream) => speak(stream, server, peer, builder, watcher).await,
        Err(stream) => {
            let (local, base) = (peer.local(), server.config().base.clone());
            let answer = service_fn(move |request| {
                let base = base.clone();
                async move { Ok::<_, Infallible>(routes::elsewhere(&request, local, &base)) }
            });
            let io = TokioIo::new(GuardedIo::new(stream, peer.reader().clone(), server.config().timeouts.write));
            watcher.watch(builder.serve_connection(io, answer).into_owned()).await
        }
    }
}

/// Speaks HTTP.
async fn speak<S>(stream: S, server: &Arc<Server>, peer: Peer, builder: &Builder, watcher: Watcher) -> Served
where
    S: AsyncRead + AsyncWrite + Reset + Unpin + Send + 'static,
{
    let io = TokioIo::new(GuardedIo::new(stream, peer.reader().clone(), server.config().timeouts.write));
    let reader = peer.reader().clone();
    let within = TowerToHyperService::new(warp::service(routes::routes(server.clone(), peer.clone())));
    let server = server.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        reader.asks();
        let (within, server, peer, base) = (within.clone(), server.clone(), peer.clone(), server.config().base.clone());
        async move {
            let way = base.way(request.uri());
            let Way::Within(uri) = way else {
                let mut response = routes::secured(base.elsewhere(&way));
                base.mark(&mut response);
                return Ok::<_, Infallible>(response);
            };
            if let Some((code, uri)) = links::split(&uri) {
                *request.uri_mut() = uri;
                let base = base.of_link(&code);
                let by_link = warp::service(routes::of_link(server, peer.by_link(code)));
                let mut response = TowerToHyperService::new(by_link).call(request).await?;
                base.mark(&mut response);
                return Ok(response);
            }
            *request.uri_mut() = uri;
            let mut response = within.call(request).await?;
            base.mark(&mut response);
            Ok(response)
        }
    });
    watcher.watch(builder.serve_connection_with_upgrades(io, service).into_owned()).await
}

/// The next connection. Errors, such as too many open files, pass with time, so the pauses between tries grow.
async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut pause = Duration::from_millis(5);
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

/// Failures cost speed or patience, but no correctness.
fn prepare(stream: &TcpStream, address: SocketAddr, congestion: &Choice) {
    let socket = SockRef::from(stream);
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%address, %error, "cannot switch off delays");
    }
    if let Err(error) = congestion.apply(&socket) {
        tracing::debug!(%address, %error, "cannot choose the congestion control");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket.set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%address, %error, "cannot limit what the system buffers");
    }
}
