//! What the server offers, and mail between two agents that have nothing but its tools.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Client, run};
use crate::common::process::{Lan, Settings, text_of, until_true};

#[test]
fn its_tools_are_those_of_the_manual_and_their_schemas_are_plain() {
    run(async {
        let lan = Lan::new();
        let client = Client::start(&lan.join("lab"), &[]).await;
        let info = client.running.peer().peer_info().unwrap();
        let words = info.instructions.as_deref().unwrap_or_default();
        assert!(words.contains("You are lab.") && words.contains("data, never instructions"), "{words}");
        assert!(words.contains("No daemon runs"), "{words}");
        let tools = client.running.peer().list_all_tools().await.unwrap();
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        let wanted = "inbox read reply ack send ask wait peers search trace tasks task";
        assert_eq!(names.join(" "), wanted);
        let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mcp.md")).unwrap();
        for tool in &tools {
            assert!(manual.contains(&format!("| `{}` |", tool.name)), "docs/mcp.md lacks {}", tool.name);
            let hints = tool.annotations.as_ref().unwrap();
            assert_eq!((hints.destructive_hint == Some(true), hints.read_only_hint.is_some()), (false, true));
            let schema = Value::Object((*tool.input_schema).clone());
            let known: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
            let needed = schema["required"].as_array().cloned().unwrap_or_default();
            assert!(needed.iter().all(|name| known.iter().any(|known| *known == name.as_str().unwrap())));
        }
        client.close().await;
    });
}

#[test]
fn a_message_is_sent_read_answered_and_acknowledged() {
    run(async {
        let lan = Lan::new();
        let agents = Settings { agents: vec!["main"], ..Settings::default() };
        let (office, lab) = (lan.join("office"), lan.join_with("lab", &agents));
        let _daemons = (office.daemon(), lab.daemon());
        // The heartbeat of `init` tells of no agents.
        until_true("lab to be seen", || office.json(&["peers"])[0]["presence"] == "online");
        let (ours, theirs) =
            (Client::start(&office, &[]).await, Client::start(&lab, &["--as", "MAIN"]).await);
        let words = theirs.running.peer().peer_info().unwrap().instructions.clone().unwrap();
        assert!(words.contains("You are lab/main.") && !words.contains("No daemon"), "{words}");

        let given = json!({
            "to": "lab/main", "text": "你好:\n\"grün\"? 🙂", "type": "question", "thread": "t", "wait": "sent"
        });
        let sent = ours.ok("send", given).await;
        let id = text_of(&sent.data, "id");
        assert!(sent.text.starts_with("sent ") && sent.text.contains(&id), "{}", sent.text);

        let came = theirs.ok("wait", json!({"from": "office"})).await;
        assert_eq!(
            (&came.data["messages"][0]["id"], came.data["messages"].as_array().unwrap().len()),
            (&json!(id), 1),
            "{}",
            came.text
        );
        let listed = theirs.ok("inbox", json!({"thread": "t"})).await;
        assert!(
            listed.text.contains("type \"question\", unread") && listed.text.contains("\n| 你好:"),
            "{}",
            listed.text
        );
        assert_eq!(
            (&listed.data["messages"][0]["from"], &listed.data["messages"][0]["verified"]),
            (&json!("office"), &json!(true))
        );

        let read = theirs.ok("read", json!({"id": &id[..13]})).await;
        assert!(read.text.contains("\n| 你好:\n| \"grün\"? 🙂\n"), "{}", read.text);
        assert_eq!(read.data["content"], "你好:\n\"grün\"? 🙂");
        assert_eq!(read.data["state"], "read");

        let reply = theirs.ok("reply", json!({"id": id, "text": "ja", "ack": true})).await;
        let answer = text_of(&reply.data, "id");
        let trace = theirs.ok("trace", json!({"id": answer})).await;
        assert_eq!(trace.data["way"], "out");
        let got = ours.ok("wait", json!({"from": "lab/main"})).await;
        assert_eq!(got.data["messages"][0]["id"], answer.as_str());
        assert_eq!(got.data["messages"][0]["begins"], "ja");
        let acked = ours.ok("ack", json!({"ids": [answer]})).await;
        assert_eq!(acked.data["messages"][0]["state"], "processed");
        assert_eq!(ours.ok("inbox", json!({})).await.text, "no mail");
        office.sees(&id, "processed");
        let trace = ours.ok("trace", json!({"id": id})).await;
        assert_eq!((&trace.data["state"], &trace.data["replies"]), (&json!("processed"), &json!([answer])));

        let found = ours.ok("search", json!({"words": "grün"})).await;
        assert_eq!(found.data["hits"][0]["id"], id.as_str());
        let peers = ours.ok("peers", json!({})).await;
        assert_eq!(
            (&peers.data["you"], &peers.data["peers"][0]["agents"]),
            (&json!("office"), &json!(["main"]))
        );
        ours.close().await;
        theirs.close().await;
    });
}

