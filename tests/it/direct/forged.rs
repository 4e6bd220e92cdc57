//! What anybody can send to the port: nothing of it is taken that its sender did not sign for this place, and it is counted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use lanpost::model::envelope::Envelope;
use lanpost::model::sign::Signer;
use serde_json::{Value, json};

use super::{add, takes};
use crate::common::process::{Lan, Pc, until};

/// One request on a connection of its own; the status and the body.
fn ask(port: u16, request: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: lab\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // It may be refused before it was read.
    let _ = stream.write_all(body);
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), body.unwrap_or_default())
}

fn signer(pc: &Pc) -> Signer {
    let hex = std::fs::read_to_string(pc.state.join("key")).unwrap();
    let secret: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect();
    Signer::new(&secret.try_into().unwrap())
}

fn line(seq: u64, lease: u64, content: &str, signer: &Signer) -> Vec<u8> {
    let message = json!({"v": 1, "id": format!("id-{content}"), "from": "office", "to": "lab", "type": "message",
        "timestamp": "2026-11-22T10:00:00.000Z", "content": content, "seq": seq});
    Envelope::from_value(message).unwrap().to_signed_line(lease, signer)
}

/// The port where lab takes mail, without TLS.
fn port_of(lab: &Pc) -> u16 {
    let path = lab.share.join("status/lab.json");
    until("lab to say where it listens", || {
        let beat: Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        beat["direct"]["urls"][0].as_str()?.rsplit_once(':')?.1.parse().ok()
    })
}

#[test]
fn nothing_is_taken_that_its_sender_did_not_sign_for_this_place() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    add(&lab, "[direct]\nlisten = \"127.0.0.1:0\"\ntls = false\n");
    let _lab = lab.daemon();
    let port = port_of(&lab);
    until("lab to know office's key", || {
        let key = lab.node().db.keys("office", 0).unwrap();
        key.pinned()
    });
    let (own, stranger) = (signer(&office), Signer::new(&[9; 32]));
    let lane = |lease: u64| format!("POST /v1/lanes/office.{lease}");
    let signed = line(1, 90, "good", &own);
    let plain = {
        let mut object: Value = serde_json::from_slice(&signed).unwrap();
        object.as_object_mut().unwrap().remove("sig");
        format!("{object}\n").into_bytes()
    };
    let changed = String::from_utf8(signed.clone()).unwrap().replace("\"good\"", "\"evil\"").into_bytes();
    let half = [signed.clone(), line(2, 90, "half", &stranger)].concat();
    for (what, request, body, status) in [
        ("an unsigned line", lane(90), plain, 403),
        ("a line of another key", lane(90), line(1, 90, "x", &stranger), 403),
        ("a line that was changed", lane(90), changed, 403),
        ("a line of another lane", lane(91), signed.clone(), 403),
        ("good and bad lines", lane(90), half, 403),
        ("a lane of somebody unknown", "POST /v1/lanes/mallory.1".into(), signed.clone(), 401),
        ("a lane of its own", "POST /v1/lanes/lab.1".into(), signed.clone(), 401),
        ("half a line", lane(90), signed[..signed.len() - 9].to_vec(), 400),
        ("noise", lane(90), b"\0\xff{}[]\n".to_vec(), 400),
        ("nothing", lane(90), vec![], 400),
        ("more than is taken", lane(90), vec![b'x'; 4 << 20], 413),
        ("another path", "POST /v1/lanes/../x.1".into(), signed.clone(), 404),
        ("another method", "DELETE /v1/lanes/office.90".into(), vec![], 404),
        ("a gap", lane(90), line(5, 90, "later", &own), 409),
    ] {
        assert_eq!(ask(port, &request, &body).0, status, "{what}");
        assert!(
            lab.node().db.peer("office").unwrap().is_some()
                && lab.inbox().iter().all(|mail| mail["type"] != "message"),
            "{what}"
        );
    }
    let refused = lab.node().db.refusals().unwrap();
    assert!(refused.iter().all(|refused| refused.peer == "office"), "{refused:?}");
    assert_eq!(refused.iter().map(|refused| refused.count).sum::<u64>(), 5, "{refused:?}");

    // What is good is taken, and known when it comes again.
    for _ in 0..2 {
        let (status, receipt) = ask(port, &lane(90), &signed);
        assert_eq!(status, 200, "{receipt}");
        let receipt: Value = serde_json::from_str(&receipt).unwrap();
        assert_eq!(receipt["content"]["delivered"], json!({"lease": 90, "up_to": 1}));
        assert!(signer(&lab).key().verifies(receipt.as_object().unwrap()));
    }
    let (status, health) = ask(port, "GET /health", b"");
    assert_eq!((status, health.contains("\"instance\":\"lab\"")), (200, true), "{health}");
    let texts: Vec<_> = lab.inbox().into_iter().filter(|message| message["type"] == "message").collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!((&texts[0]["content"], &texts[0]["verdict"]), (&json!("good"), &json!("verified")));
}

