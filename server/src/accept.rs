//! The accept loop: admits TCP connections, no more than fit, and speaks HTTP on them with a limit on how long a head may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::guarded_io::GuardedIo;
use crate::routes::{Peer, routes};
use crate::server::Server;

/// TCP connections beyond the protocol connections: pages, health checks, and clients that are told to come back later.
const SPARE_CONNECTIONS: usize = 64;
/// How long plain HTTP connections have to end when the server stops.
const HTTP_DRAIN: Duration = Duration::from_secs(2);
/// Longest pause after an error of `accept`.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Accepts until the server stops.
pub async fn accept(listener: TcpListener, server: Arc<Server>) {
    let slots = Arc::new(Semaphore::new(server.config.max_connections + SPARE_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(server.config.timeouts.head);
    loop {
        let admitted = async {
            let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
            (next(&listener).await, slot)
        };
        let ((stream, address), slot) = tokio::select! {
            () = server.stopping.cancelled() => break,
            admitted = admitted => admitted,
        };
        let Ok(local) = stream.local_addr() else { continue };
        let peer = Peer::new(address, local, slot);
        let service = TowerToHyperService::new(warp::service(routes(server.clone(), peer)));
        let io = TokioIo::new(GuardedIo::new(stream, server.config.timeouts.write));
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

/// The next connection. Errors, such as too many open files, pass with time: pauses longer and longer instead of spinning.
async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut pause = Duration::from_millis(5);
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%address, %error, "cannot switch off delays");
                }
                return (stream, address);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}
