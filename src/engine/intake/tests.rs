//! Chunks in, arrivals and quarantine out.

use super::*;

const PLAIN: &str = r#"{"from":"instance-A","to":"lab","timestamp":"t","type":"message","content":"你好"}"#;

fn lab() -> Name {
    Name::parse("lab").unwrap()
}

fn slot(us: &Name, still: Still) -> Reading<'_> {
    Reading {
        lane: "slot",
        source: "messages/to-lab.jsonl",
        via: Via::Slot,
        us,
        limit: 4096,
        room: 1 << 20,
        at_end: true,
        sealed: false,
        still,
        restarted: false,
        keys: &|_| Rc::default(),
        open: &|_| Err("nobody seals here".into()),
    }
}

fn taken(outcome: &Outcome) -> (usize, usize) {
    outcome.intake.as_ref().map_or((0, 0), |intake| (intake.arrivals.len(), intake.quarantined.len()))
}

#[test]
fn a_bad_line_stops_nothing_after_it() {
    let us = lab();
    let bad = [
        "not json",
        "[1]",
        "{\"from\":\"a\"}",
        "{\"from\":\"a\",\"from\":\"b\",\"content\":1}",
        "{\"from\":\"a\",\"content\":\"\\ud800\"}",
        "{\"from\":\"a\",\"content\":",
    ];
    for bad in bad {
        let bytes = format!("{PLAIN}\n{bad}\n{PLAIN}\n");
        let outcome = read(&slot(&us, Still::Damaged), &Cursor::default(), bytes.as_bytes());
        assert_eq!(taken(&outcome), (2, 1), "{bad:?}");
        let intake = outcome.intake.unwrap();
        assert_eq!(intake.cursor.offset, bytes.len() as u64, "{bad:?}");
        assert!(!intake.quarantined[0].raw.is_empty(), "{bad:?}");
    }
}

#[test]
fn what_was_handed_over_is_looked_at_no_further_than_to_the_first_refusal() {
    use crate::model::sign::Signer;
    use crate::model::trust::{Keys, Pin, Standing};

    let (us, looks) = (lab(), std::cell::Cell::new(0));
    let key = Signer::new(&[1; 32]).key();
    let keys = |_: &str| {
        looks.set(looks.get() + 1);
        Rc::new(Keys(vec![Pin { key, standing: Standing::Pinned }]))
    };
    let via = Via::Direct { peer: "office".into(), lease: 7 };
    let reading = Reading { via, keys: &keys, ..slot(&us, Still::No) };
    let line = |n: u64| {
        let sig = "ab".repeat(64);
        format!(
            "{{\"v\":1,\"id\":\"{n}\",\"from\":\"office\",\"to\":\"lab\",\"content\":\"x\",\"seq\":{n},\"lease\":7,\"sig\":\"{sig}\"}}"
        )
    };
    let lines: String = (1..=1000).map(|n| line(n) + "\n").collect();
    let glued: String = (1..=15).map(line).collect::<String>() + "\n";
    for bytes in [lines, glued, "{}\n".repeat(1000)] {
        let outcome = read(&reading, &Cursor::default(), bytes.as_bytes());
        assert_eq!(outcome.waiting, 0);
        assert_eq!(outcome.intake.unwrap().quarantined.len(), 1);
        assert!(looks.take() <= 1);
    }
}

#[test]
fn a_tail_is_waited_for_until_it_settles() {
    let us = lab();
    let bytes = format!("{PLAIN}\n{PLAIN}");
    let outcome = read(&slot(&us, Still::No), &Cursor::default(), bytes.as_bytes());
    assert_eq!((taken(&outcome), outcome.waiting), ((1, 0), PLAIN.len()));
    let outcome = read(&slot(&us, Still::Complete), &Cursor::default(), bytes.as_bytes());
    assert_eq!((taken(&outcome), outcome.waiting), ((2, 0), 0));
    let half = &bytes.as_bytes()[..bytes.len() - 5];
    let outcome = read(&slot(&us, Still::Complete), &Cursor::default(), half);
    assert_eq!((taken(&outcome), outcome.waiting), ((1, 0), PLAIN.len() - 5));
    let outcome = read(&slot(&us, Still::Damaged), &Cursor::default(), half);
    assert_eq!((taken(&outcome), outcome.waiting), ((1, 1), 0));
}

#[test]
fn a_nul_tail_is_in_flight_and_then_set_aside() {
    let us = lab();
    let bytes = [PLAIN.as_bytes(), b"\n", &[0; 20]].concat();
    let outcome = read(&slot(&us, Still::No), &Cursor::default(), &bytes);
    assert_eq!((taken(&outcome), outcome.waiting), ((1, 0), 20));
    let outcome = read(&slot(&us, Still::Damaged), &Cursor::default(), &bytes);
    assert_eq!((taken(&outcome), outcome.waiting), ((1, 1), 0));
}

