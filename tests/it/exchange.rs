//! Two engines exchange mail over one share: what arrives, what the sender learns, what is woken, what bad luck does.
//!
//! No thread, no wait: both are stepped by hand on clocks that stand still. Everything is asked of the store and of
//! the share's files, nothing of the engine's inside.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::ops;
use lanpost::engine::wake::Outcome;
use lanpost::error::Kind;
use lanpost::model::envelope::Priority;
use lanpost::model::layout::{self, LaneFile};
use lanpost::model::lease::TERM;
use lanpost::model::lockfile;
use lanpost::model::state::State;
use lanpost::model::text::{Encoding, encode};
use lanpost::store::db::{Message, Way};
use lanpost::sys::clock::Clock;
use lanpost::sys::memory::MemoryShare;
use lanpost::sys::share::Share;
use serde_json::{Value, json};

use crate::common::{Fault, Pair, Site, Verb, name, texts};

const SECOND: Duration = Duration::from_secs(1);

/// A lane file of `from` under its first lease.
fn lane(to: &str, from: &str, segment: u64) -> layout::SharePath {
    layout::lane(&name(to), &LaneFile { from: name(from), lease: 1, segment })
}

fn append(share: &dyn Share, path: &layout::SharePath, bytes: &[u8]) {
    share.open_append(path).unwrap().append(bytes).unwrap();
}

fn read_all(share: &dyn Share, path: &layout::SharePath) -> String {
    String::from_utf8(share.read(path, 0, 1 << 24).unwrap().unwrap_or_default()).unwrap()
}

/// A line of the plain protocol to b.
fn plain(content: &str) -> String {
    json!({"from": "instance-A", "to": "b", "timestamp": "2026-02-14T18:40:00+08:00", "type": "message", "content": content})
        .to_string()
}

fn waking(config: &mut lanpost::model::config::Config) {
    config.wake.command = vec!["agent".into()];
}

mod mail {
    //! The way there and back.

    use super::*;

    #[test]
    fn mail_goes_both_ways_and_each_sender_sees_every_state() {
        let mut pair = Pair::new();
        let (to_b, to_a) = (pair.a.send("b", &texts("a", 3)), pair.b.send("a", &texts("b", 2)));
        assert!(to_b.iter().chain(&to_a).all(|message| message.state == State::Queued));
        pair.settle();
        assert_eq!((pair.b.texts(), pair.a.texts()), (texts("a", 3), texts("b", 2)));
        assert!(to_b.iter().all(|message| pair.a.state_of(message) == State::Delivered));
        assert!(to_a.iter().all(|message| pair.b.state_of(message) == State::Delivered));

        let ids: Vec<String> = to_b.iter().map(|message| message.id.to_string()).collect();
        ops::read(pair.b.node_mut(), &ids[0]).unwrap();
        pair.settle();
        assert_eq!(pair.a.state_of(&to_b[0]), State::Read);
        assert_eq!(pair.a.state_of(&to_b[1]), State::Delivered, "the others were not read");
        ops::ack(pair.b.node_mut(), &ids[..1], None).unwrap();
        ops::ack(pair.b.node_mut(), &ids[1..2], Some("没有权限")).unwrap();
        pair.settle();
        assert_eq!(pair.a.state_of(&to_b[0]), State::Processed);
        assert_eq!(pair.a.state_of(&to_b[1]), State::Failed);
        let failed = ops::trace(pair.a.node(), &ids[1]).unwrap();
        assert_eq!(failed.message.outcome.as_deref(), Some("没有权限"));
        assert_eq!(pair.a.journey(Way::Out, &to_b[0]), ["queued", "sent", "delivered", "read", "processed"]);
        assert_eq!(pair.a.journey(Way::Out, &to_b[1]), ["queued", "sent", "delivered", "failed"]);
        assert_eq!(pair.b.journey(Way::In, &to_b[0]), ["delivered", "read", "processed"]);
        assert!(failed.transitions.is_sorted_by(|a, b| a.at <= b.at));
    }

    #[test]
    fn listing_consumes_nothing_and_reading_twice_tells_once() {
        let mut pair = Pair::new();
        let sent = pair.a.send("b", &texts("a", 1));
        pair.settle();
        let before = pair.lane_lines("b", "a").len();
        assert_eq!(pair.b.inbox()[0].state, State::Delivered);
        pair.settle();
        assert_eq!(pair.lane_lines("b", "a").len(), before);
        for _ in 0..2 {
            ops::read(pair.b.node_mut(), sent[0].id.as_str()).unwrap();
            pair.settle();
        }
        assert_eq!(pair.lane_lines("b", "a").len(), before + 1, "one receipt for one reading");
    }

    #[test]
    fn a_reply_finds_its_thread() {
        let mut pair = Pair::new();
        let asked = pair.a.send_one("b", "question", |draft| draft.agent = Some(name("alice")));
        pair.settle();
        ops::reply(pair.b.node_mut(), asked.id.as_str(), "answer".into(), None, ops::Author::Program, false)
            .unwrap();
        pair.settle();
        let answer = pair.a.inbox().remove(0);
        assert_eq!(answer.in_reply_to.as_ref(), Some(&asked.id));
        assert_eq!(answer.thread.as_deref(), Some(asked.id.as_str()));
        assert_eq!((answer.from.as_str(), answer.to.as_str()), ("b", "a/alice"));
    }

    #[test]
    fn mail_to_oneself_arrives() {
        let mut pair = Pair::new();
        let sent = pair.a.send("a", &texts("self", 2));
        pair.settle();
        assert_eq!(pair.a.texts(), texts("self", 2));
        assert_eq!(pair.a.state_of(&sent[1]), State::Delivered);
    }

    #[test]
    fn every_field_of_a_message_crosses_over() {
        let mut pair = Pair::new();
        let content = json!({"deep": [1, {"x": "你好 📮"}], "text": "line\nbreak\u{0}"});
        let sent = pair.a.send_one("b/builder", "", |draft| {
            draft.content = content.clone();
            draft.kind = Some("task".into());
            draft.thread = Some("build-7".into());
            draft.priority = Priority::High;
            draft.ttl = Some(Duration::from_secs(3_600));
        });
        pair.settle();
        let found = pair.b.inbox().remove(0);
        assert_eq!((found.content, found.kind.as_str()), (content, "task"));
        assert_eq!((found.thread.as_deref(), found.priority), (Some("build-7"), Priority::High));
        assert_eq!((found.to.as_str(), found.id), ("b/builder", sent.id));
        assert_eq!((found.timestamp, found.expires), (sent.timestamp, sent.expires));
    }

    #[test]
    fn the_same_id_again_is_the_same_message() {
        let mut pair = Pair::new();
        let once =
            |site: &mut Site| site.send_one("b", "build", |d| d.id = Some("build-42".parse().unwrap()));
        once(&mut pair.a);
        pair.settle();
        let again = once(&mut pair.a);
        assert_eq!(again.state, State::Delivered, "it says how far the first one came");
        pair.settle();
        assert_eq!(pair.b.texts(), ["build"]);
        assert_eq!(pair.a.journey(Way::Out, &again), ["queued", "sent", "delivered"]);
    }

