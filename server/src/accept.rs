//! The accept loop: admits TCP connections, as many as fit, and speaks HTTP on them. A head has to arrive within a time
//! limit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::congestion::Choice;
use crate::guarded_io::GuardedIo;
use crate::routes::{Peer, routes};
use crate::server::Server;

/// How long plain HTTP connections have to end when the server stops.
const HTTP_DRAIN: Duration = Duration::from_secs(2);
/// Most unsent bytes that the system may hold for a connection. By default these are megabytes, and a slow reader's
/// progress shows only once it took a third of them.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 256 * 1024;
/// Longest pause after an error of `accept`.
const MAX_PAUSE: Duration = Duration::from_secs(1);

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
            (stream, address, number, server.places.slot(number).await)
        };
        let (stream, address, number, slot) = tokio::select! {
            () = server.stopping.cancelled() => break,
            admitted = admitted => admitted,
        };
        let Ok(local) = stream.local_addr() else { continue };
        let reader = slot.reader().clone();
        let peer = Peer::new(number, address, local, slot);
        let service = TowerToHyperService::new(warp::service(routes(server.clone(), peer)));
        let io = TokioIo::new(GuardedIo::new(stream, reader, server.config().timeouts.write));
        let connection = graceful.watch(builder.serve_connection_with_upgrades(io, service).into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%address, %error, "HTTP connection failed");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(HTTP_DRAIN, graceful.shutdown()).await.is_err() {
        tracing::debug!("HTTP connections did not end in time");
    }
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
