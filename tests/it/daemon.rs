//! The daemon as a service manager and an agent meet it: heartbeat, stop, lock, wakes; and the plain protocol by hand.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lanpost::engine::ops;
use lanpost::model::text::{Encoding, encode};
use serde_json::{Value, json};

use crate::common::agent::{Agent, Deed};
use crate::common::process::{
    ABORTED, ASKED, Lan, Pc, Settings, finish, is_running, kill, list, listing, remove_folder, text_of,
    until, until_true,
};

/// The bound of the issue for a clean stop. Asking alone takes Wine a look at all processes and three new ones.
const STOP: Duration = Duration::from_secs(if cfg!(windows) { 10 } else { 2 });
/// A line as people append it by hand.
const SAMPLE: &str = r#"{"from":"instance-A","to":"instance-B","timestamp":"2026-02-14T18:40:00+08:00","type":"message","content":"你好，我是A实例，收到请回复"}"#;

fn heartbeat(pc: &Pc) -> Value {
    let path = pc.share.join(format!("status/{}.json", pc.name));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

// heartbeat, stop, lock

#[test]
fn the_heartbeat_appears_beats_and_says_the_end() {
    let lan = Lan::new();
    let pc = lan.join_with("office", &Settings { agents: vec!["main"], ..Settings::default() });
    assert_eq!(heartbeat(&pc)["state"], "stopped", "init says that lanpost is spoken here");
    let daemon = pc.daemon();
    let first = until("a heartbeat", || Some(heartbeat(&pc)).filter(|beat| beat["state"] == "online"));
    assert_eq!((&first["instance"], &first["agents"]), (&json!("office"), &json!(["main"])));
    for key in ["lanpost", "host", "key", "timestamp"] {
        assert!(first[key].is_string(), "{key} in {first}");
    }
    let beat = first["beat"].as_u64().unwrap();
    until_true("two more beats", || heartbeat(&pc)["beat"].as_u64().unwrap() > beat + 1);
    let since = Instant::now();
    let log = daemon.stop();
    assert!(since.elapsed() < STOP, "it took {:?}:\n{log}", since.elapsed());
    let last = heartbeat(&pc);
    assert_eq!((&last["state"], &last["reason"]), (&json!("stopped"), &json!(ASKED)));
    assert_eq!(listing(&pc.share.join("status")), ["office.json"], "nothing written aside is left");
}

#[test]
fn a_stop_right_after_the_start_is_a_clean_one() {
    let lan = Lan::new();
    let pc = lan.join("office");
    for _ in 0..20 {
        pc.daemon().stop();
        assert_eq!(heartbeat(&pc)["state"], "stopped");
    }
}

#[test]
fn a_stop_does_not_wait_for_a_share_that_is_away_nor_for_a_wake() {
    let lan = Lan::new();
    let office = lan.join("office");
    let agent = Agent::new(&lan.pc("lab"), Deed::Hang);
    let lab = lan.join_with("lab", &agent.settings(""));
    let daemon = lab.daemon();
    office.send("lab", "x");
    let pids = [agent.number("pid"), agent.number("child.1")];
    assert!(pids.into_iter().all(is_running));
    lan.unmount();
    until_true("the daemon to notice", || lab.json(&["status"])["share"]["available"] == false);
    let since = Instant::now();
    let log = daemon.stop();
    assert!(since.elapsed() < STOP, "it took {:?}:\n{log}", since.elapsed());
    until_true("the agent's processes to be gone", || !pids.into_iter().any(is_running));
    assert!(!lan.share().exists());
}

#[test]
fn a_second_daemon_names_the_first() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let mut first = office.daemon();
    let pid = first.pid().to_string();
    office.run(&["run"]).exits(75).says(&[&pid, "daemon holds it"]);
    assert_eq!(office.run(&["run", "--json"]).exits(75).error()["kind"], "busy");
    office.try_init(&["--force"]).exits(75).says(&[&pid]);
    assert_eq!(first.ended(), None);
    office.send("lab", "still at work");
    lab.receives("still at work");
    // The lock dies with its process, however it dies.
    assert!(first.kill());
    assert_eq!(office.json(&["status"])["daemon"], Value::Null);
    let again = office.daemon();
    assert_eq!(office.json(&["status"])["daemon"]["pid"], again.pid());
}