    #[test]
    fn another_message_under_a_used_id_is_refused_whole() {
        let mut pair = Pair::new();
        pair.a.send_one("b", "one", |draft| draft.id = Some("x".parse().unwrap()));
        let conflict = |text: &str| {
            let mut draft = ops::Draft::new("b".parse().unwrap(), text);
            draft.id = Some("x".parse().unwrap());
            draft
        };
        let error = ops::send(pair.a.node_mut(), conflict("other")).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("has that id"), "{error}");
        let new = ops::Draft::new("b".parse().unwrap(), "in the same batch");
        let error = ops::send_all(pair.a.node_mut(), vec![new, conflict("other")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        pair.settle();
        assert_eq!(pair.b.texts(), ["one"], "all or none");
    }

    #[test]
    fn an_unknown_recipient_is_refused_with_near_names() {
        let share: Arc<dyn Share> = Arc::new(MemoryShare::new());
        let mut office = Site::new(&share, "office", 1, false);
        let _lab = Site::new(&share, "laboratory", 2, false);
        office.step();
        let draft = || ops::Draft::new("laboratry".parse().unwrap(), "x");
        let error = ops::send(office.node_mut(), draft()).unwrap_err();
        assert!(error.is_not_found() && error.to_string().contains("did you mean laboratory"), "{error}");
        let created = ops::Draft { create: true, ..draft() };
        assert_eq!(ops::send(office.node_mut(), created).unwrap().state, State::Queued);
    }

    #[test]
    fn what_waits_past_its_time_expires_and_says_so() {
        let mut pair = Pair::new();
        pair.a.faults.away(Some(ErrorKind::NotConnected));
        let short = pair.a.send_one("b", "short", |draft| draft.ttl = Some(Duration::from_secs(60)));
        let long = pair.a.send_one("b", "long", |draft| draft.ttl = Some(Duration::from_secs(6_000)));
        pair.run(Duration::from_secs(90));
        pair.a.faults.away(None);
        pair.settle();
        assert_eq!(pair.b.texts(), ["long"]);
        assert_eq!((pair.a.state_of(&short), pair.a.state_of(&long)), (State::Expired, State::Delivered));
        assert_eq!(pair.a.journey(Way::Out, &short), ["queued", "expired"]);
        let cause = ops::trace(pair.a.node(), short.id.as_str()).unwrap().message.outcome;
        assert!(cause.is_some_and(|cause| cause.contains("time ran out")));
    }

    #[test]
    fn what_arrives_past_its_time_is_kept_as_expired_and_the_sender_is_told() {
        let mut pair = Pair::new();
        let sent = pair.a.send_one("b", "late", |draft| draft.ttl = Some(Duration::from_secs(60)));
        pair.a.step();
        assert_eq!(pair.a.state_of(&sent), State::Sent);
        // b sleeps; a goes on.
        pair.b.clock.advance(Duration::from_secs(300));
        pair.a.run(Duration::from_secs(300));
        pair.settle();
        assert_eq!(pair.b.inbox()[0].state, State::Expired);
        assert_eq!(pair.a.state_of(&sent), State::Expired);
    }

    #[test]
    fn an_hour_between_two_clocks_expires_nothing() {
        for (a, b) in [(3_600, 0), (0, 3_600)] {
            let mut pair = Pair::new();
            pair.a.clock.advance(Duration::from_secs(a));
            pair.b.clock.advance(Duration::from_secs(b));
            // The clocks jumped; a heartbeat each tells how far they are apart.
            pair.run(Duration::from_secs(60));
            let sent = pair.a.send_one("b", "in time", |draft| draft.ttl = Some(Duration::from_secs(60)));
            pair.settle();
            assert_eq!(pair.b.inbox()[0].state, State::Delivered, "a is {a} s ahead, b {b} s");
            assert_eq!(pair.a.state_of(&sent), State::Delivered);
        }
    }

    #[test]
    fn a_conversation_of_receipts_alone_goes_quiet() {
        let mut pair = Pair::new();
        for round in 0..5 {
            let sent = pair.a.send("b", &texts(&format!("a {round}"), 20));
            pair.settle();
            let ids: Vec<String> = sent.iter().map(|message| message.id.to_string()).collect();
            ops::ack(pair.b.node_mut(), &ids, None).unwrap();
            pair.settle();
        }
        let lines = |pair: &Pair| (pair.lane_lines("a", "b").len(), pair.lane_lines("b", "a").len());
        let after = lines(&pair);
        assert!(after.0 <= 100 + 10, "{} lines for 100 messages and their receipts", after.0);
        assert!(after.1 <= 20, "{} lines of receipts for 100 messages", after.1);
        // The last receipts are written once more, for they may have been lost, and then acknowledged.
        pair.run(Duration::from_secs(1_800));
        let told = lines(&pair);
        assert!(told.0 <= after.0 + 1 && told.1 <= after.1 + 1, "{after:?} became {told:?}");
        // All that is done at intervals and may write lines is done several times: the sweep's hour is the longest.
        pair.run(Duration::from_secs(3 * 3_600));
        assert_eq!(lines(&pair), told, "they talk on about nothing");
    }

    #[test]
    fn a_one_way_conversation_keeps_the_store_small() {
        let mut pair = Pair::new();
        for n in 0..300 {
            pair.a.send("b", &[format!("a {n}")]);
            pair.until("delivery", |pair| pair.b.texts().len() == n + 1);
        }
        pair.settle();
        // b's receipts lie in its store until a says that it has them.
        let receipts = pair.b.node().db.last_row().unwrap() - 300;
        assert!(receipts > 64, "{receipts} receipts: too few to see them forgotten");
        let told = pair.lane_lines("a", "b").len() - 300;
        assert!((1..=20).contains(&told), "{told} receipts for receipts");
    }

    #[test]
    fn segments_roll_and_the_order_is_kept() {
        let mut pair = Pair::with(|config| config.limits.segment.0 = 2_000);
        for n in 0..200 {
            pair.a.send("b", &[format!("a {n}")]);
            if n % 7 == 0 {
                pair.tick();
            }
        }
        pair.settle();
        assert_eq!(pair.b.texts(), texts("a", 200));
        let segments = pair.lanes("a", "b").len();
        assert!(segments > 5, "{segments} segments");
        assert!(pair.lane_lines("a", "b").iter().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    }

    #[test]
    fn segments_roll_with_age_as_well() {
        let mut pair = Pair::with(|config| config.limits.segment_age = Duration::from_secs(600));
        for n in 0..4 {
            pair.a.send("b", &[format!("a {n}")]);
            pair.settle();
            pair.run(Duration::from_secs(700));
        }
        assert_eq!(pair.b.texts(), texts("a", 4));
        assert!(pair.lanes("a", "b").len() >= 4);
    }

    #[test]
    fn five_thousand_at_once_arrive_in_order() {
        let mut pair = Pair::new();
        let sent = pair.a.send("b", &texts("a", 5_000));
        pair.until("all of it", |pair| pair.b.node().db.last_row().unwrap() >= 5_000);
        pair.settle();
        assert_eq!(pair.b.texts(), texts("a", 5_000));
        assert!(sent.iter().all(|message| pair.a.state_of(message) == State::Delivered));
    }
}

mod plain_protocol {
    //! People, scripts and other tools, in both directions.

    use super::*;

    /// A file's name, its bytes, and the lines that it holds with their encodings.
    type Sample = (String, Vec<u8>, Vec<(String, Value)>);

    /// Every file of testdata/encodings.
    fn encodings() -> Vec<Sample> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/encodings");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|it| it == "jsonl"));
        files.sort();
        let load = |path: &std::path::PathBuf| {
            let expected = std::fs::read(path.with_extension("expected.json")).unwrap();
            let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
            let lines = expected.iter().map(|line| {
                let text = line["text"].as_str().unwrap();
                (line["encoding"].as_str().unwrap().to_owned(), serde_json::from_str(text).unwrap())
            });
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap(), lines.collect())
        };
        files.iter().map(load).collect()
    }

    #[test]
    fn a_line_by_hand_arrives_once_in_every_encoding() {
        let files = encodings();
        assert!(files.len() >= 15, "testdata/encodings was not found");
        for (file, bytes, lines) in files {
            // The samples speak to both instance-A and instance-B: each takes its own.
            for instance in ["instance-A", "instance-B"] {
                let share: Arc<dyn Share> = Arc::new(MemoryShare::new());
                let mut site = Site::new(&share, instance, 1, false);
                site.step();
                append(&*share, &layout::open_slot(&name(instance)), &bytes);
                site.run(Duration::from_secs(120));
                let ours: Vec<_> = lines.iter().filter(|(_, line)| line["to"] == instance).collect();
                let found = site.inbox();
                let contents: Vec<_> = found.iter().map(|message| &message.content).collect();
                assert_eq!(
                    contents,
                    ours.iter().map(|(_, line)| &line["content"]).collect::<Vec<_>>(),
                    "{file}"
                );
                for (message, (encoding, line)) in found.iter().zip(ours) {
                    assert_eq!(message.encoding.as_ref(), Some(encoding), "{file}");
                    assert_eq!(message.from, line["from"], "{file}");
                    assert_eq!(message.timestamp, line["timestamp"], "{file}: as it was written");
                    assert!(
                        site.node().db.raw(message.n).unwrap().is_some_and(|raw| !raw.is_empty()),
                        "{file}"
                    );
                }
                let aside = site.node().db.quarantine(100).unwrap();
                assert_eq!(aside.len(), lines.len() - found.len(), "{file}: {aside:?}");
                assert!(aside.iter().all(|line| line.reason.contains("addressed to")), "{file}: {aside:?}");
            }
        }
    }

    #[test]
    fn lines_come_one_after_the_other_however_they_are_cut() {
        let mut pair = Pair::new();
        let slot = layout::open_slot(&name("b"));
        let mut bytes = encode(&format!("{}\r\n", plain("gbk 你好")), Encoding::Gb18030, false);
        bytes.extend(format!("{}\n", plain("utf-8 你好")).bytes());
        for piece in bytes.chunks(17) {
            append(&*pair.share, &slot, piece);
            pair.run(Duration::from_millis(300));
        }
        pair.settle();
        assert_eq!(pair.b.texts(), ["gbk 你好", "utf-8 你好"]);
        assert_eq!(pair.b.status().quarantined, 0);
    }

    #[test]
    fn a_line_without_its_newline_waits_a_moment_and_arrives_once() {
        let mut pair = Pair::new();
        let slot = layout::open_slot(&name("b"));
        append(&*pair.share, &slot, plain("no newline").as_bytes());
        pair.b.hint(|hints| hints.slot = true);
        pair.step();
        assert_eq!(pair.b.texts(), [""; 0], "it may be growing");
        pair.settle();
        assert_eq!(pair.b.texts(), ["no newline"]);
        append(&*pair.share, &slot, format!("\n{}\n", plain("next")).as_bytes());
        pair.settle();
        assert_eq!(pair.b.texts(), ["no newline", "next"]);
    }

