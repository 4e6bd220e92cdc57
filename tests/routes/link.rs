//! The network between two PCs: a network namespace each, one cable, and what goes wrong with it.
//!
//! Not every kernel has `netem`, so what is slow is slow by its rate: a link that carries 500 bytes a second.

use std::process::Command;
use std::sync::Once;

/// A PC's namespace, which is also the name of its end of the cable, and its address.
pub struct Port {
    pub name: &'static str,
    pub address: &'static str,
}

pub const OFFICE: Port = Port { name: "office", address: "10.77.0.1" };
pub const LAB: Port = Port { name: "lab", address: "10.77.0.2" };

/// What goes wrong with the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is pulled out at the lab.
    Cut,
    /// What the office sends is lost, what the lab sends is not.
    HalfOpen,
    /// A trickle goes through, both ways.
    Slow,
    /// Every connection is refused, and what stands is reset, as by a firewall.
    Refused,
}

pub const FAULTS: [Fault; 4] = [Fault::Cut, Fault::HalfOpen, Fault::Slow, Fault::Refused];

/// Lays the cable, once. With the namespaces that this process runs in, it goes.
pub fn lay() {
    static LAID: Once = Once::new();
    LAID.call_once(lay_it);
}

fn lay_it() {
    for port in [&OFFICE, &LAB] {
        run(&format!("ip netns add {}", port.name));
    }
    run("ip link add office netns office type veth peer name lab netns lab");
    for Port { name, address } in [&OFFICE, &LAB] {
        run(&format!("ip -n {name} address add {address}/24 dev {name}"));
        run(&format!("ip -n {name} link set {name} up"));
        run(&format!("ip -n {name} link set lo up"));
        run(&format!("ip netns exec {name} nft add table inet fault"));
        let hook = "{ type filter hook input priority 0; }";
        run(&format!("ip netns exec {name} nft add chain inet fault in {hook}"));
    }
}

/// Gives a PC another address in place of the one it has.
pub fn readdress(port: &Port, from: &str, to: &str) {
    let name = port.name;
    run(&format!("ip -n {name} address del {from}/24 dev {name}"));
    run(&format!("ip -n {name} address add {to}/24 dev {name}"));
}

/// Breaks the cable.
pub fn fail(fault: Fault) {
    match fault {
        Fault::Cut => run("ip -n lab link set lab down"),
        Fault::HalfOpen => rule("lab", &format!("ip saddr {} drop", OFFICE.address)),
        Fault::Slow => {
            for Port { name, .. } in [&OFFICE, &LAB] {
                run(&format!("tc -n {name} qdisc add dev {name} root tbf rate 4kbit burst 1600 limit 64000"));
            }
        }
        Fault::Refused => {
            for name in [OFFICE.name, LAB.name] {
                rule(name, "iif != lo tcp flags & (fin | syn | rst | ack) != rst reject with tcp reset");
            }
        }
    }
}

/// Mends what [`fail`] broke.
pub fn heal(fault: Fault) {
    match fault {
        Fault::Cut => run("ip -n lab link set lab up"),
        Fault::Slow => [OFFICE.name, LAB.name]
            .iter()
            .for_each(|name| run(&format!("tc -n {name} qdisc del dev {name} root"))),
        Fault::HalfOpen | Fault::Refused => {
            [OFFICE.name, LAB.name]
                .iter()
                .for_each(|name| run(&format!("ip netns exec {name} nft flush chain inet fault in")));
        }
    }
}

fn rule(name: &str, rule: &str) {
    run(&format!("ip netns exec {name} nft add rule inet fault in {rule}"));
}

fn run(line: &str) {
    let words: Vec<_> = line.split(' ').collect();
    let done = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}