#[test]
fn of_two_installations_of_one_instance_the_newcomer_holds() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let old = lab.daemon();
    let mut twin = lan.pc("second lab");
    twin.name = "lab".into();
    twin.init(&["--force"]);
    twin.configure(&Settings::default());
    let _new = twin.daemon();
    let status = until("the old one to see it", || {
        Some(lab.json(&["status"])).filter(|status| status["problems"].to_string().contains("another daemon"))
    });
    assert!(status["problems"].to_string().contains("lease 2"), "{status}");
    assert!(old.log().contains("lease 2"), "{}", old.log());
    let id = office.send("lab", "whoever you are");
    twin.receives("whoever you are");
    office.sees(&id, "delivered");
}

#[test]
fn a_mailbox_that_somebody_removed_comes_back() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let daemon = lab.daemon();
    office.send("lab", "before");
    lab.receives("before");
    let mailbox = lan.share().join("messages/to-lab");
    remove_folder(&mailbox);
    until_true("the mailbox to be back", || mailbox.join("bell").exists());
    // No file of office's is open, since each of its commands makes a pass of its own; the other case is tested with
    // a clock that can be moved on, in `bad_input`.
    let id = office.send("lab", "after");
    lab.receives("after");
    office.sees(&id, "delivered");
    daemon.stop();
    remove_folder(&mailbox);
    let id = office.send("lab", "no daemon, no mailbox");
    lab.receives("no daemon, no mailbox");
    office.sees(&id, "delivered");
}

#[test]
fn polling_alone_is_enough() {
    let lan = Lan::new();
    let blind = Settings { look: "notify = false".into(), ..Settings::default() };
    let (office, lab) = (lan.join_with("office", &blind), lan.join_with("lab", &blind));
    let (_one, _two) = (office.daemon(), lab.daemon());
    let id = office.send("lab", "look for it");
    lab.receives("look for it");
    office.sees(&id, "delivered");
    append(&slot(&lab), SAMPLE.replace("instance-B", "lab").as_bytes());
    append(&slot(&lab), b"\n");
    lab.receives("你好，我是A实例，收到请回复");
    assert_eq!(lab.json(&["status"])["watching"], "polling");
}

#[test]
fn notifications_are_believed_once_they_prove_to_work() {
    let lan = Lan::new();
    // So slow that only a notification brings mail within the test's patience.
    let slow =
        Settings { look: "idle = \"30m\"\nrest = \"30m\"\nfull = \"30m\"".into(), ..Settings::default() };
    let (office, lab) = (lan.join_with("office", &slow), lan.join_with("lab", &slow));
    let (_one, _two) = (office.daemon(), lab.daemon());
    for text in ["one", "two", "three"] {
        let id = office.send("lab", text);
        lab.receives(text);
        office.sees(&id, "delivered");
    }
    until_true("notifications", || lab.json(&["status"])["watching"] == "notifications");
}

// wakes

/// The words of a trace, and their details.
fn steps(trace: &Value) -> Vec<(String, String)> {
    let steps = list(trace["transitions"].clone());
    let detail = |step: &Value| step["detail"].as_str().unwrap_or_default().to_owned();
    steps.iter().map(|step| (text_of(step, "what"), detail(step))).collect()
}

/// Two PCs, the second of which wakes `agent`.
fn woken(deed: Deed, more: &str) -> (Lan, Pc, Pc, Agent) {
    let lan = Lan::new();
    let office = lan.join("office");
    let agent = Agent::new(&lan.pc("lab"), deed);
    let lab = lan.join_with("lab", &agent.settings(more));
    (lan, office, lab, agent)
}

/// Waits until the trace of `id` at `pc`, which may not have it yet, has a step `what`; its detail.
fn traced(pc: &Pc, id: &str, what: &str) -> String {
    until(&format!("{what} of {id} at {}", pc.name), || {
        let done = pc.run(&["trace", id, "--json"]);
        if done.code == Some(3) {
            return None;
        }
        let found = steps(&done.exits(0).json());
        found.into_iter().find_map(|(step, detail)| (step == what).then_some(detail))
    })
}

