//! A peer's daemon that is not what it should be: the share takes over, within the time of one attempt.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use lanpost::model::sign::Signer;
use serde_json::json;

use super::{add, takes, way};
use crate::common::process::{Lan, Pc, until, until_true};

/// Somebody who listens and treats each connection so; the port.
fn listener(treat: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(treat));
    port
}

/// Says, when asked, that it is `name`, and answers all else so.
fn answer(mut stream: TcpStream, name: &str, body: &str) {
    let mut request = [0; 4096];
    while let Ok(1..) = stream.read(&mut request) {
        let asked = request.starts_with(b"GET /health");
        assert!(asked || name == "lab", "mail was shown to {name}");
        let health = format!("{{\"lanpost\":\"1\",\"instance\":\"{name}\"}}");
        let said: &str = if asked { &health } else { body };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{said}", said.len());
        if !asked {
            return;
        }
    }
}

/// The time between two steps of a message's trace.
fn between(pc: &Pc, id: &str, from: &str, to: &str) -> Duration {
    let trace = pc.json(&["trace", id]);
    let at = |what: &str| {
        let steps = trace["transitions"].as_array().unwrap();
        let step = steps.iter().find(|step| step["what"] == what).unwrap();
        chrono::DateTime::parse_from_rfc3339(step["at"].as_str().unwrap()).unwrap()
    };
    (at(to) - at(from)).to_std().unwrap()
}

#[test]
fn the_share_takes_over_whatever_is_wrong_with_the_direct_way() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cases: [(&str, u16, &str); 7] = [
        ("it refuses", closed, "refused"),
        ("it hangs", listener(std::mem::forget), "did not answer within"),
        ("it hangs up", listener(drop), "broke off"),
        (
            "it talks nonsense",
            listener(|mut stream| drop(stream.write_all(b"\xff\xfe SMTP 220\r\n\r\n"))),
            "broke off",
        ),
        ("another one is there", listener(|stream| answer(stream, "den", "")), "is not there, but den"),
        (
            "it answers with nothing",
            listener(|stream| answer(stream, "lab", "ok\n")),
            "no receipt of its own",
        ),
        (
            "it answers what another one signed",
            listener(|stream| answer(stream, "lab", &forged())),
            "no receipt of its own",
        ),
    ];
    for (what, port, said) in cases {
        let lan = Lan::new();
        let (office, lab) = (lan.join("office"), lan.join("lab"));
        add(&office, &format!("[peers.lab]\nurl = \"http://127.0.0.1:{port}\"\n"));
        let (one, _two) = (office.daemon(), lab.daemon());
        until("office to know lab's key", || office.node().db.keys("lab", 0).unwrap().pinned());
        let ids: Vec<String> = (0..3).map(|n| office.send("lab", &format!("{n}"))).collect();
        lab.receives("2");
        ids.iter().for_each(|id| drop(office.sees(id, "delivered")));
        assert!(
            way(&office, &ids[0]).contains("to the lane under lease"),
            "{what}: {}",
            way(&office, &ids[0])
        );
        until_true(&format!("{what}: office to say {said:?}"), || one.log().contains(said));
        // Two seconds, and what a machine with much else to do needs on top of it.
        let took = between(&office, &ids[0], "queued", "sent");
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
        // One that answers probes well is tried with each letter, and said to be direct in between.
        until_true(&format!("{what}: it to be said"), || {
            office.send("lab", "and more");
            let status = office.json(&["status"])["problems"].to_string();
            status.contains("mail for lab goes by share: direct")
                && office.ok(&["peers"]).contains("share: direct")
        });
    }
}

/// A receipt for everything, signed by nobody whom office knows.
fn forged() -> String {
    let receipt = json!({"v": 1, "id": "r", "from": "lab", "to": "office", "timestamp": "2026-11-22T10:00:00.000Z",
        "type": "receipt", "content": {"delivered": {"lease": 1, "up_to": 1000}}});
    let mut receipt = receipt.as_object().unwrap().clone();
    Signer::new(&[9; 32]).sign_object(&mut receipt);
    format!("{}\n", serde_json::Value::Object(receipt))
}

#[test]
fn who_waits_is_told_what_for() {
    let lan = Lan::new();
    let (office, lab) = (super::join(&lan, "office"), super::join(&lan, "lab"));
    let (_one, two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct");
    lan.unmount();
    drop(two);
    let waited = office.run(&["send", "lab", "x", "--wait", "delivered", "--timeout", "6s"]);
    assert_eq!(waited.code, Some(4), "{waited:?}");
    for said in ["waits: the direct route: lab refused", "the share is away"] {
        assert!(waited.err.contains(said), "no {said:?} in {}", waited.err);
    }
}
