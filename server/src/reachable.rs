//! The addresses that a user can type for a server that listens on every address of its machine. (That address itself
//! can't be typed.)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// A line with the addresses to type; `None` if the listening address can be typed itself.
pub fn hint(listening: SocketAddr) -> Option<String> {
    // From the blocks for documentation: no machine has these addresses, and the route to them is the default route.
    let (here, far): (IpAddr, IpAddr) = match listening.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
        }
        _ => return None,
    };
    let with_port = |ip| SocketAddr::new(ip, listening.port()).to_string();
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