    #[test]
    fn the_same_line_twice_is_two_messages() {
        let mut pair = Pair::new();
        let line = format!("{}\n", plain("ping"));
        append(&*pair.share, &layout::open_slot(&name("b")), format!("{line}{line}").as_bytes());
        pair.settle();
        append(&*pair.share, &layout::open_slot(&name("b")), line.as_bytes());
        pair.settle();
        assert_eq!(pair.b.texts(), ["ping", "ping", "ping"]);
        let mut ids: Vec<_> = pair.b.inbox().into_iter().map(|message| message.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn a_slot_that_is_replaced_or_truncated_delivers_nothing_twice() {
        let mut pair = Pair::new();
        let slot = layout::open_slot(&name("b"));
        let lines = |texts: &[&str]| texts.iter().map(|text| plain(text) + "\n").collect::<String>();
        let put = |pair: &mut Pair, texts: &[&str]| {
            pair.share.replace(&slot, lines(texts).as_bytes()).unwrap();
            pair.settle();
        };
        put(&mut pair, &["one", "two", "two"]);
        assert_eq!(pair.b.texts(), ["one", "two", "two"]);
        put(&mut pair, &["one", "two", "two"]);
        put(&mut pair, &["one", "two"]);
        assert_eq!(pair.b.texts(), ["one", "two", "two"], "an editor saved it again");
        put(&mut pair, &[]);
        put(&mut pair, &["one", "two", "two", "three"]);
        assert_eq!(pair.b.texts(), ["one", "two", "two", "three"], "a backup came back");
        pair.share.remove(&slot).unwrap();
        pair.settle();
        put(&mut pair, &["three", "four"]);
        assert_eq!(pair.b.texts(), ["one", "two", "two", "three", "four"]);
        pair.b.start();
        pair.settle();
        assert_eq!(pair.b.texts().len(), 5, "nor after a restart");
    }

    #[test]
    fn mail_to_an_instance_without_heartbeat_lies_in_its_open_slot() {
        let mut pair = Pair::new();
        let sent = pair.a.send_one("instance-A", "你好", |draft| draft.create = true);
        pair.settle();
        assert_eq!(pair.a.state_of(&sent), State::Sent);
        let slot = read_all(&*pair.share, &layout::open_slot(&name("instance-A")));
        let wanted = format!(
            "{{\"from\":\"a\",\"to\":\"instance-A\",\"timestamp\":\"{}\",\"type\":\"message\",\"content\":\"你好\"",
            sent.timestamp
        );
        assert!(slot.starts_with(&wanted), "{slot}");
        assert_eq!((slot.lines().count(), slot.ends_with("}\n")), (1, true));
        assert_eq!(pair.share.stat(&layout::open_slot_lock(&name("instance-A"))).unwrap(), None);
        assert_eq!(
            pair.share.stat(&layout::mailbox(&name("instance-A"))).unwrap(),
            None,
            "no folder it didn't ask for"
        );
        let counts = pair.a.counting.counts();
        pair.run(Duration::from_secs(60));
        assert_eq!((pair.a.counting.counts() - counts).verb(Verb::Append), 0, "written once");
    }

    #[test]
    fn a_line_that_was_overwritten_is_written_again() {
        let mut pair = Pair::new();
        // The append is acknowledged and another writer's bytes stand in its place: what is read back isn't ours.
        pair.a.faults.plan(Verb::Append, 0, 1, Fault::Torn(5, ErrorKind::Other));
        let sent = pair.a.send_one("instance-A", "ping", |draft| draft.create = true);
        pair.settle();
        assert_eq!(pair.a.state_of(&sent), State::Sent);
        let slot = read_all(&*pair.share, &layout::open_slot(&name("instance-A")));
        let whole = slot.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count();
        assert_eq!(whole, 1, "{slot}");
    }

    #[test]
    fn a_lockfile_is_respected_until_it_stood_still_for_long() {
        let mut pair = Pair::new();
        let lock = layout::open_slot_lock(&name("instance-A"));
        assert!(pair.share.create_new(&lock, b"somebody else").unwrap());
        let patience = lockfile::patience(b"somebody else");
        let sent = pair.a.send_one("instance-A", "ping", |draft| draft.create = true);
        pair.run(patience / 2);
        // Its holder lives: the lockfile changes, and patience begins anew.
        pair.share.touch(&lock).unwrap();
        pair.run(patience - SECOND);
        assert_eq!(pair.a.state_of(&sent), State::Queued, "somebody holds it");
        assert_eq!(pair.share.stat(&layout::open_slot(&name("instance-A"))).unwrap(), None);
        let problems = pair.a.status().problems;
        assert!(problems.iter().any(|it| it.contains("lockfile")), "{problems:?}");
        // It is looked at less often by now.
        pair.run(90 * SECOND);
        assert_eq!(pair.a.state_of(&sent), State::Sent, "its holder is dead");
        assert!(pair.a.status().incidents.iter().any(|it| it.what.contains("was left behind")));
        assert_eq!(pair.share.stat(&lock).unwrap(), None);
    }

    #[test]
    fn a_lockfile_that_goes_lets_the_mail_go() {
        let mut pair = Pair::new();
        let lock = layout::open_slot_lock(&name("instance-A"));
        assert!(pair.share.create_new(&lock, b"somebody else").unwrap());
        let sent = pair.a.send_one("instance-A", "ping", |draft| draft.create = true);
        pair.run(5 * SECOND);
        assert_eq!(pair.a.state_of(&sent), State::Queued);
        pair.share.remove(&lock).unwrap();
        pair.run(SECOND);
        assert_eq!(pair.a.state_of(&sent), State::Sent);
    }

    #[test]
    fn a_lockfile_of_ours_that_stayed_goes_as_soon_as_it_can() {
        for restarted in [false, true] {
            let mut pair = Pair::new();
            pair.a.faults.plan(Verb::Remove, 0, 2, Fault::Refuse(ErrorKind::TimedOut));
            let sent = pair.a.send_one("instance-A", "ping", |draft| draft.create = true);
            pair.a.step();
            let lock = layout::open_slot_lock(&name("instance-A"));
            assert!(pair.share.stat(&lock).unwrap().is_some());
            if restarted {
                pair.a.start();
            }
            pair.run(10 * SECOND);
            assert_eq!(pair.share.stat(&lock).unwrap(), None);
            assert_eq!(pair.a.state_of(&sent), State::Sent);
            let slot = read_all(&*pair.share, &layout::open_slot(&name("instance-A")));
            assert_eq!(slot.lines().count(), 1, "{slot}");
        }
    }

    #[test]
    fn who_joins_later_gets_what_lies_in_its_slot_once() {
        let mut pair = Pair::new();
        let sent = pair.a.send_one("newcomer", "early", |draft| draft.create = true);
        pair.settle();
        assert_eq!(pair.a.state_of(&sent), State::Sent);
        let mut newcomer = Site::new(&pair.share, "newcomer", 3, false);
        newcomer.until("the early message", |site| site.texts() == ["early"]);
        pair.until("the receipt", |pair| {
            newcomer.clock.advance(SECOND);
            newcomer.step();
            pair.a.state_of(&sent) == State::Delivered
        });
        pair.step();
        let next = pair.a.send_one("newcomer", "by lane", |_| {});
        pair.until("delivery", |pair| {
            newcomer.clock.advance(SECOND);
            newcomer.step();
            pair.a.state_of(&next) == State::Delivered
        });
        assert_eq!(newcomer.texts(), ["early", "by lane"]);
    }
}

mod tails {
    //! Torn lines, holes, noise.

    use super::*;

    #[test]
    fn what_can_not_be_parsed_is_set_aside_and_stops_nothing() {
        let mut pair = Pair::new();
        let bad: [&[u8]; 5] = [
            b"not json at all",
            b"[1,2]",
            b"{\"from\":7,\"content\":1}",
            b"\xff\xfe\xfd\xff\x80",
            b"{\"a\":1,\"a\":2}",
        ];
        let mut bytes = vec![];
        for (n, bad) in bad.iter().enumerate() {
            bytes.extend([bad, b"\n".as_slice(), plain(&n.to_string()).as_bytes(), b"\n"].concat());
        }
        append(&*pair.share, &layout::open_slot(&name("b")), &bytes);
        pair.settle();
        assert_eq!(pair.b.texts(), ["0", "1", "2", "3", "4"]);
        let aside = ops::quarantine(pair.b.node(), 100).unwrap();
        assert_eq!(aside.len(), bad.len(), "{aside:?}");
        for (found, bad) in aside.iter().zip(bad) {
            assert!(found.raw.starts_with(bad), "{found:?}");
            assert!(bytes[found.offset as usize..].starts_with(bad), "it says where: {found:?}");
            assert_eq!(found.source, "messages/to-b.jsonl");
            assert!(!found.reason.is_empty());
        }
        let status = pair.b.status();
        assert_eq!(status.quarantined, 5);
        assert!(
            status.problems.iter().any(|problem| problem.contains("set aside") && problem.contains('5')),
            "{:?}",
            status.problems
        );
    }

    #[test]
    fn a_line_over_the_limit_is_set_aside_without_being_held_in_memory() {
        let mut pair = Pair::with(|config| config.limits.message.0 = 2_000);
        let slot = layout::open_slot(&name("b"));
        append(&*pair.share, &slot, format!("{}\n", plain("before")).as_bytes());
        let huge = vec![b'x'; 5 << 20];
        append(&*pair.share, &slot, &huge);
        pair.settle();
        append(&*pair.share, &slot, format!("\n{}\n", plain("after")).as_bytes());
        pair.settle();
        assert_eq!(pair.b.texts(), ["before", "after"]);
        let aside = ops::quarantine(pair.b.node(), 100).unwrap();
        assert_eq!(aside.len(), 1, "{:?}", aside.iter().map(|line| &line.reason).collect::<Vec<_>>());
        assert!(aside[0].raw.len() <= 64 << 10 && aside[0].reason.contains("2000"), "{}", aside[0].reason);
    }

    #[test]
    fn half_a_line_in_a_lane_is_waited_for() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("a", 1));
        pair.a.step();
        let path = lane("b", "a", 1);
        let whole = pair.share.read(&path, 0, 1 << 20).unwrap().unwrap();
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            pair.share.replace(&path, &whole[..cut]).unwrap();
            pair.b.run(5 * SECOND);
            assert_eq!(pair.b.texts(), [""; 0], "{cut} bytes of it are there");
        }
        // The size is there before the data.
        let mut nul = whole.clone();
        nul[3..].fill(0);
        pair.share.replace(&path, &nul).unwrap();
        pair.b.run(5 * SECOND);
        assert_eq!((pair.b.texts().len(), pair.b.status().quarantined), (0, 0), "NUL bytes are in flight");
        pair.share.replace(&path, &whole).unwrap();
        pair.b.run(40 * SECOND);
        assert_eq!((pair.b.texts(), pair.b.status().quarantined), (texts("a", 1), 0));
    }

    #[test]
    fn a_hole_in_a_slot_is_filled_or_set_aside() {
        for filled in [true, false] {
            let mut pair = Pair::new();
            let slot = layout::open_slot(&name("b"));
            let (first, second) = (plain("first") + "\n", plain("second") + "\n");
            let mut bytes = [first.as_bytes(), second.as_bytes()].concat();
            bytes[..first.len()].fill(0);
            append(&*pair.share, &slot, &bytes);
            pair.run(5 * SECOND);
            assert_eq!(pair.b.texts(), [""; 0], "the order is kept while there is hope");
            if filled {
                pair.share.replace(&slot, format!("{first}{second}").as_bytes()).unwrap();
                pair.settle();
                assert_eq!(pair.b.texts(), ["first", "second"]);
            } else {
                pair.run(Duration::from_secs(60));
                assert_eq!(pair.b.texts(), ["second"]);
            }
            assert_eq!(pair.b.status().quarantined, u64::from(!filled));
        }
    }

    #[test]
    fn an_append_that_tore_is_written_again_in_a_new_segment() {
        for torn in [0, 1, 100, 250, 400] {
            let mut pair = Pair::new();
            pair.a.send("b", &["before".to_owned()]);
            pair.settle();
            pair.a.faults.plan(Verb::Append, 0, 1, Fault::Torn(torn, ErrorKind::StorageFull));
            pair.a.send("b", &texts("a", 3));
            pair.until("the rest", |pair| pair.b.texts().len() >= 4);
            pair.settle();
            let wanted: Vec<String> = ["before".to_owned()].into_iter().chain(texts("a", 3)).collect();
            assert_eq!(pair.b.texts(), wanted, "{torn} bytes were written");
            assert_eq!(pair.a.faults.fired(), (1, 0));
            let last = pair.lanes("a", "b").into_iter().map(|file| file.segment).max();
            assert_eq!(last, Some(if torn == 0 { 1 } else { 2 }), "a torn tail is never appended to");
            pair.settle();
            assert!(
                pair.a.problems.iter().any(|problem| problem.contains("Append")),
                "{:?}",
                pair.a.problems
            );
        }
    }

    #[test]
    fn torn_segments_in_a_row_are_stepped_over() {
        let mut pair = Pair::new();
        pair.a.faults.plan(Verb::Append, 0, 4, Fault::Torn(1, ErrorKind::StorageFull));
        pair.a.send("b", &texts("a", 3));
        pair.until("the mail behind them", |pair| pair.b.texts() == texts("a", 3));
        assert_eq!(pair.b.status().quarantined, 4);
    }

    #[test]
    fn a_file_that_goes_with_its_unfinished_line_is_not_waited_for() {
        let of_c = layout::lane(&name("b"), &LaneFile { from: name("c"), lease: 1, segment: 1 });
        for path in [of_c, layout::open_slot(&name("b"))] {
            let mut pair = Pair::new();
            append(&*pair.share, &path, b"{\"from\":");
            pair.run(5 * SECOND);
            pair.share.remove(&path).unwrap();
            let before = pair.b.counting.counts();
            // The site fails the test by itself if its engine no longer rests.
            pair.run(Duration::from_secs(300));
            let cost = pair.b.counting.counts() - before;
            assert!(cost.verb(Verb::List) < 100, "{path}: {cost}");
            pair.a.send("b", &texts("a", 1));
            pair.settle();
            assert_eq!(pair.b.texts(), texts("a", 1));
        }
    }

    #[test]
    fn a_lease_that_can_not_be_taken_is_tried_at_a_bounded_rate() {
        let mut pair = Pair::new();
        pair.settle();
        pair.a.faults.full(true);
        pair.a.start();
        let before = pair.a.counting.counts();
        // The site fails the test by itself if its engine no longer rests.
        pair.run(Duration::from_secs(60));
        let cost = pair.a.counting.counts() - before;
        assert!(cost.total() < 1_500, "{cost}");
        pair.a.faults.full(false);
        pair.b.send("a", &texts("b", 1));
        pair.until("mail again", |pair| pair.a.texts() == texts("b", 1));
    }

    #[test]
    fn an_append_whose_answer_was_lost_arrives_once() {
        let mut pair = Pair::new();
        pair.a.faults.plan(Verb::Append, 0, 3, Fault::LoseAnswer(ErrorKind::TimedOut));
        let sent = pair.a.send("b", &texts("a", 5));
        pair.settle();
        assert_eq!(pair.b.texts(), texts("a", 5));
        assert!(sent.iter().all(|message| pair.a.state_of(message) == State::Delivered));
    }

    #[test]
    fn a_gap_is_noticed_and_the_sender_sends_it_again() {
        let mut pair = Pair::new();
        let sent = pair.a.send("b", &texts("a", 4));
        pair.a.step();
        let path = lane("b", "a", 1);
        let lines = read_all(&*pair.share, &path);
        let without: String =
            lines.split_inclusive('\n').enumerate().filter(|(n, _)| *n != 1).map(|(_, l)| l).collect();
        pair.share.replace(&path, without.as_bytes()).unwrap();
        pair.settle();
        assert_eq!(pair.b.texts(), ["a 0", "a 2", "a 3", "a 1"], "late, but there");
        assert!(sent.iter().all(|message| pair.a.state_of(message) == State::Delivered));
        let journey = pair.a.journey(Way::Out, &sent[1]);
        assert_eq!(journey, ["queued", "sent", "resend", "sent", "delivered"]);
        assert_eq!(pair.a.journey(Way::Out, &sent[2]), ["queued", "sent", "delivered"]);
    }

    #[test]
    fn lost_segments_are_sent_again() {
        let mut pair = Pair::with(|config| config.limits.segment.0 = 1_000);
        for n in 0..20 {
            pair.a.send("b", &[format!("a {n}")]);
            pair.a.step();
        }
        assert!(pair.lanes("a", "b").len() >= 3);
        pair.share.remove(&lane("b", "a", 1)).unwrap();
        pair.share.remove(&lane("b", "a", 2)).unwrap();
        pair.settle();
        let mut found = pair.b.texts();
        found.sort_by_key(|text| text[2..].parse::<u32>().unwrap());
        assert_eq!(found, texts("a", 20));
    }

    /// DESIGN: a sender resends what stays unacknowledged. No line comes after it that would show the gap.
    #[test]
    fn a_lost_end_of_a_lane_is_sent_again() {
        let mut pair = Pair::new();
        let sent = pair.a.send("b", &texts("a", 3));
        pair.a.step();
        assert_eq!(pair.a.state_of(&sent[0]), State::Sent);
        pair.share.remove(&lane("b", "a", 1)).unwrap();
        pair.run(Duration::from_secs(3_600));
        assert_eq!(pair.b.texts(), texts("a", 3));
    }

    /// The receipt's lane is lost: the recipient has the mail, and the sender must come to know it.
    #[test]
    fn a_lost_receipt_is_made_up_for() {
        let mut pair = Pair::new();
        let sent = pair.a.send("b", &texts("a", 3));
        pair.a.step();
        pair.b.until("the mail", |site| site.texts().len() == 3);
        pair.b.run(SECOND);
        pair.share.remove(&lane("a", "b", 1)).unwrap();
        pair.run(Duration::from_secs(3_600));
        assert_eq!(pair.b.texts(), texts("a", 3), "once");
        assert_eq!(pair.a.state_of(&sent[2]), State::Delivered);
    }

    #[test]
    fn a_lane_that_was_restored_from_a_backup_delivers_nothing_twice() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("a", 2));
        pair.settle();
        let backup = read_all(&*pair.share, &lane("b", "a", 1));
        pair.a.send("b", &["newer".to_owned()]);
        pair.settle();
        pair.share.replace(&lane("b", "a", 1), backup.as_bytes()).unwrap();
        pair.run(Duration::from_secs(120));
        let sent = pair.a.send("b", &["newest".to_owned()]);
        pair.run(Duration::from_secs(120));
        assert_eq!(pair.b.texts(), ["a 0", "a 1", "newer", "newest"]);
        assert_eq!(pair.a.state_of(&sent[0]), State::Delivered);
    }

    #[test]
    fn one_bad_lane_stops_nobody_elses_mail() {
        let mut pair = Pair::new();
        // A folder where a lane should be, and a lane in which somebody poses as somebody else.
        let folder = layout::lane(&name("b"), &LaneFile { from: name("c"), lease: 1, segment: 1 });
        pair.share.make_folder(&folder).unwrap();
        let posing = layout::lane(&name("b"), &LaneFile { from: name("d"), lease: 1, segment: 1 });
        let line = json!({"v": 1, "id": "x", "from": "a", "to": "b", "content": "posing", "seq": 1, "type": "message"});
        append(&*pair.share, &posing, format!("{line}\n").as_bytes());
        pair.a.send("b", &texts("a", 2));
        pair.settle();
        assert_eq!(pair.b.texts(), texts("a", 2));
        let aside = ops::quarantine(pair.b.node(), 10).unwrap();
        assert_eq!(aside.len(), 1);
        assert!(aside[0].reason.contains("in the lane of d"), "{}", aside[0].reason);
    }

    #[test]
    fn a_stale_listing_hides_nothing_for_long() {
        let mut pair = Pair::new();
        pair.a.send("b", &["first".to_owned()]);
        pair.settle();
        pair.b.faults.stale(true);
        pair.a.send("b", &["second".to_owned()]);
        pair.until("the second", |pair| pair.b.texts().len() == 2);
        assert_eq!(pair.b.texts(), ["first", "second"]);
    }
}

