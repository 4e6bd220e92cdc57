//! A PC whose address changes while its daemon runs: others find it under the new one.

use std::fs::OpenOptions;
use std::io::Write;

use lanpost::model::route::Route;
use serde_json::Value;

use crate::link::{self, LAB, OFFICE};
use crate::process::{Lan, until_true};

const ELSEWHERE: &str = "10.77.0.3";

#[test]
fn a_pc_is_found_at_the_address_that_it_has_now() {
    let lan = Lan::new();
    link::lay();
    let pcs = [(&OFFICE, OFFICE.address), (&LAB, "0.0.0.0")].map(|(port, listen)| {
        let pc = lan.join(port.name);
        let mut config = OpenOptions::new().append(true).open(&pc.config).unwrap();
        writeln!(config, "[direct]\nlisten = \"{listen}:7431\"").unwrap();
        pc
    });
    let _daemons: Vec<_> = pcs.iter().map(|pc| pc.daemon_under(&["ip", "netns", "exec", &pc.name])).collect();
    let [office, lab] = &pcs;
    let goes_to = |address: &str| {
        let found = office.node().db.route("lab").unwrap().filter(|route| route.via == Route::Direct);
        found.and_then(|route| route.url).is_some_and(|url| url.contains(address))
    };
    until_true("mail to go to the first address", || goes_to(LAB.address));
    link::readdress(&LAB, LAB.address, ELSEWHERE);
    let moved = office.send("lab", "while it moves");
    lab.receives("while it moves");
    office.sees(&moved, "delivered");
    let announced = || -> Value {
        let beat: Value = serde_json::from_slice(&std::fs::read(lan.path("share/status/lab.json")).unwrap())
            .unwrap_or_default();
        beat["direct"]["urls"][0].clone()
    };
    until_true("the new address to be announced", || {
        announced().as_str().is_some_and(|url| url.contains(ELSEWHERE))
    });
    until_true("mail to go to the new address", || goes_to(ELSEWHERE));
    let there = office.send("lab", "there");
    lab.receives("there");
    office.sees(&there, "delivered");
    let listens = lab.json(&["status"])["listens"].to_string();
    assert!(listens.contains(ELSEWHERE) && !listens.contains(LAB.address), "{listens}");
    link::readdress(&LAB, ELSEWHERE, LAB.address);
}
