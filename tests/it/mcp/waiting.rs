//! Tools that take time: they hold up no other, tell how it goes on, and end when their caller gives up.

use serde_json::json;

use super::client::{Client, answer, run, until};
use crate::common::process::{Lan, text_of};

#[test]
fn a_request_is_answered_while_other_tools_are_used_and_its_progress_is_heard() {
    run(async {
        let lan = Lan::new();
        let (office, lab) = (lan.join("office"), lan.join("lab"));
        let _daemons = (office.daemon(), lab.daemon());
        let (ours, theirs) = (Client::start(&office, &[]).await, Client::start(&lab, &[]).await);
        lab.sees(&lab.send("office", "I am here"), "delivered");
        let asked = ours.begin("ask", json!({"to": "lab", "text": "green?", "timeout": "3m"})).await;
        let request = theirs.ok("wait", json!({"timeout": "3m"})).await;
        let id = text_of(&request.data["messages"][0], "id");
        assert_eq!(request.data["messages"][0]["type"], "request");
        // It waits, and others don't.
        ours.ok("peers", json!({})).await;
        theirs.ok("reply", json!({"id": id, "text": "halfway", "progress": true})).await;
        until("the progress", || {
            ours.heard.lock().unwrap().iter().any(|text| text == "lab: halfway").then_some(())
        })
        .await;
        theirs.ok("reply", json!({"id": id, "text": "yes", "ack": true})).await;
        let said = answer(asked).await.unwrap();
        let end = &said.data["requests"][0];
        assert_eq!((&end["outcome"], &end["answer"]["content"]), (&json!("answered"), &json!("yes")));
        assert!(said.text.contains("\n| yes"), "{}", said.text);
        // What was shown is dealt with.
        let left = ours.ok("inbox", json!({})).await;
        assert!(!left.text.contains("| yes"), "{}", left.text);
        ours.close().await;
        theirs.close().await;
    });
}

#[test]
fn a_request_that_nobody_answers_in_time_stays_open_and_is_waited_for_again() {
    run(async {
        let lan = Lan::new();
        let (office, lab) = (lan.join("office"), lan.join("lab"));
        let (ours, theirs) = (Client::start(&office, &[]).await, Client::start(&lab, &[]).await);
        let said = ours.ok("ask", json!({"to": "lab", "text": "green?", "timeout": "10ms"})).await;
        let end = &said.data["requests"][0];
        assert_eq!(end["outcome"], "open");
        let id = text_of(&end["request"], "id");
        assert!(said.text.contains(&format!("{{\"again\": \"{id}\"}}")), "{}", said.text);
        theirs.ok("inbox", json!({})).await;
        theirs.ok("reply", json!({"id": id, "text": "yes"})).await;
        let said = ours.ok("ask", json!({"again": id})).await;
        assert_eq!(said.data["requests"][0]["answer"]["content"], "yes");
        for wrong in [json!({}), json!({"to": "lab"}), json!({"to": "lab", "text": "x", "again": id})] {
            assert!(ours.fails("ask", wrong).await.contains("`again` alone"));
        }
        ours.close().await;
        theirs.close().await;
    });
}

#[test]
fn several_are_asked_at_once() {
    run(async {
        let lan = Lan::new();
        let (office, lab, shed) = (lan.join("office"), lan.join("lab"), lan.join("shed"));
        let _daemons = (office.daemon(), lab.daemon(), shed.daemon());
        lab.sees(&lab.send("office", "x"), "delivered");
        shed.sees(&shed.send("office", "x"), "delivered");
        let (ours, theirs) = (Client::start(&office, &[]).await, Client::start(&lab, &[]).await);
        let asked = ours.begin("ask", json!({"to": "all", "text": "at what?", "timeout": "10s"})).await;
        let request = theirs.ok("wait", json!({"timeout": "3m"})).await;
        let id = text_of(&request.data["messages"][0], "id");
        theirs.ok("reply", json!({"id": id, "text": "the build"})).await;
        let said = answer(asked).await.unwrap();
        let mut outcomes: Vec<_> =
            said.data["requests"].as_array().unwrap().iter().map(|end| text_of(end, "outcome")).collect();
        outcomes.sort();
        assert_eq!(outcomes, ["answered", "open"]);
        ours.close().await;
        theirs.close().await;
    });
}

#[test]
fn who_gives_up_is_not_answered_and_what_comes_is_mail() {
    run(async {
        let lan = Lan::new();
        let (office, lab) = (lan.join("office"), lan.join("lab"));
        let (ours, theirs) = (Client::start(&office, &[]).await, Client::start(&lab, &[]).await);
        let asked = ours.begin("ask", json!({"to": "lab", "text": "green?", "timeout": "1h"})).await;
        let request = theirs.ok("wait", json!({"timeout": "3m"})).await;
        let id = text_of(&request.data["messages"][0], "id");
        asked.cancel(Some("enough".into())).await.unwrap();
        // Nobody waits for it any more: its answer counts as mail at once, for another who waits.
        theirs.ok("reply", json!({"id": id, "text": "yes"})).await;
        let came = ours.ok("wait", json!({"timeout": "3m"})).await;
        assert_eq!(came.data["messages"][0]["begins"], "yes");
        let waits = ours.begin("wait", json!({"from": "nobody", "timeout": "1h"})).await;
        waits.cancel(None).await.unwrap();
        ours.ok("ack", json!({"ids": [came.data["messages"][0]["id"]]})).await;
        ours.close().await;
        theirs.close().await;
    });
}

#[test]
fn a_wait_in_which_nothing_comes_says_so() {
    run(async {
        let lan = Lan::new();
        let client = Client::start(&lan.join("lab"), &[]).await;
        let said = client.ok("wait", json!({"timeout": "20ms"})).await;
        assert_eq!(
            (said.text.as_str(), &said.data["messages"]),
            ("no unread mail came within 20ms", &json!([]))
        );
        // A server that is gone answers nothing.
        let waits = client.begin("wait", json!({"timeout": "1h"})).await;
        crate::common::process::kill(client.pid);
        assert!(answer(waits).await.is_err());
    });
}

#[test]
fn of_much_mail_the_newest_is_listed_with_a_word_that_there_is_more() {
    run(async {
        let lan = Lan::new();
        let lab = lan.join("lab");
        let line = |n: usize| json!({"from": "pen", "to": "lab", "timestamp": "2026-02-14T10:40:00Z", "type": "message", "content": format!("no. {n}")});
        let lines: String = (1..=25).map(|n| format!("{}\n", line(n))).collect();
        std::fs::write(lan.share().join("messages/to-lab.jsonl"), lines).unwrap();
        crate::common::process::until_true("all", || lab.inbox().len() == 25);
        let client = Client::start(&lab, &[]).await;
        for (given, wanted) in [(json!({}), 20), (json!({"limit": 3}), 3), (json!({"limit": 25}), 25)] {
            let said = client.ok("wait", given).await;
            let listed = said.data["messages"].as_array().unwrap();
            assert_eq!((listed.len(), &listed[wanted - 1]["begins"]), (wanted, &json!("no. 25")));
            assert_eq!(said.data["older"] == true, wanted < 25);
            assert_eq!(said.text.contains("\"limit\" shows more"), wanted < 25, "{}", said.text);
        }
        client.close().await;
    });
}