mod wakes {
    //! When the agent is woken, and for what.

    use super::*;

    /// b has an agent; a hundred seconds have passed since anything happened.
    fn pair() -> Pair {
        let mut pair = Pair::new();
        pair.b.configure(waking);
        pair.run(Duration::from_secs(100));
        pair
    }

    fn woken_for(site: &Site, wake: usize) -> Vec<String> {
        site.wakes[wake].messages.iter().map(|m| m.content.as_str().unwrap().to_owned()).collect()
    }

    fn wake_log(site: &Site) -> Vec<(i64, String)> {
        site.node().db.wakes(100).unwrap().into_iter().map(|wake| (wake.attempt, wake.state)).collect()
    }

    #[test]
    fn the_first_wakes_at_once_and_what_follows_is_batched() {
        let mut pair = pair();
        pair.a.send("b", &texts("first", 1));
        pair.until("a wake", |pair| !pair.b.wakes.is_empty());
        assert_eq!(woken_for(&pair.b, 0), ["first 0"]);
        let fired = pair.b.clock.wall();
        for n in 0..5 {
            pair.a.send("b", &[format!("more {n}")]);
            pair.run(Duration::from_millis(100));
        }
        pair.settle();
        assert_eq!(pair.b.wakes.len(), 2, "one wake for what came within the window");
        assert_eq!(woken_for(&pair.b, 1), texts("more", 5));
        let second = pair.b.node().db.wakes(1).unwrap().remove(0).at;
        let second = chrono::DateTime::parse_from_rfc3339(&second).unwrap();
        let between = second.signed_duration_since(fired).to_std().unwrap();
        assert!(between >= pair.b.node().config.wake.window - Duration::from_millis(100), "{between:?}");
        assert_eq!(wake_log(&pair.b), [(1, "done".into()), (1, "done".into())]);
        pair.run(Duration::from_secs(600));
        assert_eq!(pair.b.wakes.len(), 2, "nobody is woken for nothing");
        let first = pair.b.inbox().remove(0);
        assert_eq!(pair.b.journey(Way::In, &first), ["delivered", "woken"]);
    }