#[test]
fn a_wake_gets_the_mail_on_stdin_and_its_surroundings() {
    let lan = Lan::new();
    let office = lan.join("office");
    let agent = Agent::new(&lan.pc("lab"), Deed::Nothing);
    let evil = ["$(touch pwned)", "`touch pwned`", "a b", "; touch pwned", "*", "你好"];
    let lab = lan.join_with("lab", &Settings { agents: vec!["main"], ..agent.settings_with(&evil, "") });
    let _daemon = lab.daemon();
    let sent =
        office.json(&["send", "lab/main", "$(touch pwned); 你好", "--thread", "t", "--priority", "high"]);
    assert_eq!(agent.ran(1), [["$(touch pwned); 你好"]]);
    let (mail, id) = (agent.mail(1), text_of(&sent, "id"));
    for key in ["id", "from", "to", "type", "content", "timestamp", "thread", "priority"] {
        assert_eq!(mail[0][key], sent[key], "{key}");
    }
    assert_eq!(mail[0]["way"], "in");
    let environment = agent.text("1.env");
    let program = std::path::absolute(env!("CARGO_BIN_EXE_lanpost")).unwrap();
    for line in [
        "LANPOST_INSTANCE=lab",
        "LANPOST_AGENT=main",
        "LANPOST_WAKE=1",
        "LANPOST_ATTEMPT=1",
        "LANPOST_COUNT=1",
        "LANPOST_FROM=office",
        &format!("LANPOST_IDS={id}"),
        &format!("LANPOST_CONFIG={}", lab.config.display()),
        &format!("LANPOST_BIN={}", program.display()),
    ] {
        assert!(environment.lines().any(|found| found == line), "no {line} in:\n{environment}");
    }
    assert_eq!(agent.text("1.args").lines().collect::<Vec<_>>(), evil);
    assert_eq!(traced(&lab, &id, "woken"), "exit code 0");
    for folder in [&lab.home, &agent.folder, &lan.share()] {
        assert!(!folder.join("pwned").exists());
    }
    assert_eq!(lab.inbox()[0]["wake"], "woken");
}

#[test]
fn an_agent_can_answer_from_its_wake() {
    let (_lan, office, lab, _agent) = woken(Deed::Answer, "");
    let (_one, _two) = (office.daemon(), lab.daemon());
    office.run(&["send", "lab", "do it", "--wait", "processed"]).exits(0);
    assert_eq!(office.receives("on it")["from"], "lab");
}

#[test]
fn one_wake_per_batch_and_urgent_mail_passes_the_window() {
    let lan = Lan::new();
    let office = lan.join("office");
    let agent = Agent::new(&lan.pc("lab"), Deed::Nothing);
    let mut settings = agent.settings("batch = 4");
    settings.wake = settings.wake.replace("window = \"0s\"", "window = \"1h\"");
    let lab = lan.join_with("lab", &settings);
    office.ok(&["peers"]);
    let mut node = office.node();
    let texts = ["a", "b", "c"].map(|text| ops::Draft::new("lab".parse().unwrap(), text));
    ops::send_all(&mut node, texts.to_vec()).unwrap();
    office.ok(&["status"]);
    let _daemon = lab.daemon();
    assert_eq!(agent.ran(1), [["a", "b", "c"]], "what is there at once is one batch");
    // Within the window nothing more is woken for, until something urgent comes; a wake takes at most four.
    for text in ["d", "e", "f"] {
        office.send("lab", text);
        lab.receives(text);
    }
    assert_eq!(agent.runs().len(), 1);
    office.ok(&["send", "lab", "now!", "--priority", "urgent"]);
    assert_eq!(agent.ran(2)[1], ["d", "e", "f", "now!"]);
}

#[test]
fn mail_that_was_read_before_needs_no_wake() {
    let (_lan, office, lab, agent) = woken(Deed::Nothing, "");
    let id = office.send("lab", "seen");
    // A pass takes it in, and it is read before a daemon runs.
    lab.ok(&["inbox"]);
    lab.ok(&["read", &id]);
    let _daemon = lab.daemon();
    assert!(traced(&lab, &id, "wake-not-needed").contains("read before"));
    office.send("lab", "new");
    assert_eq!(agent.ran(1), [["new"]]);
}

#[test]
fn a_wake_is_judged_by_its_exit_code() {
    let (_lan, office, lab, agent) = woken(Deed::FailAtFirst, "");
    let _daemon = lab.daemon();
    let id = office.send("lab", "try hard");
    assert_eq!(agent.ran(4), [["try hard"], ["try hard"], ["try hard"], ["try hard"]]);
    assert_eq!(traced(&lab, &id, "woken"), "exit code 0");
    let trace = steps(&lab.json(&["trace", &id]));
    let retries: Vec<_> =
        trace.iter().filter(|(what, _)| what == "wake-retry").map(|(_, detail)| detail).collect();
    assert_eq!(retries.len(), 3, "{trace:?}");
    assert!(retries[0].contains("exit code 75: later") && retries[0].contains("attempt 1"), "{retries:?}");
    assert!(retries[1].contains("exit code 1") && retries[2].contains(ABORTED), "{retries:?}");
    assert!(agent.text("4.env").contains("LANPOST_ATTEMPT=4\n"));
    let wakes = list(lab.json(&["status"])["wakes"].clone());
    assert_eq!(
        wakes.iter().map(|wake| text_of(wake, "state")).collect::<Vec<_>>(),
        ["retry", "retry", "retry", "done"]
    );
}

