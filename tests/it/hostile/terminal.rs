//! What acts on a terminal, in every field that is printed: it is shown, never done, in text, in JSON and in the log.

use std::fs;

use serde_json::json;

use crate::common::process::{Lan, list, text_of, until_true};

/// Clears, recolours, sets the title, rings, goes back over what stands there, reverses, hides.
const EVIL: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{8}\r\u{85}\u{202e}gnp\u{2066}\u{200f}\u{2028}\u{e0041}\u{7f}";

fn acts(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(
            c,
            '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}'
        )
        || matches!(c, '\u{2066}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}')
}

#[test]
fn nothing_that_is_printed_acts_on_a_terminal() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let at = |place: &str| lan.share().join(place);
    let beat = json!({"lanpost": EVIL, "v": 1, "instance": "evil", "state": "stopped", "reason": EVIL, "beat": 1,
        "timestamp": EVIL, "interval": 15, "agents": ["main"], "lease": 1, "key": EVIL, "host": EVIL, "max_message": 1 << 20, EVIL: EVIL});
    fs::write(at("status/evil.json"), beat.to_string()).unwrap();
    let lease = json!({"holder": EVIL, "host": EVIL, "since": EVIL}).to_string();
    let mut slot = String::new();
    for field in [
        "from",
        "type",
        "thread",
        "timestamp",
        "priority",
        "content",
        "id",
        "to",
        "in_reply_to",
        "expires",
        "extra",
    ] {
        let mut line = json!({"from": "evil", "content": "c", "timestamp": "2026-01-01T00:00:00Z"});
        line[field] = json!(EVIL);
        slot += &format!("{line}\n");
    }
    slot += &format!("{}\n", json!({"from": "evil", "content": {EVIL: [EVIL]}, EVIL: EVIL}));
    slot += &format!("{{\"a\":1,\"a\":2}} {EVIL}\n{EVIL}\n");
    slot += &format!("{{\"{}\":1,\"{}\":2}}\n", "\\u001b[2J", "\\u001b[2J");
    fs::write(at("messages/to-lab.jsonl"), slot).unwrap();
    let lane =
        json!({"v": 1, "id": "1", "seq": 1, "from": "evil", "to": EVIL, "type": EVIL, "content": EVIL});
    fs::write(at("messages/to-lab/from-evil.1-000001.jsonl"), format!("{lane}\n")).unwrap();
    if cfg!(unix) {
        fs::write(at(&format!("status/{}", EVIL.replace('/', "_"))), "x").unwrap();
        fs::create_dir(at("status/folder.json")).unwrap();
    }
    let mut printed = vec![];
    {
        let mut daemon = lab.daemon();
        until_true("the mail", || lab.inbox().len() >= 7);
        until_true("what is none", || !list(lab.json(&["inbox", "--quarantine"])).is_empty());
        let ids: Vec<String> = lab.inbox().iter().map(|message| text_of(message, "id")).collect();
        let sent = text_of(&lab.json(&["send", "evil", EVIL]), "id");
        let mut commands: Vec<Vec<&str>> = vec![
            vec!["inbox"],
            vec!["inbox", "--all"],
            vec!["inbox", "--quarantine"],
            vec!["peers"],
            vec!["status"],
            vec!["wait"],
            vec!["trace", &sent],
            vec!["send", "evi", "x"],
            vec!["send", EVIL, "x"],
            vec!["read", EVIL],
        ];
        for id in &ids {
            commands.extend([vec!["read", id], vec!["trace", id], vec!["reply", id, "x"]]);
        }
        fs::write(at("leases/lab/000099.json"), &lease).unwrap();
        until_true("the lease to be lost", || lab.ok(&["status"]).contains("another daemon"));
        for command in commands {
            for json in [false, true] {
                let args = if json { [vec!["--json"], command.clone()].concat() } else { command.clone() };
                let done = lab.run(&args);
                printed.push((args.join(" "), done.out + &done.err));
            }
        }
        printed.push(("the daemon's stderr".into(), daemon.log()));
        assert_eq!(daemon.ended(), None);
    }
    printed.push(("log".into(), fs::read_to_string(lab.state.join("log/lanpost.log")).unwrap()));
    printed.push(("office".into(), office.ok(&["peers"])));
    for (what, text) in printed {
        let found: Vec<char> = text.chars().filter(|c| acts(*c)).collect();
        assert!(found.is_empty(), "{} prints {found:?}: {text:?}", what.escape_debug());
    }
}