    #[test]
    fn urgent_mail_passes_the_window_but_not_a_wake_in_flight() {
        let mut pair = Pair::new();
        pair.b.configure(|config| {
            waking(config);
            config.wake.window = Duration::from_secs(600);
        });
        pair.a.send("b", &texts("first", 1));
        pair.until("a wake", |pair| !pair.b.wakes.is_empty());
        pair.a.send("b", &texts("normal", 1));
        pair.run(Duration::from_secs(20));
        assert_eq!(pair.b.wakes.len(), 1);
        pair.a.send_one("b", "urgent", |draft| draft.priority = Priority::Urgent);
        pair.b.answer = None;
        pair.run(Duration::from_secs(20));
        assert_eq!(pair.b.wakes.len(), 2);
        assert_eq!(woken_for(&pair.b, 1), ["normal 0", "urgent"], "what waited comes along");
        pair.a.send_one("b", "urgent too", |draft| draft.priority = Priority::Urgent);
        pair.run(Duration::from_secs(60));
        assert_eq!(
            (pair.b.wakes.len(), pair.b.texts().len()),
            (2, 4),
            "one in flight at a time; mail goes on"
        );
        pair.b.answer_wake(Outcome::Done);
        pair.run(SECOND);
        assert_eq!(woken_for(&pair.b, 2), ["urgent too"]);
    }

    #[test]
    fn agents_are_woken_each_for_its_own() {
        let mut pair = pair();
        pair.b.configure(|config| config.agents = vec![name("x")]);
        pair.a.send_one("b/x", "to x", |draft| draft.create = true);
        pair.a.send_one("b", "to all", |_| {});
        pair.a.send_one("b/x", "to x too", |draft| draft.create = true);
        pair.settle();
        let mut woken: Vec<_> =
            (0..pair.b.wakes.len()).map(|n| (pair.b.wakes[n].agent.clone(), woken_for(&pair.b, n))).collect();
        woken.sort();
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(woken, [("".into(), texts(&["to all"])), ("x".into(), texts(&["to x", "to x too"]))]);
    }

    #[test]
    fn what_was_read_before_the_wake_fires_wakes_nobody() {
        let mut pair = pair();
        pair.a.send("b", &texts("first", 1));
        pair.until("a wake", |pair| !pair.b.wakes.is_empty());
        pair.a.send("b", &texts("second", 1));
        pair.until("the second", |pair| pair.b.texts().len() == 2);
        let second = pair.b.inbox().remove(1);
        ops::read(pair.b.node_mut(), second.id.as_str()).unwrap();
        pair.settle();
        assert_eq!(pair.b.wakes.len(), 1);
        assert_eq!(pair.b.journey(Way::In, &second), ["delivered", "read", "wake-not-needed"]);
    }

    #[test]
    fn a_temporary_failure_is_retried_with_growing_capped_pauses_and_then_told() {
        let mut pair = Pair::new();
        pair.b.configure(|config| {
            waking(config);
            config.wake.retry = Duration::from_secs(2);
            config.wake.retry_max = Duration::from_secs(10);
            config.wake.attempts = 6;
        });
        pair.b.answer = Some(Outcome::Temporary);
        let sent = pair.a.send("b", &texts("a", 1));
        pair.run(Duration::from_secs(300));
        let wakes = pair.b.node().db.wakes(100).unwrap();
        let at: Vec<_> = wakes.iter().map(|w| chrono::DateTime::parse_from_rfc3339(&w.at).unwrap()).collect();
        let pauses: Vec<_> = at.windows(2).map(|pair| (pair[1] - pair[0]).num_seconds()).collect();
        assert_eq!(pauses, [2, 4, 8, 10, 10]);
        assert_eq!(wakes.iter().map(|wake| wake.attempt).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(wakes.last().unwrap().state, "failed");
        let journey = pair.b.journey(Way::In, &sent[0]);
        assert_eq!(
            journey,
            [
                "delivered",
                "wake-retry",
                "wake-retry",
                "wake-retry",
                "wake-retry",
                "wake-retry",
                "wake-failed"
            ]
        );
        for message in &sent {
            assert_eq!(pair.a.journey(Way::Out, message), ["queued", "sent", "delivered", "wake-failed"]);
            assert_eq!(pair.a.state_of(message), State::Delivered, "it is in the inbox all the same");
        }
        assert!(pair.b.status().problems.iter().any(|problem| problem.contains("last wake")));
        pair.run(Duration::from_secs(600));
        assert_eq!(pair.b.wakes.len(), 6, "it is over");
        pair.b.answer = Some(Outcome::Done);
        pair.a.send("b", &texts("new", 1));
        pair.run(Duration::from_secs(10));
        assert_eq!(woken_for(&pair.b, 6), ["new 0"], "new mail is a new wake, at once");
        assert_eq!(pair.b.wakes[6].attempt, 1);
    }

    #[test]
    fn a_permanent_failure_is_told_at_once() {
        let mut pair = pair();
        pair.b.answer = Some(Outcome::Permanent);
        let sent = pair.a.send("b", &texts("a", 1));
        pair.settle();
        pair.run(Duration::from_secs(600));
        assert_eq!(wake_log(&pair.b), [(1, "failed".into())]);
        assert_eq!(pair.a.journey(Way::Out, &sent[0]), ["queued", "sent", "delivered", "wake-failed"]);
        let trace = ops::trace(pair.a.node(), sent[0].id.as_str()).unwrap();
        let told = trace.transitions.last().unwrap().detail.clone().unwrap();
        assert!(told.contains("permanent"), "{told}");
    }

    #[test]
    fn an_unfinished_wake_is_taken_up_again_and_a_finished_one_is_not() {
        let mut pair = pair();
        pair.a.send("b", &texts("a", 1));
        pair.settle();
        pair.b.start();
        pair.run(Duration::from_secs(60));
        assert_eq!(pair.b.wakes.len(), 1, "a finished one is never repeated");

        pair.b.answer = None;
        pair.a.send("b", &texts("b", 1));
        pair.until("a wake", |pair| pair.b.wakes.len() == 2);
        let stale = pair.b.wakes[1].wake;
        pair.b.start();
        pair.until("it again", |pair| pair.b.wakes.len() == 3);
        assert_eq!(woken_for(&pair.b, 2), ["b 0"]);
        assert_ne!(pair.b.wakes[2].wake, stale);
        pair.b.answer_wake(Outcome::Done);
        pair.run(Duration::from_secs(60));
        let states: Vec<_> = wake_log(&pair.b).into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, ["done", "interrupted", "done"]);
        assert_eq!(pair.b.wakes.len(), 3);
    }

    #[test]
    fn receipts_wake_nobody() {
        let mut pair = Pair::new();
        pair.a.configure(waking);
        let sent = pair.a.send("b", &texts("a", 5));
        pair.settle();
        let ids: Vec<String> = sent.iter().map(|message| message.id.to_string()).collect();
        ops::ack(pair.b.node_mut(), &ids, None).unwrap();
        pair.settle();
        assert!(sent.iter().all(|message| pair.a.state_of(message) == State::Processed));
        assert!(pair.a.wakes.is_empty());
    }

    #[test]
    fn a_wake_takes_no_more_than_its_batch() {
        let mut pair = Pair::new();
        pair.b.configure(|config| {
            waking(config);
            config.wake.batch = 10;
        });
        pair.a.send("b", &texts("a", 25));
        pair.settle();
        let sizes: Vec<_> = pair.b.wakes.iter().map(|wake| wake.messages.len()).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }

    #[test]
    fn mail_is_woken_for_while_the_share_is_away() {
        let mut pair = pair();
        pair.b.answer = Some(Outcome::Temporary);
        pair.a.send("b", &texts("a", 1));
        pair.until("a wake", |pair| !pair.b.wakes.is_empty());
        pair.b.faults.away(Some(ErrorKind::NotConnected));
        pair.b.answer = Some(Outcome::Done);
        pair.run(Duration::from_secs(30));
        assert_eq!(wake_log(&pair.b), [(1, "retry".into()), (2, "done".into())]);
    }
}

mod leases {
    //! Two daemons that believe they are the same instance.

    use rusqlite::Connection;

    use super::*;

