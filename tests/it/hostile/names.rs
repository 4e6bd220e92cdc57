//! Path tricks in every field that could become a name: nothing is written, or read, but where the layout says.

use std::time::Duration;

use lanpost::engine::ops;
use lanpost::model::layout::{self, LaneFile};
use serde_json::{Value, json};

use crate::common::pair::{Pair, name};

/// What a path could be made of.
fn tricks() -> Vec<String> {
    let mut tricks: Vec<String> = [
        "..",
        "../../etc/passwd",
        "..\\..\\x",
        "/etc/passwd",
        "C:\\Windows\\x",
        "C:x",
        "\\\\evil\\share\\x",
        "//evil/x",
        "a:stream",
        "a::$DATA",
        "CON",
        "nul.txt",
        "COM1",
        "lpt¹",
        "a.",
        "a ",
        "a...",
        ".hidden",
        "a\0b",
        "a\nb",
        "~",
        "~root",
        "$HOME",
        "%APPDATA%",
        "*",
        "a?b",
        "a|b",
        "-rf",
        "..%2f..",
        "．．／x",
        "а",
        "b\u{200b}",
        "b\u{202e}a",
        "ﬁle",
        "to-b.jsonl",
        "x.lock",
        "x.tmp",
        "x.json",
        "all",
        "b/../../x",
        "b/..",
        "/",
        "",
        " ",
    ]
    .map(String::from)
    .to_vec();
    tricks.push("x".repeat(100_000));
    tricks.push("../".repeat(5_000));
    tricks
}

#[test]
fn no_field_of_a_message_becomes_a_path() {
    let mut pair = Pair::new();
    pair.settle();
    let lane = layout::lane(&name("b"), &LaneFile { from: name("x"), lease: 1, segment: 1 });
    let (mut slot, mut lines, mut seq) = (String::new(), String::new(), 0);
    for trick in tricks() {
        for field in [
            "from",
            "to",
            "id",
            "in_reply_to",
            "thread",
            "type",
            "priority",
            "timestamp",
            "attachments",
            "../x",
        ] {
            seq += 1;
            let mut line =
                json!({"v": 1, "id": format!("n{seq}"), "seq": seq, "from": "x", "to": "b", "content": "c"});
            line[field] = Value::from(trick.as_str());
            lines += &format!("{line}\n");
            line.as_object_mut().unwrap().remove("seq");
            slot += &format!("{line}\n");
        }
    }
    let before = pair.share.walk(10_000).unwrap();
    pair.share.open_append(&layout::open_slot(&name("b"))).unwrap().append(slot.as_bytes()).unwrap();
    pair.share.open_append(&lane).unwrap().append(lines.as_bytes()).unwrap();
    pair.a.send("b", &["goes on".into()]);
    pair.until("the mail", |pair| pair.b.texts().contains(&"goes on".into()));
    pair.run(Duration::from_secs(130));
    // Answers to all of them: those whose sender is a name are sent, the others refused in words.
    for message in pair.b.inbox() {
        let _ =
            ops::reply(pair.b.node_mut(), message.id.as_str(), json!("?"), None, ops::Author::Program, false);
    }
    pair.run(Duration::from_secs(130));
    let folders = ["bell", "clock"];
    for path in pair.b.counting.written() {
        assert!(
            layout::is_ours(&path) || folders.iter().any(|file| layout::is_ours(&format!("{path}/{file}"))),
            "{path:?} was written"
        );
        for part in path.split('/') {
            assert!(
                part != ".." && !part.contains(['\\', ':', '\0']) && part.len() <= 255,
                "{path:?} was written"
            );
        }
    }
    let after = pair.share.walk(10_000).unwrap();
    let new: Vec<_> =
        after.files.iter().filter(|(path, _)| before.files.iter().all(|(old, _)| old != path)).collect();
    assert!(new.iter().all(|(path, _)| layout::is_ours(path)), "{new:?}");
}

#[test]
fn what_looks_like_a_lane_or_a_lease_but_is_none_is_left_alone() {
    for bad in [
        "from-../x.1-000001.jsonl",
        "from-..%2fx.1-000001.jsonl",
        "from-a:b.1-000001.jsonl",
        "from-CON.1-000001.jsonl",
        "from-a.1-18446744073709551615.jsonl",
        "from-a.18446744073709551616-1.jsonl",
        "from-a.-1-1.jsonl",
        "from-a.1-0.jsonl",
        "from-a.4294967295-1.jsonl",
        "from-a.1-1.jsonl:x",
        "from-a\0.1-1.jsonl",
        "from-a .1-1.jsonl",
        "from-a..1-1.jsonl",
        "from-а\u{202e}.1-1.jsonl",
        "from-a.１-１.jsonl",
        "FROM-a.1-1.jsonl",
        "from-a.1-1.jsonl ",
        "from-a.1-1.jsonl.",
    ] {
        assert_eq!(layout::parse_lane(bad), None, "{bad:?}");
    }
    for bad in [
        "4294967295.json",
        "0.json",
        "-1.json",
        "+1.json",
        "1.json:x",
        "１.json",
        "99999999999999999999.json",
        "1.JSON",
    ] {
        assert_eq!(layout::parse_lease(bad), None, "{bad:?}");
    }
    for bad in ["to-..", "to-.jsonl", "to-a/b", "to-a\\b.jsonl", "to-CON.jsonl", "to-a:b", "to-a.jsonl.jsonl"]
    {
        assert_eq!(layout::parse_messages(bad), None, "{bad:?}");
    }
}
