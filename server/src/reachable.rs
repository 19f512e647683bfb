//! The addresses that a user can type for a server that listens on every address of its machine. (That address itself
//! can't be typed.)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use wstp_server::Base;
use wstp_server::settings::Settings;

/// A line with the addresses to type; `None` if the listening address can be typed itself.
pub fn hint(listening: SocketAddr, scheme: &str, base: &Base) -> Option<String> {
    // From the blocks for documentation: no machine has these addresses, and the route to them is the default route.
    let (here, far): (IpAddr, IpAddr) = match listening.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
        }
        _ => return None,
    };
    // Without a scheme, an address is that of a server without encryption.
    let (scheme, path) = match (scheme, base.as_str()) {
        ("wss", "") => ("wss://", String::new()),
        (_, "") => ("", String::new()),
        ("wss", _) => ("https://", base.to_string()),
        _ => ("http://", base.to_string()),
    };
    let with_port = |ip| format!("{scheme}{}{path}", SocketAddr::new(ip, listening.port()));
    let elsewhere = own_address_towards(far).map_or_else(|| "this machine's name or address".to_owned(), with_port);
    Some(format!("in the extension or wstp: {} on this machine, {elsewhere} from others", with_port(here)))
}

/// The address of this machine that `far` would see. Nothing is sent: connecting a UDP socket only chooses the route.
fn own_address_towards(far: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if far.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((far, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
}

/// The names and addresses under which this machine is reached, for a certificate.
pub fn own_names(settings: &Settings) -> Vec<String> {
    let towards = [IpAddr::from([192, 0, 2, 1]), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()];
    let addresses = towards.into_iter().filter_map(own_address_towards).map(|address| address.to_string());
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let local = format!("{machine}.local");
    let configured = settings.allow_hosts.iter().map(|name| name.as_str().to_owned());
    let here = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut names: Vec<_> = here.into_iter().chain([machine, local]).chain(addresses).chain(configured).collect();
    names.retain(|name| !name.is_empty() && name.is_ascii());
    names
}

/// Tells how clients come to trust a self-signed certificate.
pub fn how_to_trust(certificate: &Path, fingerprint: &str) -> String {
    format!(
        "self-signed certificate, SHA-256 {fingerprint}\nwstp trusts it with --ca {}; in a browser, open the address with \
         https:// once, compare this number, and accept it",
        certificate.display()
    )
}