    /// Steps all three until nothing more is said by anybody for a while.
    fn run(pair: &mut Pair, other: &mut Site, time: Duration) {
        let end = pair.a.clock.now() + time;
        while pair.a.clock.now() < end {
            pair.step();
            other.step();
            let rest = pair.a.rest.min(pair.b.rest).min(other.rest);
            pair.advance(rest);
            other.clock.advance(rest);
        }
    }

    #[test]
    fn a_newcomer_takes_over_and_the_old_holder_stops_and_says_so() {
        let mut pair = Pair::new();
        let early = pair.a.send("b", &texts("old", 3));
        pair.settle();
        let mut new = Site::with(&pair.share, "a", 9, true, |config| pair.a.hand_key_to(config));
        new.step();
        // The old one looks before it writes.
        let late = pair.a.send("b", &["too late".to_owned()]);
        pair.a.step();
        assert_eq!(pair.a.state_of(&late[0]), State::Queued);
        new.send("b", &texts("new", 3));
        run(&mut pair, &mut new, Duration::from_secs(300));
        let mut found = pair.b.texts();
        found.sort();
        assert_eq!(found, ["new 0", "new 1", "new 2", "old 0", "old 1", "old 2"], "each once");
        assert!(early.iter().all(|message| pair.a.state_of(message) == State::Delivered));
        assert!(pair.lanes("a", "b").iter().any(|file| file.lease == 1));
        assert!(pair.lanes("a", "b").iter().any(|file| file.lease == 2));

        let problems = pair.a.status().problems;
        assert!(problems.iter().any(|problem| problem.contains("lease 2")), "{problems:?}");
        let said = pair.a.problems.iter().filter(|problem| problem.contains("took instance a over")).count();
        assert_eq!(said, 1, "{:?}", pair.a.problems);
        assert_eq!(new.status().problems, ["no daemon runs: start `lanpost run`"]);

        let before = pair.a.counting.counts();
        pair.a.send("b", &["held back".to_owned()]);
        run(&mut pair, &mut new, Duration::from_secs(300));
        let after = pair.a.counting.counts() - before;
        for verb in [Verb::Append, Verb::OpenAppend, Verb::Replace, Verb::Touch, Verb::CreateNew] {
            assert_eq!(after.verb(verb), 0, "it still does {verb:?}");
        }
        assert!(!pair.b.texts().contains(&"held back".to_owned()));
    }

    #[test]
    fn a_restart_takes_the_instance_back_and_what_was_held_flows() {
        let mut pair = Pair::new();
        let mut new = Site::with(&pair.share, "a", 9, true, |config| pair.a.hand_key_to(config));
        new.send_one("b", "new", |draft| draft.create = true);
        run(&mut pair, &mut new, Duration::from_secs(300));
        let held = pair.a.send("b", &["held".to_owned()]);
        run(&mut pair, &mut new, Duration::from_secs(60));
        pair.a.start();
        run(&mut pair, &mut new, Duration::from_secs(300));
        assert_eq!(pair.b.texts(), ["new", "held"]);
        assert_eq!(pair.a.state_of(&held[0]), State::Delivered);
        assert!(new.status().problems.iter().any(|problem| problem.contains("lease 3")));
        assert_eq!(pair.a.status().problems, ["no daemon runs: start `lanpost run`"]);
    }

    #[test]
    fn a_takeover_is_noticed_however_busy_the_old_holder_is() {
        for case in ["quiet", "traffic", "hints of heartbeats"] {
            let mut pair = Pair::new();
            let mut new = Site::with(&pair.share, "a", 9, true, |config| pair.a.hand_key_to(config));
            new.step();
            for second in 0..200 {
                match case {
                    "traffic" => drop(pair.b.send("a", &[format!("{second}")])),
                    "hints of heartbeats" => pair.a.hint(|hints| hints.status = true),
                    _ => {}
                }
                run(&mut pair, &mut new, SECOND);
            }
            let problems = pair.a.status().problems;
            assert!(problems.iter().any(|problem| problem.contains("lease 2")), "{case}: {problems:?}");
        }
    }

    #[test]
    fn each_start_takes_the_next_lease_and_keeps_the_order() {
        let mut pair = Pair::new();
        for round in 0..3 {
            pair.a.send("b", &[format!("a {round}")]);
            pair.settle();
            pair.a.start();
        }
        assert_eq!(pair.b.texts(), texts("a", 3));
        let leases: Vec<u64> = pair.lanes("a", "b").iter().map(|file| file.lease).collect();
        assert_eq!(leases, [1, 2, 3]);
    }

    #[test]
    fn what_was_torn_under_one_lease_holds_up_the_next_one_for_a_moment_only() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("a", 1));
        pair.settle();
        append(&*pair.share, &layout::lane(&name("b"), &pair.lanes("a", "b")[0]), b"{\"torn");
        pair.a.start();
        pair.a.send("b", &["a 1".to_owned()]);
        pair.run(SECOND);
        assert_eq!(pair.b.texts(), texts("a", 1), "the earlier lane may still grow");
        pair.until("the rest", |pair| pair.b.texts() == texts("a", 2));
        assert_eq!(pair.b.status().quarantined, 1);
    }

    #[test]
    fn a_copy_of_the_state_folder_gets_a_lane_of_its_own() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("old", 1));
        pair.settle();
        let mut copy = pair.a.copy(7);
        // What the old one says before it looks goes nowhere; what it accepted waits for its next start.
        let held = pair.a.send("b", &["of the first".to_owned()]);
        copy.send("b", &["of the copy".to_owned()]);
        copy.step();
        run(&mut pair, &mut copy, Duration::from_secs(300));
        assert_eq!(pair.b.texts(), ["old 0", "of the copy"]);
        assert_eq!(pair.a.state_of(&held[0]), State::Queued);
        assert!(pair.a.status().problems.iter().any(|problem| problem.contains("lease 2")));
        pair.a.start();
        run(&mut pair, &mut copy, Duration::from_secs(300));
        assert_eq!(pair.b.texts(), ["old 0", "of the copy", "of the first"]);
    }

    #[test]
    fn a_command_on_a_copy_of_the_state_folder_writes_nothing_while_the_original_runs() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("old", 1));
        pair.settle();
        let mut copy = pair.a.copy(7);
        let held = copy.send("b", &["of the copy".to_owned()]);
        copy.pass();
        let said = &copy.problems;
        assert!(said.iter().any(|it| it.contains("runs instance a (lease 1)")), "{said:?}");
        pair.a.send("b", &["of the first".to_owned()]);
        pair.settle();
        assert_eq!(pair.b.texts(), ["old 0", "of the first"]);
        assert_eq!(copy.state_of(&held[0]), State::Queued);
        // When the original has stopped, the copy goes on in a lane of its own.
        pair.a.engine().stop("for good").unwrap();
        copy.pass();
        pair.b.until("delivery", |b| b.texts().len() == 3);
        assert_eq!(pair.lanes("a", "b").iter().map(|file| file.lease).max(), Some(2));
    }

    #[test]
    fn a_command_goes_on_after_a_daemon_that_died_while_it_took_the_lease() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("old", 1));
        pair.settle();
        pair.a.start();
        pair.settle();
        // Lease 2 is on the share, and was not noted any more.
        let store = Connection::open(pair.a.node().config.state.join("lanpost.db")).unwrap();
        for (key, value) in [("lease", "1"), ("leases held", "[1]")] {
            assert_eq!(store.execute("UPDATE meta SET value = ?2 WHERE key = ?1", [key, value]).unwrap(), 1);
        }
        drop(store);
        pair.a.send("b", &texts("new", 1));
        pair.a.pass();
        assert_eq!(
            pair.lanes("a", "b").iter().map(|file| file.lease).max(),
            Some(3),
            "{:?}",
            pair.a.problems
        );
        pair.b.until("delivery", |b| b.texts().len() == 2);
    }

    #[test]
    fn a_state_folder_that_was_restored_goes_on_with_its_first_command() {
        for daemon_ran in [false, true] {
            let mut pair = Pair::new();
            pair.a.send("b", &texts("old", 1));
            pair.settle();
            pair.a.engine().stop("for the backup").unwrap();
            let backup = pair.a.copy(7);
            pair.a.send("b", &["after the backup".to_owned()]);
            match daemon_ran {
                true => pair.settle(),
                false => pair.a.pass(),
            }
            pair.a.engine().stop("for the restore").unwrap();
            pair.a.restore(&backup);
            pair.a.problems.clear();
            let sent = pair.a.send("b", &["after the restore".to_owned()]);
            pair.a.pass();
            assert_eq!(pair.a.problems, [""; 0], "a daemon ran meanwhile: {daemon_ran}");
            assert_eq!(pair.a.state_of(&sent[0]), State::Sent);
            pair.b.until("delivery", |b| b.texts().len() == 3);
            let leases = |pair: &Pair| pair.lanes("a", "b").iter().map(|file| file.lease).max();
            let taken = leases(&pair);
            let again = pair.a.send("b", &["and on".to_owned()]);
            pair.a.pass();
            assert_eq!(
                (pair.a.state_of(&again[0]), leases(&pair)),
                (State::Sent, taken),
                "one lease is enough"
            );
        }
    }

    #[test]
    fn a_daemon_whose_lane_somebody_else_wrote_goes_on_in_another_one() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("a", 1));
        pair.settle();
        pair.b.faults.away(Some(ErrorKind::NotConnected));
        pair.a.send("b", &["a 1".to_owned()]);
        pair.a.step();
        let lane = pair.lanes("a", "b").pop().unwrap();
        append(&*pair.share, &layout::lane(&name("b"), &lane), b"{\"id\":\"of a clone\"}\n");
        pair.a.run(Duration::from_secs(120));
        pair.a.send("b", &["a 2".to_owned()]);
        pair.a.run(SECOND);
        assert_eq!(pair.lanes("a", "b").pop().unwrap().lease, lane.lease + 1, "{:?}", pair.a.problems);
        let said: Vec<_> = pair.a.status().incidents.into_iter().map(|it| it.what).collect();
        assert!(said.iter().any(|it| it.contains("did not write")), "{said:?}");
        pair.b.faults.away(None);
        pair.until("delivery", |pair| pair.b.texts() == texts("a", 3));
    }

    #[test]
    fn a_pass_takes_over_from_a_holder_that_stood_still_on_both_clocks() {
        let mut pair = Pair::new();
        pair.settle();
        let mut other = Site::new(&pair.share, "a", 9, true);
        pair.run(Duration::from_secs(30));
        other.clock.advance(pair.a.clock.now());
        let sent = other.send_one("b", "from the other PC", |draft| draft.create = true);
        let beat = pair.share.read(&layout::status(&name("a")), 0, 65_536).unwrap().unwrap();
        other.pass();
        assert_eq!(other.state_of(&sent), State::Queued, "{:?}", other.problems);
        // Our clock alone says that it is dead; on the share's its heartbeat was written just now.
        other.clock.advance(TERM * 2);
        pair.share.replace(&layout::status(&name("a")), &beat).unwrap();
        other.pass();
        assert_eq!(other.state_of(&sent), State::Queued, "{:?}", other.problems);
        pair.advance(TERM * 2);
        other.clock.advance(TERM * 2);
        other.pass();
        assert_eq!(other.state_of(&sent), State::Sent, "{:?}", other.problems);
    }

    #[test]
    fn a_state_folder_that_was_restored_reuses_no_number() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("old", 1));
        pair.settle();
        let mut backup = pair.a.copy(7);
        pair.a.send("b", &["after the backup".to_owned()]);
        pair.settle();
        backup.send("b", &["from the backup".to_owned()]);
        backup.pass();
        assert!(
            backup.problems.iter().any(|it| it.contains("runs instance a (lease 1)")),
            "{:?}",
            backup.problems
        );
        pair.a.engine().stop("for good").unwrap();
        // A pass goes on under the number that its state folder holds, unless others wrote under it.
        backup.pass();
        pair.b.until("delivery", |b| b.texts().len() == 3);
        assert_eq!(pair.lanes("a", "b").iter().map(|file| file.lease).max(), Some(2));
    }
}

