//! The addresses by which others may find this PC.
//!
//! A PC has more of them than are announced, and most may lead nowhere: bridges for containers and virtual machines are
//! there to be seen by this PC alone. So the address from which others are reached comes first, bridges come last.

use std::net::{IpAddr, SocketAddr};

use crate::model::direct::{Endpoint, MOST_URLS};
use crate::sys::{interfaces, process};

/// How the names of interfaces begin that lead to nobody else, as a rule.
const BRIDGES: [&str; 10] =
    ["docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "podman", "cni", "lxc", "vethernet"];

/// The one we listen on, or all that this PC has, the best first, and its name.
pub fn own(at: SocketAddr, tls: bool) -> Vec<Endpoint> {
    let url = |host: String| Endpoint { tls, host, port: at.port() };
    if !at.ip().is_unspecified() {
        return vec![url(at.ip().to_string())];
    }
    let found = interfaces::all().into_iter().filter(|(_, ip)| at.is_ipv6() || ip.is_ipv4());
    let hosts = ranked(found.collect(), &interfaces::outward());
    let named = hosts.into_iter().map(|ip| ip.to_string()).chain([process::host_name()]);
    // A name that can't stand in an address is no address.
    named.map(url).filter(|url| url.to_string().parse::<Endpoint>().is_ok()).collect()
}

fn ranked(mut found: Vec<(String, IpAddr)>, outward: &[IpAddr]) -> Vec<IpAddr> {
    let is_bridge = |name: &str| {
        let name = name.to_ascii_lowercase();
        BRIDGES.iter().any(|bridge| name.starts_with(bridge))
    };
    found.sort_by_key(|(name, ip)| (!outward.contains(ip), is_bridge(name), ip.is_ipv6(), *ip));
    let mut hosts: Vec<IpAddr> = vec![];
    for (_, ip) in found {
        if !hosts.contains(&ip) {
            hosts.push(ip);
        }
    }
    hosts.truncate(MOST_URLS - 1);
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_do_not_push_the_lan_out() {
        let bridge = |n: u8| (format!("br-{n}"), IpAddr::from([172, n, 0, 1]));
        let mut found: Vec<_> = (17..26).map(bridge).collect();
        let (lan, vpn) = (IpAddr::from([192, 168, 77, 2]), IpAddr::from([10, 8, 0, 2]));
        found.extend([("eth0".into(), lan), ("tun0".into(), vpn), ("eth0".into(), lan)]);
        assert_eq!(ranked(found.clone(), &[lan])[..2], [lan, vpn]);
        assert_eq!(ranked(found.clone(), &[])[..2], [vpn, lan]);
        assert_eq!(ranked(found, &[]).len(), MOST_URLS - 1);
    }
}