#[test]
fn a_permanent_failure_is_not_tried_again_and_the_sender_is_told() {
    let (_lan, office, lab, agent) = woken(Deed::WantGood, "");
    let (_one, _two) = (office.daemon(), lab.daemon());
    let id = office.send("lab", "bad");
    assert_eq!(traced(&lab, &id, "wake-failed"), "exit code 64");
    let told = until("the sender to be told", || {
        let trace = office.json(&["trace", &id]);
        steps(&trace).into_iter().find(|(_, detail)| detail.contains("exit code 64"))
    });
    assert!(told.0.contains("wake"), "{told:?}");
    assert!(lab.json(&["status"])["problems"].to_string().contains("exit code 64"));
    office.send("lab", "good");
    assert_eq!(agent.ran(2), [["bad"], ["good"]]);
    lab.sees(&id, "delivered");
}

#[test]
fn a_wake_is_killed_at_its_deadline_with_all_it_started() {
    let (_lan, office, lab, agent) = woken(Deed::HangDeeply, "timeout = \"1s\"\nattempts = 2");
    let _daemon = lab.daemon();
    let id = office.send("lab", "too long");
    let pids = [agent.number("child.1"), agent.number("grandchild")];
    assert!(traced(&lab, &id, "wake-retry").contains("killed after 1s"));
    until_true("its processes to be gone", || !pids.into_iter().any(is_running));
    let failed = traced(&lab, &id, "wake-failed");
    assert!(failed.contains("killed after 1s") && failed.contains("the last one"), "{failed}");
    assert_eq!(agent.runs().len(), 2);
    until_true("the last one to be gone", || !is_running(agent.number("child.2")));
}

#[test]
fn a_command_that_reads_nothing_and_says_much_is_fine() {
    let (_lan, office, lab, agent) = woken(Deed::SayMuch, "");
    let _daemon = lab.daemon();
    let id = office.feed(&["send", "lab", "-", "--json"], &[b'y'; 900_000]).exits(0).json();
    assert_eq!(traced(&lab, &text_of(&id, "id"), "woken"), "exit code 0");
    kill(agent.number("child"));
    let nowhere = Settings::waking(&["/nowhere/bot"], "attempts = 2");
    lab.configure(&nowhere);
    drop(_daemon);
    let _daemon = lab.daemon();
    let id = office.send("lab", "nobody");
    assert!(traced(&lab, &id, "wake-failed").contains("could not start /nowhere/bot"));
}

#[test]
fn an_unfinished_wake_is_taken_up_again_and_a_finished_one_never_repeated() {
    let (_lan, office, lab, agent) = woken(Deed::HangIfTold, "again = '1s'");
    let daemon = lab.daemon();
    let done = office.send("lab", "done");
    traced(&lab, &done, "woken");
    fs::write(agent.folder.join("hang"), "").unwrap();
    let cut = office.send("lab", "cut off");
    let child = agent.number("child.2");
    assert!(daemon.kill());
    fs::remove_file(agent.folder.join("hang")).unwrap();
    let daemon = lab.daemon();
    assert_eq!(traced(&lab, &cut, "woken"), "exit code 0");
    assert_eq!(agent.ran(3), [["done"], ["cut off"], ["cut off"]]);
    daemon.stop();
    let _daemon = lab.daemon();
    let last = office.send("lab", "last");
    traced(&lab, &last, "woken");
    assert_eq!(agent.runs(), [vec!["done"], vec!["cut off"], vec!["cut off"], vec!["last"]]);
    let states: Vec<_> =
        list(lab.json(&["status"])["wakes"].clone()).iter().map(|wake| text_of(wake, "state")).collect();
    assert_eq!(states, ["done", "interrupted", "done", "done"]);
    // What the killed daemon could not end is this test's to end.
    [agent.number("pid"), child].into_iter().for_each(kill);
}

// the plain protocol

