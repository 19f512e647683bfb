//! The host and the port of an address.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::AddressError;

/// Splits the port off, if there is one.
pub fn split_port(authority: &str) -> Result<(&str, Option<u16>), AddressError> {
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Ok((authority, None));
    }
    let after_host = authority.rfind(']').unwrap_or(0);
    let Some(colon) = authority[after_host..].rfind(':').map(|at| at + after_host) else {
        return Ok((authority, None));
    };
    let (host, digits) = (&authority[..colon], &authority[colon + 1..]);
    let port = digits.parse().ok().filter(|port| *port > 0 && digits.bytes().all(|digit| digit.is_ascii_digit()));
    Ok((host, Some(port.ok_or(AddressError::Port)?)))
}

/// The one spelling of a host: lower case, no dot at the end, an IPv6 address without brackets and as short as it can
/// be.
pub fn parse(host: &str) -> Option<String> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Some(address.to_string());
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_lowercase();
    let is_label = |label: &str| {
        let is_plain = label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && is_plain
    };
    let is_numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|digit| digit.is_ascii_digit()));
    let is_good = host.split('.').all(is_label) && (!is_numeric || host.parse::<Ipv4Addr>().is_ok());
    is_good.then_some(host)
}