mod away {
    //! A share that is not there, or is not the share we know.

    use super::*;

    #[test]
    fn away_at_the_start_mail_is_spooled_and_flows_when_it_is_back() {
        let mut pair = Pair::new();
        pair.a.faults.away(Some(ErrorKind::NotConnected));
        pair.a.start();
        let sent = pair.a.send("b", &texts("a", 3));
        pair.run(Duration::from_secs(30));
        assert!(sent.iter().all(|message| pair.a.state_of(message) == State::Queued));
        let status = pair.a.status();
        assert_eq!((status.spooled, status.share.available), (3, false));
        assert!(
            status.share.cause.is_some() && status.problems[0].contains("the share is away"),
            "{status:?}"
        );
        pair.a.faults.away(None);
        pair.until("delivery", |pair| pair.b.texts() == texts("a", 3));
        pair.settle();
        let status = pair.a.status();
        assert_eq!((status.spooled, status.share.available, status.share.cause), (0, true, None));
    }

    #[test]
    fn away_in_the_middle_everything_arrives_once_and_in_order() {
        for kind in [ErrorKind::NotConnected, ErrorKind::HostUnreachable, ErrorKind::StaleNetworkFileHandle] {
            let mut pair = Pair::new();
            for n in 0..40 {
                pair.a.send("b", &[format!("a {n}")]);
                pair.b.send("a", &[format!("b {n}")]);
                match n {
                    5 => pair.a.faults.away(Some(kind)),
                    15 => pair.b.faults.away(Some(kind)),
                    20 => pair.a.faults.away(None),
                    30 => pair.b.faults.away(None),
                    _ => {}
                }
                pair.run(SECOND);
            }
            pair.settle();
            assert_eq!((pair.b.texts(), pair.a.texts()), (texts("a", 40), texts("b", 40)), "{kind:?}");
        }
    }

    #[test]
    fn a_full_share_is_waited_for() {
        let mut pair = Pair::new();
        pair.a.send("b", &["before".to_owned()]);
        pair.settle();
        pair.a.faults.full(true);
        let sent = pair.a.send("b", &texts("a", 10));
        pair.run(Duration::from_secs(100));
        assert_eq!(pair.a.state_of(&sent[0]), State::Queued);
        assert!(pair.a.problems.iter().any(|problem| problem.contains("storage")), "{:?}", pair.a.problems);
        pair.a.faults.full(false);
        pair.until("delivery", |pair| pair.b.texts().len() == 11);
        pair.settle();
        assert_eq!(pair.b.texts()[1..], texts("a", 10));
    }

    #[test]
    fn a_heartbeat_that_cannot_be_written_is_told_of_until_one_can() {
        let mut pair = Pair::new();
        pair.settle();
        let told = |pair: &mut Pair| pair.a.status().problems.iter().any(|it| it.contains("storage"));
        pair.a.faults.full(true);
        pair.until("the heartbeat to fail", told);
        // Nothing is sent meanwhile: most steps only look, and find nothing wrong.
        for _ in 0..60 {
            pair.run(SECOND);
            assert!(told(&mut pair), "{:?}", pair.a.status().problems);
        }
        pair.a.faults.full(false);
        pair.until("the trouble to be over", |pair| !told(pair));
    }

    /// A share that nobody ever set up.
    fn empty() -> Arc<dyn Share> {
        Arc::new(MemoryShare::new())
    }

    /// Another share, with another id, on which instances of the same names live and have mail.
    fn other() -> Arc<dyn Share> {
        let mut pair = Pair::new();
        pair.b.send("a", &texts("from another world", 5));
        pair.a.send("b", &texts("to another world", 5));
        pair.settle();
        pair.share
    }

    fn everything(share: &dyn Share) -> Vec<(String, u64, i128)> {
        let mut found = vec![];
        let mut folders = vec![layout::root()];
        folders.extend(layout::folders());
        folders
            .extend(["a", "b"].iter().flat_map(|it| [layout::mailbox(&name(it)), layout::leases(&name(it))]));
        for folder in folders {
            for entry in share.list(&folder).unwrap().unwrap_or_default() {
                found.push((format!("{folder}/{}", entry.name), entry.meta.len, entry.meta.stamp));
            }
        }
        found
    }

    #[test]
    fn an_unmounted_mount_point_is_no_empty_mailbox_and_stays_empty() {
        for wait in [Duration::ZERO, 3 * SECOND, 16 * SECOND, 70 * SECOND] {
            let mut pair = Pair::new();
            pair.a.send("b", &["before".to_owned()]);
            pair.settle();
            pair.run(wait);
            let (mounted, unmounted) = (pair.share.clone(), empty());
            pair.a.faults.mount(unmounted.clone());
            let sent = pair.a.send("b", &texts("a", 3));
            pair.a.send_one("stranger", "plain", |draft| draft.create = true);
            pair.run(Duration::from_secs(200));
            pair.a.start();
            pair.run(Duration::from_secs(200));
            assert_eq!(everything(&*unmounted), [], "it was written to");
            assert!(sent.iter().all(|message| pair.a.state_of(message) == State::Queued));
            assert!(!pair.a.status().share.available);
            pair.a.faults.mount(mounted);
            pair.settle();
            assert_eq!(pair.b.texts(), ["before", "a 0", "a 1", "a 2"]);
            assert!(pair.a.status().share.available);
        }
    }

    #[test]
    fn a_swapped_share_is_neither_believed_nor_written_to() {
        for restart in [true, false] {
            let mut pair = Pair::new();
            pair.a.send("b", &["before".to_owned()]);
            pair.settle();
            let (ours, other) = (pair.share.clone(), other());
            let before = everything(&*other);
            // The way it happens: what was mounted stops answering, then the other share stands there.
            pair.a.faults.away(Some(ErrorKind::NotConnected));
            pair.run(SECOND * 20);
            pair.a.faults.mount(other.clone());
            pair.a.faults.away(None);
            if restart {
                pair.a.start();
            }
            let sent = pair.a.send("b", &texts("a", 3));
            pair.run(Duration::from_secs(200));
            assert_eq!(everything(&*other), before, "it was written to");
            assert_eq!(pair.a.texts(), [""; 0], "it was believed");
            assert!(sent.iter().all(|message| pair.a.state_of(message) == State::Queued));
            let status = pair.a.status();
            assert!(status.share.cause.is_some_and(|cause| cause.contains("another share is mounted")));
            pair.a.faults.mount(ours);
            pair.settle();
            assert_eq!(pair.b.texts(), ["before", "a 0", "a 1", "a 2"]);
            assert_eq!(pair.a.texts(), [""; 0]);
        }
    }

    #[test]
    fn no_mail_goes_to_a_share_that_was_swapped_between_two_heartbeats() {
        for wait in [71, 74, 84] {
            let mut pair = Pair::new();
            pair.a.send("b", &["before".to_owned()]);
            pair.settle();
            pair.run(Duration::from_secs(wait));
            let other = other();
            let before = everything(&*other);
            pair.a.faults.mount(other.clone());
            pair.a.start();
            pair.a.step();
            pair.a.faults.mount(pair.share.clone());
            pair.run(Duration::from_secs(wait));
            pair.a.faults.mount(other.clone());
            let sent = pair.a.send("b", &["a secret".to_owned()]);
            pair.run(Duration::from_secs(120));
            let lanes =
                |found: Vec<(String, u64, i128)>| found.into_iter().filter(|it| it.0.contains("/from-a"));
            assert!(lanes(everything(&*other)).eq(lanes(before)), "mail went to another share");
            pair.a.faults.mount(pair.share.clone());
            pair.settle();
            assert_eq!(pair.b.texts(), ["before", "a secret"]);
            assert_eq!(pair.a.state_of(&sent[0]), State::Delivered);
        }
    }