fn slot(pc: &Pc) -> PathBuf {
    pc.share.join(format!("messages/to-{}.jsonl", pc.name))
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_line_of_a_western_windows_is_kept_and_what_it_likely_says_is_offered() {
    let lan = Lan::new();
    let pc = lan.join("lab");
    let daemon = pc.daemon();
    let line = b"{\"from\":\"hand\",\"content\":\"M\xFCller, 100 \xB0C\"}\r\n";
    append(&slot(&pc), line);
    let got = pc.receives("M黮ler, 100 癈");
    assert_eq!((&got["likely"], &got["encoding"]), (&json!("Müller, 100 °C"), &json!("gb18030")));
    let raw = pc.command(&["read", &text_of(&got, "id"), "--raw", "--peek"]).output().unwrap().stdout;
    assert_eq!(raw, line);
    daemon.stop();
}

#[test]
fn the_sample_appended_by_hand_arrives_however_it_was_written() {
    let lan = Lan::new();
    let pc = lan.join("instance-B");
    let daemon = pc.daemon();
    let mut expected = vec![];
    for (n, encoding) in Encoding::ALL.into_iter().enumerate() {
        for newline in ["\n", "\r\n"] {
            let text = format!("你好 {n} {}", newline.len());
            let line = SAMPLE.replace("你好，我是A实例，收到请回复", &text);
            let bom = expected.is_empty();
            let bytes = encode(&format!("{line}{newline}"), encoding, bom);
            append(&slot(&pc), &bytes);
            let got = pc.receives(&text);
            let id = text_of(&got, "id");
            let raw = pc.command(&["read", &id, "--raw", "--peek"]).output().unwrap().stdout;
            assert_eq!(raw, bytes, "{encoding}: the very bytes");
            expected.push(text_of(&got, "id"));
            assert_eq!((&got["from"], &got["to"]), (&json!("instance-A"), &json!("instance-B")));
            assert_eq!(got["timestamp"], "2026-02-14T18:40:00+08:00");
            assert!(got["encoding"].is_string());
        }
    }
    // PowerShell's first `>>` writes a BOM, in the middle of a file as well; people forget the final newline.
    append(&slot(&pc), &encode(&format!("{SAMPLE}\r\n"), Encoding::Utf16Le, true));
    expected.push(text_of(&pc.receives("你好，我是A实例，收到请回复"), "id"));
    append(&slot(&pc), SAMPLE.replace("你好", "再见").as_bytes());
    let last = pc.receives("再见，我是A实例，收到请回复");
    expected.push(text_of(&last, "id"));
    let raw = pc.run(&["read", &text_of(&last, "id"), "--raw"]).exits(0).out;
    assert_eq!(raw.trim_end(), SAMPLE.replace("你好", "再见"));
    // Nothing is taken twice, after a restart either.
    daemon.stop();
    let _daemon = pc.daemon();
    append(&slot(&pc), b"\n{\"from\":\"x\",\"content\":\"end\"}\n");
    expected.push(text_of(&pc.receives("end"), "id"));
    let ids: Vec<_> = pc.inbox().iter().map(|message| text_of(message, "id")).collect();
    assert_eq!(ids, expected);
    assert_eq!(pc.json(&["inbox", "--quarantine"]), json!([]));
}

#[test]
fn who_has_no_heartbeat_is_written_to_in_the_plain_shape() {
    let lan = Lan::new();
    let pc = lan.join("instance-B");
    let _daemon = pc.daemon();
    append(&slot(&pc), format!("{SAMPLE}\n").as_bytes());
    let got = pc.receives("你好，我是A实例，收到请回复");
    pc.ok(&["reply", &text_of(&got, "id"), "收到", "--ack"]);
    let theirs = lan.share().join("messages/to-instance-A.jsonl");
    let line =
        until("the answer", || fs::read_to_string(&theirs).ok()?.strip_suffix('\n').map(str::to_owned));
    assert!(line.starts_with("{\"from\":\"instance-B\",\"to\":\"instance-A\",\"timestamp\":\""), "{line}");
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&value["type"], &value["content"]), (&json!("message"), &json!("收到")));
    until_true("the lockfile to be gone", || !theirs.with_extension("jsonl.lock").exists());
    // A lockfile of somebody else is respected; the mail waits for it.
    fs::write(theirs.with_extension("jsonl.lock"), "a script").unwrap();
    let id = pc.send("instance-A", "second");
    assert_eq!(pc.json(&["trace", &id])["state"], "queued");
    fs::remove_file(theirs.with_extension("jsonl.lock")).unwrap();
    pc.sees(&id, "sent");
    assert_eq!(fs::read_to_string(&theirs).unwrap().lines().count(), 2);
}

// demo

#[test]
fn the_demo_tells_the_journey_and_leaves_nothing_behind() {
    let lan = Lan::new();
    let pc = lan.pc("visitor");
    let before = listing(&pc.home);
    let done = finish(pc.bare(&["demo"]), b"").exits(0);
    for word in
        ["is the build green?", "pong", "你好", "processed", "woken", "gb18030", "nothing is left behind"]
    {
        assert!(done.out.to_lowercase().contains(word), "no {word:?} in:\n{}", done.out);
    }
    assert_eq!(done.err, "");
    assert_eq!(listing(&pc.home), before);
    assert_eq!(listing(&lan.share()), [""; 0]);
}
