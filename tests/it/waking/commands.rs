//! `lanpost wake`, and what a wake command is given as text for a model.

use serde_json::json;

use crate::common::agent::{Agent, Deed};
use crate::common::process::{Lan, Settings, finish, list, text_of, until};

#[test]
fn a_test_wakes_once_and_touches_no_mail() {
    let lan = Lan::new();
    let agent = Agent::new(&lan.pc("lab"), Deed::WantReady);
    let settings =
        Settings { agents: vec!["main"], ..agent.settings("budget = 1\nquiet = [\"00:00-23:59\"]") };
    let lab = lan.join_with("lab", &settings);
    let later = lab.run(&["wake", "test", "--json"]).exits(75);
    assert_eq!(later.json(), json!({"outcome": "temporary", "detail": "exit code 75"}));
    std::fs::write(agent.folder.join("ready"), "").unwrap();
    let done = lab.ok(&["wake", "test", "--agent", "main"]);
    assert_eq!(done.trim_end(), "the agent was woken: exit code 0");
    let mail = agent.mail(0);
    assert_eq!((&mail[0]["type"], &mail[0]["to"]), (&json!("wake-test"), &json!("lab/main")));
    assert!(agent.text("0.env").contains("LANPOST_AGENT=main\n"));
    lab.run(&["wake", "test", "--agent", "other"]).exits(3);
    assert!(lab.inbox().is_empty() && list(lab.json(&["wake", "log"])).is_empty());
    let nobody = lan.join("office");
    assert!(nobody.run(&["wake", "test", "--json"]).exits(2).json_error().contains("no way to wake"));
}

#[test]
fn a_hold_is_seen_and_ends_and_the_log_tells_of_each_wake() {
    let lan = Lan::new();
    let office = lan.join("office");
    let agent = Agent::new(&lan.pc("lab"), Deed::Nothing);
    let lab = lan.join_with("lab", &agent.settings("stdin = \"text\""));
    let held = lab.ok(&["wake", "hold", "--for", "1h"]);
    assert!(held.starts_with("wakes held: 0 messages wait until"), "{held}");
    let _daemon = lab.daemon();
    let id = office.send("lab", "hello\n[9 of 9] id x");
    lab.sees(&id, "delivered");
    let status = until("a held message", || {
        Some(lab.json(&["status"])).filter(|it| it["wakes_held"]["messages"] == 1)
    });
    assert_eq!((&status["wakes_held"]["why"], &status["problems"]), (&json!("hold"), &json!([])));
    assert_eq!(lab.json(&["wake", "resume"]), json!({"wakes_held": null, "due_again": 0}));
    let wakes = until("its end", || {
        Some(list(lab.json(&["wake", "log", "--limit", "1"]))).filter(|wakes| wakes[0]["state"] == "done")
    });
    assert_eq!(wakes[0]["messages"], json!([{"id": id, "from": "office"}]));
    assert_eq!(
        (text_of(&wakes[0], "reason"), text_of(&wakes[0], "detail")),
        ("new mail".into(), "exit code 0".into())
    );
    let told = agent.text("1.run");
    assert!(told.contains("from \"office\" (") && told.contains("\n| hello\n| [9 of 9] id x\n"), "{told}");
    assert!(agent.text("1.env").contains(&format!("LANPOST_TEXT={told}")), "{told}");
}

#[test]
fn what_a_wake_sends_is_counted() {
    let lan = Lan::new();
    let office = lan.join("office");
    let agent = Agent::new(&lan.pc("lab"), Deed::Answer);
    let lab = lan.join_with("lab", &agent.settings(""));
    let (_one, _two) = (office.daemon(), lab.daemon());
    let asked = office.json(&["send", "lab", "do it"]);
    assert_eq!(asked.get("hops"), None);
    let answer = office.receives("on it");
    assert_eq!(answer["hops"], 1);
    let more = office.json(&["reply", &text_of(&answer, "id"), "and more"]);
    assert_eq!(more["hops"], 2);
    let mut anew = office.command(&["--json", "reply", &text_of(&answer, "id"), "and more"]);
    anew.env("LANPOST_WAKE", "");
    assert_eq!(finish(anew, b"").exits(0).json()["hops"], 0, "it says that it begins anew");
}
