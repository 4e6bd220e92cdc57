//! The network interfaces of this PC, and which of their addresses lead outward.

use std::net::{IpAddr, UdpSocket};

/// Addresses of documentation: the way there is the way to everywhere. Nothing is sent.
const FAR: [&str; 2] = ["192.0.2.1:9", "[2001:db8::1]:9"];

/// The interfaces that others may reach, by name, and the addresses of each; none if they can't be told.
pub fn all() -> Vec<(String, IpAddr)> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let outside = found.into_iter().filter(|one| !one.is_loopback() && !one.is_link_local());
    outside.map(|one| (one.name.clone(), one.ip())).collect()
}

/// Whether one of this PC's interfaces has the address, as far as that can be told.
pub fn has(ip: IpAddr) -> bool {
    match if_addrs::get_if_addrs() {
        Ok(found) => found.is_empty() || ip.is_loopback() || found.iter().any(|one| one.ip() == ip),
        Err(_) => true,
    }
}

/// Our addresses on the way to everywhere, if there is one.
pub fn outward() -> Vec<IpAddr> {
    let local = |far: &str| {
        let any = if far.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(far).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    FAR.into_iter().filter_map(local).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_documentation_is_nobodys() {
        assert!(has([127, 0, 0, 1].into()) && all().iter().all(|(_, ip)| has(*ip)));
        assert!(!has([192, 0, 2, 77].into()));
    }
}