#[test]
fn who_is_refused_too_often_has_to_wait() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    add(&lab, "[direct]\nlisten = \"127.0.0.1:0\"\ntls = false\n");
    let _lab = lab.daemon();
    let port = port_of(&lab);
    let statuses: Vec<u16> = (0..40).map(|_| ask(port, "GET /secrets", b"").0).collect();
    assert_eq!(statuses[..30], [404; 30]);
    assert_eq!(statuses[30..], [429; 10]);
}

#[test]
fn a_flood_of_forged_lines_is_cheap_and_holds_nothing_of_ours_up() {
    let lan = Lan::new();
    let (office, lab) = (super::join(&lan, "office"), lan.join("lab"));
    add(&lab, "[direct]\nlisten = \"127.0.0.1:0\"\ntls = false\n");
    let (_one, _two) = (office.daemon(), lab.daemon());
    let port = port_of(&lab);
    takes(&lab, "office", "direct");
    until("lab to know office's key", || lab.node().db.keys("office", 0).unwrap().pinned());
    let stranger = Signer::new(&[9; 32]);
    let lines = |count: u64| (1..=count).flat_map(|seq| line(seq, 90, "x", &stranger)).collect::<Vec<u8>>();
    let (request, started) = ("POST /v1/lanes/office.90", std::time::Instant::now());
    assert_eq!(ask(port, request, &lines(200)).0, 403);
    assert_eq!(ask(port, request, &lines(5_000)).0, 413);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    // Who goes away without waiting for the answer counts as well.
    let body = lines(200);
    let head = format!("{request} HTTP/1.1\r\nhost: lab\r\ncontent-length: {}\r\n\r\n", body.len());
    until("a flood to be held off", || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok();
        drop(stream);
        (ask(port, "GET /health", b"").0 == 429).then_some(())
    });
    // Office may hand nothing over meanwhile, having the same address; lab may.
    let id = lab.send("office", "undisturbed");
    lab.sees(&id, "delivered");
    assert!(super::way(&lab, &id).contains("sent directly"), "{}", super::way(&lab, &id));
}

#[test]
fn a_certificate_that_the_heartbeat_does_not_vouch_for_is_not_believed() {
    let lan = Lan::new();
    let (office, lab) = (super::join(&lan, "office"), super::join(&lan, "lab"));
    let (_one, two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct");
    two.stop();
    // Somebody else listens where lab did, with another certificate, and keeps lab's heartbeat up.
    let heartbeat = std::fs::read(lab.share.join("status/lab.json")).unwrap();
    std::fs::remove_file(lab.state.join("direct.pem")).unwrap();
    let _again = lab.daemon();
    until("lab to say so", || {
        let now = std::fs::read(lab.share.join("status/lab.json")).unwrap();
        (now != heartbeat && String::from_utf8_lossy(&now).contains("sha256:")).then_some(())
    });
    let id = office.send("lab", "by the new one");
    lab.receives("by the new one");
    office.sees(&id, "delivered");
}
