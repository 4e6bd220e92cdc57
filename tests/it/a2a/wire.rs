//! A real daemon, and the gateway behind HTTP on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use lanpost::engine::envoy::Heard;
use serde_json::Value;

use super::gateway::{Gateway, Mood};
use crate::common::process::{Lan, Pc, until};
use crate::direct::{add, way};

const TOKEN: &str = "a token that stands nowhere";

/// Serves the gateway at a port of its own.
fn serve(gateway: &Arc<Mutex<Gateway>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (gateway, start) = (gateway.clone(), Instant::now());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let gateway = gateway.clone();
            std::thread::spawn(move || answer(stream, &gateway, start));
        }
    });
    port
}

fn answer(mut stream: TcpStream, gateway: &Mutex<Gateway>, start: Instant) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let knows = head.lines().any(|line| line.eq_ignore_ascii_case(&format!("authorization: Bearer {TOKEN}")));
    let request = serde_json::from_slice::<Value>(&body).ok();
    let heard = match (head.split(' ').nth(1)?, &request) {
        ("/a2a/v1", _) if !knows => Heard::Answered { status: 401, retry_after: None, body: vec![] },
        ("/a2a/v1", Some(_)) | ("/readyz", None) => {
            gateway.lock().unwrap().hear(request.as_ref(), start.elapsed())
        }
        _ => Heard::Answered { status: 404, retry_after: None, body: vec![] },
    };
    // Without an answer the connection just ends.
    if let Heard::Answered { status, body, .. } = heard {
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
    Some(())
}

fn configure(pc: &Pc, port: u16, token: &str) {
    let file = pc.config.parent().unwrap().join("token");
    pc.feed(&["secret", "set", &format!("file:{}", file.display())], token.as_bytes()).exits(0);
    add(
        pc,
        &format!(
            "[peers.lab.a2a]\nurl = \"http://127.0.0.1:{port}/a2a/v1\"\ntoken = '''file:{}'''\n",
            file.display()
        ),
    );
}

#[test]
fn a_peer_that_has_no_lanpost_answers_through_its_gateway() {
    let lan = Lan::new();
    let office = lan.join("office");
    std::fs::write(lan.share().join("messages/to-lab.jsonl"), "").unwrap();
    let gateway = Arc::new(Mutex::new(Gateway::new()));
    configure(&office, serve(&gateway), TOKEN);
    let daemon = office.daemon();
    let id = office.send("lab", "are you there?");
    office.sees(&id, "processed");
    office.receives(&format!("re {id}"));
    assert!(way(&office, &id).contains("(a2a, task task-1)"), "{}", way(&office, &id));
    assert!(office.ok(&["peers"]).contains("a2a (http://127.0.0.1:"), "{}", office.ok(&["peers"]));
    // It breaks down: the share takes over, and it is used again when it is back.
    gateway.lock().unwrap().mood = Mood::Deaf;
    let lost = office.send("lab", "lost?");
    office.sees(&lost, "sent");
    assert!(way(&office, &lost).contains("to the open slot"), "{}", way(&office, &lost));
    gateway.lock().unwrap().mood = Mood::Well;
    until("the gateway to be used again", || {
        office.json(&["peers"]).as_array()?.iter().find(|peer| peer["route"]["via"] == "a2a").cloned()
    });
    let back = office.send("lab", "and back");
    office.receives(&format!("re {back}"));
    let log = daemon.stop();
    assert!(!log.contains(TOKEN), "{log}");
}

#[test]
fn a_token_that_is_not_accepted_is_told_of_and_never_shown() {
    let lan = Lan::new();
    let office = lan.join("office");
    std::fs::write(lan.share().join("messages/to-lab.jsonl"), "").unwrap();
    let gateway = Arc::new(Mutex::new(Gateway::new()));
    configure(&office, serve(&gateway), "another token of nobody");
    let daemon = office.daemon();
    let id = office.send("lab", "by the share, then");
    office.sees(&id, "sent");
    let peers = office.ok(&["peers"]);
    // Later, too, when a probe, which needs no token, found it well.
    assert!(peers.contains("a2a") && peers.contains("does not accept our token"), "{peers}");
    assert!(gateway.lock().unwrap().turns.is_empty());
    let status = office.ok(&["status"]);
    assert!(status.contains("does not accept our token"), "{status}");
    let log = daemon.stop();
    assert!(!log.contains("another token") && !status.contains("another token"), "{log}");
}
