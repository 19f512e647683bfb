//! The names of this machine, as its own system knows them.
//!
//! Name servers and the network's search domain are not asked: the network's operator could answer with a name of a
//! hostile page. Nothing is cached, so a renamed machine answers to its new name at once.

use std::path::Path;

/// The file in which the machine's owner writes its full name.
const HOSTS: &str = "/etc/hosts";
/// The domain of names in the local network (RFC 6762).
const LOCAL: &str = "local";

/// Whether `host`, without a port and a dot at the end, names this machine.
pub async fn is_own(host: &str) -> bool {
    let system = rustix::system::uname();
    let Ok(node) = system.nodename().to_str() else { return false };
    match relation(host, node) {
        Relation::Own => true,
        Relation::None => false,
        Relation::MaybeFull => {
            let host = host.to_owned();
            let reading = move || std::fs::read(Path::new(HOSTS)).is_ok_and(|hosts| is_listed(&hosts, &host));
            tokio::task::spawn_blocking(reading).await.unwrap_or(false)
        }
    }
}

/// How a name relates to the machine's name.
#[derive(Debug, PartialEq, Eq)]
enum Relation {
    Own,
    /// It is the machine's name in some domain.
    MaybeFull,
    None,
}

fn relation(host: &str, node: &str) -> Relation {
    let (name, _) = node.split_once('.').unwrap_or((node, ""));
    // A machine without a name is called so.
    if name.is_empty() || name.eq_ignore_ascii_case("localhost") {
        return Relation::None;
    }
    if host.eq_ignore_ascii_case(node) || host.eq_ignore_ascii_case(name) {
        return Relation::Own;
    }
    match host.split_once('.') {
        Some((first, domain)) if first.eq_ignore_ascii_case(name) && domain.eq_ignore_ascii_case(LOCAL) => {
            Relation::Own
        }
        Some((first, _)) if first.eq_ignore_ascii_case(name) => Relation::MaybeFull,
        _ => Relation::None,
    }
}

/// Whether a hosts file (hosts(5)) contains a name. Each line has an address and then names; a `#` begins a comment.
fn is_listed(hosts: &[u8], host: &str) -> bool {
    let names = |line| String::from_utf8_lossy(line).split('#').next().unwrap_or_default().to_owned();
    hosts
        .split(|byte| *byte == b'\n')
        .any(|line| names(line).split_whitespace().skip(1).any(|name| name.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_name_is_its_own_in_the_local_network_too() {
        for (host, node) in [
            ("nas", "nas"),
            ("NAS.local", "nas"),
            ("nas.Local", "Nas"),
            ("nas.home.example", "nas.home.example"),
            ("nas", "nas.home.example"),
            ("nas.local", "nas.home.example"),
        ] {
            assert_eq!(relation(host, node), Relation::Own, "{host} {node}");
        }
        for host in ["nas.evil.example", "nas.local.evil.example"] {
            assert_eq!(relation(host, "nas"), Relation::MaybeFull, "{host}");
        }
        for (host, node) in [
            ("evil.example", "nas"),
            ("nasa", "nas"),
            ("a.nas", "nas"),
            ("local", "nas"),
            ("", ""),
            (".local", ""),
            ("localhost.local", "localhost"),
            ("localhost.evil.example", "localhost.localdomain"),
        ] {
            assert_eq!(relation(host, node), Relation::None, "{host} {node}");
        }
    }

    #[test]
    fn a_full_name_stands_in_the_file_of_hosts() {
        let hosts = b"127.0.0.1 localhost\n# 127.0.1.1 nas.old.example\n127.0.1.1\tnas.home.example nas # nas.new.example\n\xff\n";
        for (host, listed) in [
            ("nas.home.example", true),
            ("NAS.home.example", true),
            ("nas.old.example", false),
            ("nas.new.example", false),
            ("127.0.1.1", false),
            ("nas.home", false),
        ] {
            assert_eq!(is_listed(hosts, host), listed, "{host}");
        }
    }
}