    #[test]
    fn a_mailbox_that_somebody_removed_is_made_again() {
        let mut pair = Pair::new();
        pair.a.send("b", &["before".to_owned()]);
        pair.settle();
        for entry in pair.share.list(&layout::mailbox(&name("b"))).unwrap().unwrap() {
            match layout::parse_lane(&entry.name) {
                Some(file) => pair.share.remove(&layout::lane(&name("b"), &file)).unwrap(),
                None => pair.share.remove(&layout::bell(&name("b"))).unwrap(),
            }
        }
        pair.share.remove(&layout::mailbox(&name("b"))).unwrap();
        pair.run(Duration::from_secs(120));
        assert!(pair.share.stat(&layout::bell(&name("b"))).unwrap().is_some());
        pair.a.send("b", &["after".to_owned()]);
        pair.settle();
        assert_eq!(pair.b.texts(), ["before", "after"]);
    }
}

mod costs {
    //! What a look costs on the share.

    use super::*;
    use crate::common::counting::Op;
    use lanpost::model::heartbeat::{Activity, Heartbeat, VERSION};

    /// A peer with a heartbeat and one message in its lane to a.
    fn sender(share: &dyn Share, n: usize) {
        let peer = name(&format!("peer-{n}"));
        let beat = Heartbeat {
            lanpost: "0.1.0".into(),
            v: VERSION,
            instance: peer.clone(),
            state: Activity::Online,
            reason: None,
            beat: 1,
            timestamp: "2026-01-01T00:00:00.000Z".into(),
            interval: 15,
            agents: vec![],
            roles: vec![],
            lease: 1,
            key: String::new(),
            succeeds: vec![],
            seal: None,
            features: vec!["files".into()],
            host: String::new(),
            direct: None,
            max_message: 1 << 20,
            rest: serde_json::Map::new(),
        };
        share.replace(&layout::status(&peer), &beat.to_bytes()).unwrap();
        share.make_folder(&layout::mailbox(&peer)).unwrap();
        let line = json!({"v": 1, "id": format!("m-{n}"), "from": peer, "to": "a", "type": "message",
                          "timestamp": "2026-01-01T00:00:00.000Z", "content": "hello", "seq": 1});
        let path = layout::lane(&name("a"), &LaneFile { from: peer, lease: 1, segment: 1 });
        append(share, &path, format!("{line}\n").as_bytes());
    }

    #[test]
    fn an_idle_look_is_one_operation_with_one_sender_and_with_a_hundred() {
        for senders in [1, 100] {
            let share: Arc<dyn Share> = Arc::new(MemoryShare::new());
            let mut site = Site::with(&share, "a", 1, false, |config| {
                config.look.full = Duration::from_secs(3_600);
                config.look.heartbeat = Duration::from_secs(300);
            });
            (0..senders).for_each(|n| sender(&*share, n));
            site.until("their mail", |site| site.inbox().len() == senders);
            site.run(Duration::from_secs(60));
            // Between two heartbeats every step is one look.
            let mut looks = 0;
            while looks < 50 {
                let before = site.counting.counts();
                site.clock.advance(site.rest);
                site.step();
                let now = site.counting.counts() - before;
                if now.verb(Verb::Replace) > 0 {
                    continue; // It was time for a heartbeat.
                }
                assert_eq!((now.total(), now.op(Op::Stat)), (1, 1), "{senders} senders, look {looks}: {now}");
                looks += 1;
            }
        }
    }

    #[test]
    fn a_quiet_hour_costs_what_it_must() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("a", 3));
        pair.settle();
        let before = pair.b.counting.counts();
        pair.run(Duration::from_secs(3_600));
        let hour = pair.b.counting.counts() - before;
        let looks = 3_600 / pair.b.node().config.look.idle.as_secs();
        let beats = 3_600 / pair.b.node().config.look.heartbeat.as_secs() + 2;
        assert!(hour.verb(Verb::Stat) <= looks + 3_600 / 60 * 4 + beats + 10, "{hour}");
        assert!(hour.verb(Verb::Replace) <= beats, "{hour}");
        assert_eq!(
            (hour.verb(Verb::Append), hour.verb(Verb::OpenAppend), hour.verb(Verb::Remove)),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_batch_is_one_append_and_one_ring() {
        let mut pair = Pair::new();
        pair.a.send("b", &texts("warm", 1));
        pair.settle();
        let before = pair.a.counting.counts();
        pair.a.send("b", &texts("a", 100));
        pair.a.step();
        let cost = pair.a.counting.counts() - before;
        assert_eq!((cost.op(Op::Write), cost.op(Op::Sync), cost.op(Op::Setattr)), (1, 1, 1), "{cost}");
        assert!(cost.total() <= 7, "a look at the identity, and perhaps one at the mailbox: {cost}");
    }
}

/// Both on a folder of this machine, where an open file outlives its name.
mod on_disk {
    use super::*;
    use lanpost::sys::disk::DiskShare;

    #[test]
    fn mail_goes_both_ways() {
        let folder = tempfile::tempdir().unwrap();
        let mut pair = Pair::on(Arc::new(DiskShare::new(folder.path(), "both")), |_| {});
        let (to_b, to_a) = (pair.a.send("b", &texts("a", 20)), pair.b.send("a", &texts("b", 20)));
        pair.settle();
        assert_eq!((pair.b.texts(), pair.a.texts()), (texts("a", 20), texts("b", 20)));
        let delivered =
            |site: &Site, sent: &[Message]| sent.iter().all(|it| site.state_of(it) == State::Delivered);
        assert!(delivered(&pair.a, &to_b) && delivered(&pair.b, &to_a));
    }

    /// An open file outlives its name: what is appended to it then, nobody ever sees.
    #[test]
    fn a_lane_that_was_removed_or_replaced_while_it_is_open_loses_nothing() {
        for replaced in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let mut pair = Pair::on(Arc::new(DiskShare::new(folder.path(), "both")), |_| {});
            pair.a.send("b", &texts("before", 2));
            pair.settle();
            let path = lane("b", "a", 1);
            let bytes = pair.share.read(&path, 0, 1 << 20).unwrap().unwrap();
            pair.share.remove(&path).unwrap();
            if replaced {
                // A backup came back: the same bytes in another file.
                pair.share.replace(&path, &bytes).unwrap();
            }
            let sent = pair.a.send("b", &texts("after", 3));
            pair.run(Duration::from_secs(3_600));
            assert_eq!(pair.b.texts()[2..], texts("after", 3), "replaced: {replaced}");
            assert!(sent.iter().all(|message| pair.a.state_of(message) == State::Delivered));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_status_file_that_can_not_be_read_hides_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut pair = Pair::on(Arc::new(DiskShare::new(folder.path(), "both")), |_| {});
        let pipe = folder.path().join(layout::status(&name("c")).as_str());
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut late = Site::new(&pair.share, "late", 3, false);
        pair.run(Duration::from_secs(60));
        late.step();
        let known: Vec<_> =
            ops::peers(pair.a.node()).unwrap().iter().map(|peer| peer.name.to_string()).collect();
        assert!(known.contains(&"late".to_owned()), "{known:?}");
        let said = pair.a.problems.iter().filter(|problem| problem.contains("status/c.json")).count();
        assert!((1..=10).contains(&said), "said {said} times in a minute");
    }

    #[cfg(unix)]
    #[test]
    fn a_status_file_that_can_not_be_read_holds_up_no_mail_however_often_it_is_met() {
        let folder = tempfile::tempdir().unwrap();
        let share: Arc<dyn Share> = Arc::new(DiskShare::new(folder.path(), "both"));
        // As long as the pause after which a share that is in doubt is looked at again.
        let mut pair = Pair::on(share, |config| config.look.full = Duration::from_millis(500));
        let pipe = folder.path().join(layout::status(&name("c")).as_str());
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // Each by itself and only when it is due, as daemons step.
        let rounds = |pair: &mut Pair| {
            for site in [&mut pair.a, &mut pair.b] {
                for _ in 0..20 {
                    site.step();
                    site.clock.advance(site.rest);
                }
            }
        };
        rounds(&mut pair);
        pair.a.send("b", &texts("a", 3));
        rounds(&mut pair);
        assert_eq!(pair.b.texts(), texts("a", 3), "{:?}", pair.b.problems);
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_links_where_files_should_be_hold_up_nobody() {
        use std::process::Command;
        let folder = tempfile::tempdir().unwrap();
        let mut pair = Pair::on(Arc::new(DiskShare::new(folder.path(), "both")), |_| {});
        let at = |path: &layout::SharePath| folder.path().join(path.as_str());
        let of_c = layout::lane(&name("b"), &LaneFile { from: name("c"), lease: 1, segment: 1 });
        let of_d = layout::lane(&name("b"), &LaneFile { from: name("d"), lease: 1, segment: 1 });
        for pipe in [&of_c, &layout::open_slot(&name("b")), &layout::open_slot(&name("x"))] {
            assert!(Command::new("mkfifo").arg(at(pipe)).status().unwrap().success());
        }
        std::os::unix::fs::symlink("/dev/zero", at(&of_d)).unwrap();
        pair.a.send_one("x", "into a pipe", |draft| draft.create = true);
        pair.a.send("b", &texts("a", 3));
        pair.until("the mail", |pair| pair.b.texts().len() == 3);
        pair.run(Duration::from_secs(120));
        assert_eq!(pair.b.texts(), texts("a", 3));
        assert!(pair.b.problems.iter().any(|problem| problem.contains("from-c")), "{:?}", pair.b.problems);
    }
}