#[test]
fn a_line_over_the_limit_is_set_aside_whatever_its_length() {
    let us = lab();
    let long = format!("{{\"from\":\"a\",\"content\":\"{}\"}}\n{PLAIN}\n", "x".repeat(5000));
    assert_eq!(taken(&read(&slot(&us, Still::No), &Cursor::default(), long.as_bytes())), (1, 1));
    let endless = [b'x'; 5000];
    let reading = Reading { at_end: false, ..slot(&us, Still::No) };
    let outcome = read(&reading, &Cursor::default(), &endless);
    let cursor = outcome.intake.unwrap().cursor;
    assert!(cursor.skipping);
    let rest = format!("xxx\n{PLAIN}\n");
    let outcome = read(&slot(&us, Still::No), &cursor, rest.as_bytes());
    assert_eq!(taken(&outcome), (1, 0));
    assert!(!outcome.intake.unwrap().cursor.skipping);
}

#[test]
fn a_lane_carries_only_its_owners_mail_to_us() {
    let us = lab();
    let lane = Reading { lane: "a.1", via: Via::Lane { peer: "a".into(), lease: 1 }, ..slot(&us, Still::No) };
    let line = |from: &str, to: &str, more: &str| {
        format!("{{\"v\":1,\"id\":\"x1\",\"from\":\"{from}\",\"to\":\"{to}\",\"content\":1{more}}}\n")
    };
    let cases = [
        (line("a", "lab", ",\"seq\":1"), (1, 0)),
        (line("A/agent", "LAB/x", ",\"seq\":1"), (1, 0)),
        (line("b", "lab", ",\"seq\":1"), (0, 1)),
        (line("a", "office", ",\"seq\":1"), (0, 1)),
        (line("a", "lab", ""), (0, 1)),
        (line("a", "lab", ",\"seq\":0"), (0, 1)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(taken(&read(&lane, &Cursor::default(), bytes.as_bytes())), expected, "{bytes}");
    }
}

#[test]
fn a_torn_tail_of_a_lane_is_set_aside_only_when_its_writer_went_on() {
    let us = lab();
    let lane = Reading {
        via: Via::Lane { peer: "a".into(), lease: 1 },
        still: Still::Damaged,
        ..slot(&us, Still::No)
    };
    assert_eq!(taken(&read(&lane, &Cursor::default(), b"{\"v\":1")), (0, 0));
    let sealed = Reading { sealed: true, ..lane };
    assert_eq!(taken(&read(&sealed, &Cursor::default(), b"{\"v\":1")), (0, 1));
}

#[test]
fn what_follows_an_over_long_line_of_utf_16_is_read() {
    let us = lab();
    let mail = |text: &str| PLAIN.replace("你好", text);
    let (long, after) = (mail(&"上".repeat(9_000)), mail("上一个"));
    let file = text::encode(&format!("{long}\r\n{after}\r\n{PLAIN}\r\n"), Encoding::Utf16Le, true);
    let (mut cursor, mut at, mut texts) = (Cursor::default(), 0, vec![]);
    while at < file.len() {
        let chunk = &file[at..file.len().min(at + 5_001)];
        let reading = Reading { at_end: at + chunk.len() == file.len(), ..slot(&us, Still::No) };
        let intake = read(&reading, &cursor, chunk).intake.unwrap();
        texts.extend(intake.arrivals.into_iter().map(|arrival| arrival.envelope.content));
        cursor = intake.cursor;
        at = usize::try_from(cursor.offset).unwrap();
    }
    assert_eq!(texts, ["上一个", "你好"]);
}

#[test]
fn a_line_in_utf16_that_is_shown_as_nul_bytes_first_is_waited_for() {
    let us = lab();
    let line = |text: &str| -> Vec<u8> {
        let line = format!("\u{feff}{{\"from\":\"hand\",\"content\":\"{text}\"}}\r\n");
        line.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let first = read(&slot(&us, Still::No), &Cursor::default(), &line("一"));
    assert_eq!((taken(&first), first.waiting), ((1, 0), 0));
    let cursor = first.intake.unwrap().cursor;
    let (there, shown) = (line("二"), vec![0; line("二").len()]);
    for still in [Still::No, Still::Complete] {
        let outcome = read(&slot(&us, still), &cursor, &shown);
        assert_eq!((taken(&outcome), outcome.waiting), ((0, 0), shown.len()), "{still:?}");
    }
    for still in [Still::No, Still::Complete] {
        let outcome = read(&slot(&us, still), &cursor, &there);
        assert_eq!((taken(&outcome), outcome.waiting), ((1, 0), 0), "{still:?}");
    }
}