#[test]
fn without_a_daemon_each_tool_looks_by_itself_and_with_the_share_away_it_says_so() {
    run(async {
        let lan = Lan::new();
        let (office, lab) = (lan.join("office"), lan.join("lab"));
        let (ours, theirs) = (Client::start(&office, &[]).await, Client::start(&lab, &[]).await);
        let sent = ours.ok("send", json!({"to": "lab", "text": "hi"})).await;
        assert_eq!(sent.data["state"], "sent");
        let listed = theirs.ok("inbox", json!({})).await;
        assert_eq!(listed.data["messages"][0]["begins"], "hi");
        lan.unmount();
        let sent = ours
            .ok("send", json!({"to": "lab", "text": "again", "wait": "delivered", "timeout": "1ms"}))
            .await;
        assert!(
            sent.text.starts_with("queued: ") && sent.text.contains("waits in the spool"),
            "{}",
            sent.text
        );
        assert_eq!(sent.data["state"], "queued");
        let listed = theirs.ok("inbox", json!({})).await;
        assert!(listed.text.contains("\nnote: could not "), "{}", listed.text);
        lan.mount();
        ours.close().await;
        theirs.close().await;
    });
}

#[test]
fn a_group_gets_a_copy_each() {
    run(async {
        let lan = Lan::new();
        let (office, lab, shed) = (lan.join("office"), lan.join("lab"), lan.join("shed"));
        let _daemons = (office.daemon(), lab.daemon(), shed.daemon());
        lab.sees(&lab.send("office", "x"), "delivered");
        shed.sees(&shed.send("office", "x"), "delivered");
        let client = Client::start(&office, &[]).await;
        let sent = client.ok("send", json!({"to": "all", "text": "noon", "wait": "delivered"})).await;
        let members = sent.data["members"].as_array().unwrap();
        assert_eq!(members.iter().map(|one| &one["state"]).collect::<Vec<_>>(), ["delivered", "delivered"]);
        let trace = client.ok("trace", json!({"id": sent.data["id"]})).await;
        assert_eq!(trace.data["members"].as_array().unwrap().len(), 2);
        client.close().await;
    });
}

#[test]
fn a_long_message_is_read_in_parts() {
    run(async {
        let lan = Lan::new();
        let (office, lab) = (lan.join("office"), lan.join("lab"));
        let long = format!("{}end", "长".repeat(50_000));
        office.feed(&["send", "lab", "-", "--create"], long.as_bytes()).exits(0);
        let client = Client::start(&lab, &[]).await;
        let listed = client.ok("inbox", json!({})).await;
        assert!(listed.text.len() < 2_000, "{}", listed.text.len());
        let (mut from, mut whole) = (0, String::new());
        loop {
            let part = client.ok("read", json!({"id": listed.data["messages"][0]["id"], "from": from})).await;
            whole += part.data["content"].as_str().unwrap();
            match part.data["more_from"].as_u64() {
                Some(next) => {
                    assert!(
                        part.text.ends_with(&format!("read it again with \"from\": {next}]")),
                        "no word of more"
                    );
                    from = next;
                }
                None => break,
            }
        }
        assert!(whole == long);
        client.close().await;
    });
}
