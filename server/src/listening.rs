//! The socket on which the server listens: its own, or one that its starter hands over (systemd's socket activation).

use std::io;
use std::net::SocketAddr;

use listenfd::ListenFd;
use tokio::net::TcpListener;
use wstp_server::settings::Listen;

/// A socket that listens already.
pub struct Handed {
    listener: std::net::TcpListener,
    /// Its address, which counts in place of the configured one.
    pub address: SocketAddr,
}

/// The socket that the starter hands over, if there is one; or what is wrong with it.
pub fn handed_over(mut sockets: ListenFd) -> Result<Option<Handed>, String> {
    if sockets.len() > 1 {
        let count = sockets.len();
        return Err(format!(
            "the server was handed {count} sockets and listens on one: leave one ListenStream= in the socket unit"
        ));
    }
    let taken = sockets.take_tcp_listener(0).and_then(|listener| {
        let Some(listener) = listener else { return Ok(None) };
        listener.set_nonblocking(true)?;
        Ok(Some(Handed { address: listener.local_addr()?, listener }))
    });
    taken.map_err(|error| {
        format!("cannot listen on the socket that was handed over: {error}; it has to be ListenStream=ADDRESS:PORT")
    })
}

/// Listens on the socket that was handed over, or on the configured address.
pub async fn listen(handed: Option<Handed>, listen: Listen) -> Result<TcpListener, String> {
    if let Some(handed) = handed {
        return TcpListener::from_std(handed.listener).map_err(|error| format!("cannot listen: {error}"));
    }
    TcpListener::bind(listen.0).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => ": another program uses this port; choose one with --listen ADDR:PORT",
            io::ErrorKind::PermissionDenied => ": ports below 1024 need special rights; choose a higher one",
            _ => "",
        };
        format!("cannot listen on {listen}: {error}{hint}")
    })
}
