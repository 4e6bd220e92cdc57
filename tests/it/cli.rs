//! Every command as a user runs it: the real program, its exit codes, its words and its JSON.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use lanpost::model::config::split_command;
use lanpost::model::text::{Encoding, encode};
use serde_json::{Value, json};

use crate::common::process::{
    Done, Follower, Lan, Pc, Settings, begin, finish, list, text_of, until, until_true,
};

/// Two PCs that joined; no daemon runs.
fn two() -> (Lan, Pc, Pc) {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    (lan, office, lab)
}

fn ids(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|message| text_of(message, "id")).collect()
}

// init

#[test]
fn the_command_that_is_advised_is_whole() {
    let (_lan, office, _lab) = two();
    fs::remove_file(office.state.join("lanpost.db")).unwrap();
    let said = office.run(&["status"]).exits(3).err;
    let line = said.split('`').find(|words| words.starts_with("lanpost --config")).expect(&said);
    let words = split_command(line).unwrap();
    let done = office.bare(&words[1..]).output().unwrap();
    assert!(done.status.success(), "{line}: {done:?}");
}

#[test]
fn a_refused_name_leaves_no_state_folder() {
    let (lan, _office, _lab) = two();
    let twin = lan.pc("twin");
    let state = twin.path("none");
    let args = ["init", "--instance", "office", "--share", twin.share.to_str().unwrap(), "--state"];
    let done = twin.bare(&[&args[..], &[state.to_str().unwrap(), "--config", "none.toml"]].concat()).output();
    assert_eq!((done.unwrap().status.code(), state.exists()), (Some(2), false));
}

#[test]
fn a_second_init_changes_nothing_and_force_keeps_the_key() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    let first = pc.init(&["--agent", "bob", "--wake-command", "bot --quiet"]);
    assert!(first.contains("set up office") && first.contains("run"), "{first}");
    let text = fs::read_to_string(&pc.config).unwrap();
    assert!(text.contains("# heartbeat = ") && text.contains("[\"bot\", \"--quiet\"]"), "{text}");
    let kept = || {
        let key = fs::read(pc.state.join("key")).unwrap();
        (fs::read(&pc.config).unwrap(), key, fs::read(pc.state.join("key.pub")).unwrap())
    };
    let before = (kept(), fs::read(pc.share.join("lanpost.json")).unwrap());
    for more in [&[][..], &["--agent", "bob"], &["--wake-command", "bot --quiet"]] {
        let again = pc.init(more);
        assert!(again.contains("already set up"), "{again}");
    }
    let mut args = vec!["init", "--instance", "office", "--json", "--share", pc.share.to_str().unwrap()];
    let answer = pc.run(&args).exits(0).json();
    assert_eq!(answer["changed"], false);
    assert_eq!((kept(), fs::read(pc.share.join("lanpost.json")).unwrap()), before);

    pc.try_init(&["--agent", "eve"]).exits(2).says(&["bob", "eve", "--force"]);
    args[2] = "other";
    pc.run(&args).exits(2).says(&["office", "other"]);
    assert_eq!(kept(), before.0);

    let forced = pc.init(&["--agent", "eve", "--force"]);
    assert!(forced.contains("lanpost.toml.old"), "{forced}");
    let (config, key, public) = kept();
    assert_eq!((key, public), (before.0.1, before.0.2));
    assert!(String::from_utf8(config).unwrap().contains("[\"eve\"]"));
    assert_eq!(fs::read(pc.config.with_extension("toml.old")).unwrap(), before.0.0);
    assert_eq!(pc.json(&["status"])["instance"], "office");
}

#[cfg(unix)]
#[test]
fn a_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let lan = Lan::new();
    let pc = lan.join("office");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&pc.state.join("key")), mode(&pc.state)), (0o600, 0o700));
}

#[test]
fn a_config_that_cannot_be_read_does_not_lose_the_key() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let key = fs::read(pc.state.join("key")).unwrap();
    fs::write(&pc.config, fs::read_to_string(&pc.config).unwrap() + "\n[look]\nnotifi = true\n").unwrap();
    let share = pc.share.display().to_string();
    let blind = ["init", "--share", share.as_str(), "--instance", "office", "--force"];
    pc.run(&blind).exits(2).says(&["--state"]);
    pc.init(&["--force"]);
    assert_eq!(fs::read(pc.state.join("key")).unwrap(), key);
    pc.run(&["status"]).exits(0);
}

#[test]
fn a_name_in_use_needs_force() {
    let lan = Lan::new();
    lan.join("office");
    let mut twin = lan.pc("other");
    twin.name = "office".into();
    twin.try_init(&[]).exits(2).says(&["in use", "--force"]);
    assert!(!twin.config.exists());
    twin.init(&["--force"]);
}

/// `status` of the config that these name.
fn status_of(pc: &Pc, flag: Option<&str>, variable: Option<&str>) -> Done {
    let mut args = vec!["status", "--json"];
    args.extend(flag.iter().flat_map(|file| ["--config", *file]));
    let mut command = pc.bare(&args);
    command.envs(variable.map(|file| ("LANPOST_CONFIG", file)));
    finish(command, b"")
}

#[test]
fn the_first_config_that_is_named_counts() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    for name in ["flag", "variable"] {
        let state = pc.path(&format!("{name}.state"));
        let (state, share) = (state.to_str().unwrap(), pc.share.to_str().unwrap());
        let init = ["init", "--instance", name, "--config", name, "--state", state, "--share", share];
        finish(pc.bare(&init), b"").exits(0);
    }
    let name = |flag, variable| text_of(&status_of(&pc, flag, variable).exits(0).json(), "instance");
    assert_eq!(name(None, Some("variable")), "variable");
    assert_eq!(name(Some("flag"), Some("variable")), "flag");
    // There or not.
    let said = |flag, variable| status_of(&pc, flag, variable).exits(3).json_error();
    assert!(said(None, Some("nowhere")).contains("LANPOST_CONFIG"));
    assert!(said(Some("nowhere"), Some("variable")).contains("--config"));
}

#[test]
fn the_usual_place_of_the_config_comes_last() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    let missing = status_of(&pc, None, None).exits(3).json_error();
    let usual = pc.home.join("config/lanpost/config.toml");
    assert!(missing.contains(usual.to_str().unwrap()) && missing.contains("lanpost init"), "{missing}");
    // Without any option, init makes everything at the usual places.
    let init = ["init", "--instance", "usual", "--share", pc.share.to_str().unwrap()];
    finish(pc.bare(&init), b"").exits(0);
    assert!(usual.exists() && pc.home.join("local/state/lanpost/usual/key").exists());
    assert_eq!(text_of(&status_of(&pc, None, None).exits(0).json(), "instance"), "usual");
    status_of(&pc, None, Some("nowhere")).exits(3);
}

#[test]
fn a_config_with_a_mistake_names_the_line_and_what_is_allowed() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let good = fs::read_to_string(&pc.config).unwrap();
    let line = |text: &str, what: &str| text.lines().position(|line| line.contains(what)).unwrap() + 1;
    for (wrong, allowed) in [
        ("busyness = \"1s\"", &["busyness", "`busy`", "`idle`"][..]),
        ("notify = \"perhaps\"", &["notify", "boolean"]),
        ("full = \"1ms\"", &["full", "10ms", "1h"]),
    ] {
        let text = good.replace("full = \"500ms\"", wrong);
        fs::write(&pc.config, &text).unwrap();
        let at = format!("line {}", line(&text, wrong));
        for command in [&["status"][..], &["run"], &["send", "lab", "x"]] {
            pc.run(command).exits(2).says(allowed).says(&[&at, "lanpost.toml"]);
        }
    }
}

// send

#[test]
fn send_without_a_daemon_makes_one_pass() {
    let (_lan, office, lab) = two();
    let sent = office.json(&["send", "lab", "你好"]);
    assert_eq!((&sent["to"], &sent["state"], &sent["way"]), (&json!("lab"), &json!("sent"), &json!("out")));
    assert_eq!(sent["spooled"], Value::Null);
    let said = office.ok(&["send", "lab", "second"]);
    assert!(said.starts_with("sent ") && said.trim_end().ends_with("to lab (sent)"), "{said}");
    let inbox = lab.inbox();
    assert_eq!(inbox.iter().map(|m| &m["content"]).collect::<Vec<_>>(), ["你好", "second"]);
    assert_eq!(inbox[0]["id"], sent["id"]);
    // The receipt went out with lab's pass.
    assert_eq!(office.json(&["trace", &text_of(&sent, "id")])["state"], "delivered");
}

#[test]
fn send_with_daemons() {
    let (_lan, office, lab) = two();
    let (_one, _two) = (office.daemon(), lab.daemon());
    let sent = office.json(&["send", "lab", "hello"]);
    assert!(["queued", "sent", "delivered"].contains(&sent["state"].as_str().unwrap()), "{sent}");
    lab.receives("hello");
    let trace = office.sees(&text_of(&sent, "id"), "delivered");
    let what: Vec<_> = list(trace["transitions"].clone()).iter().map(|step| text_of(step, "what")).collect();
    assert_eq!(what, ["queued", "sent", "delivered"]);
}

#[test]
fn send_while_the_share_is_away_spools() {
    let (lan, office, lab) = two();
    office.ok(&["peers"]);
    lan.unmount();
    let said = office.run(&["send", "lab", "one"]).exits(0).out;
    assert!(said.starts_with("queued: ") && said.contains("waits in the spool"), "{said}");
    let sent = office.json(&["send", "lab", "two"]);
    assert_eq!(sent["state"], "queued");
    assert!(text_of(&sent, "spooled").contains("there is no such folder"), "{sent}");
    let status = office.json(&["status"]);
    assert_eq!((&status["share"]["available"], &status["spooled"]), (&json!(false), &json!(2)));
    assert!(status["problems"].to_string().contains("the share is away"), "{status}");
    assert!(!lan.share().exists(), "nobody makes an unmounted share");
    lan.mount();
    office.ok(&["status"]);
    assert_eq!(lab.inbox().iter().map(|m| &m["content"]).collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn send_while_the_share_is_away_and_a_daemon_runs() {
    let (lan, office, lab) = two();
    let (_one, _two) = (office.daemon(), lab.daemon());
    until_true("lab to be online", || office.json(&["peers"])[0]["presence"] == "online");
    lan.unmount();
    until_true("the daemon to notice", || office.json(&["status"])["share"]["available"] == false);
    let sent = office.json(&["send", "lab", "later"]);
    assert_eq!(sent["state"], "queued");
    assert!(sent["spooled"].is_string(), "{sent}");
    lan.mount();
    lab.receives("later");
    office.sees(&text_of(&sent, "id"), "delivered");
    assert_eq!(office.json(&["status"])["share"]["available"], true);
}

#[test]
fn an_unknown_recipient_is_named_with_near_matches() {
    let (_lan, office, _lab) = two();
    office.run(&["send", "lba", "x"]).exits(3).says(&["lba", "did you mean lab?", "--create"]);
    office.run(&["send", "zebra", "x"]).exits(3).says(&["zebra", "lanpost peers", "--create"]);
    let answer = office.run(&["send", "lba", "x", "--json"]).exits(3);
    assert_eq!(answer.error()["kind"], "not-found");
    assert_eq!(office.json(&["status"])["spooled"], 0);
    let _daemon = office.daemon();
    office.run(&["send", "lba", "x"]).exits(3).says(&["did you mean lab?"]);
}

#[test]
fn create_addresses_one_that_has_not_joined() {
    let (lan, office, _lab) = two();
    let id = text_of(&office.json(&["send", "newcomer", "welcome", "--create"]), "id");
    // Whoever has no lanpost heartbeat gets it in the open slot, in the plain shape.
    let slot = fs::read_to_string(lan.share().join("messages/to-newcomer.jsonl")).unwrap();
    let line: Value = serde_json::from_str(&slot).unwrap();
    assert_eq!(
        (&line["from"], &line["to"], &line["type"]),
        (&json!("office"), &json!("newcomer"), &json!("message"))
    );
    assert_eq!((&line["content"], &line["id"]), (&json!("welcome"), &json!(id)));
    assert!(line["timestamp"].is_string() && line.get("seq").is_none() && line.get("v").is_none());
    let newcomer = lan.join("newcomer");
    assert_eq!(ids(&newcomer.inbox()), [id]);
}

#[test]
fn an_id_of_ones_own_makes_sending_idempotent() {
    let (_lan, office, lab) = two();
    let send = ["send", "lab", "build 42", "--id", "build-42"];
    let first = office.json(&send);
    for _ in 0..2 {
        assert_eq!(office.json(&send)["id"], "build-42");
    }
    assert_eq!(first["id"], "build-42");
    office.run(&["send", "lab", "another", "--id", "build-42"]).exits(2).says(&["build-42", "has that id"]);
    assert_eq!(ids(&lab.inbox()), ["build-42"]);
    assert_eq!(ids(&lab.inbox()), ["build-42"]);
    office.run(&["send", "lab", "x", "--id", "no/slash"]).exits(2);
}

#[test]
fn wait_sees_how_far_a_message_came() {
    let (_lan, office, lab) = two();
    let (_one, _two) = (office.daemon(), lab.daemon());
    let waiting = |id: &str| {
        let args = ["send", "lab", id, "--id", id, "--wait", "processed", "--json"];
        Follower::start(office.command(&args))
    };
    let (mut good, mut bad) = (waiting("good"), waiting("bad"));
    lab.receives("good");
    lab.receives("bad");
    assert!(good.is_running() && bad.is_running());
    lab.ok(&["ack", "good"]);
    lab.ok(&["ack", "bad", "--failed", "no such branch"]);
    assert_eq!(serde_json::from_str::<Value>(&good.line()).unwrap()["state"], "processed");
    let bad_line: Value = serde_json::from_str(&bad.line()).unwrap();
    assert_eq!((&bad_line["state"], &bad_line["outcome"]), (&json!("failed"), &json!("no such branch")));
    assert_eq!((good.end(), bad.end()), (Some(0), Some(5)));
    office.run(&["send", "lab", "x", "--wait", "delivered"]).exits(0);
    let late = office.run(&["send", "lab", "x", "--wait", "read", "--timeout", "300ms"]).exits(4);
    late.says(&["the time is over"]);
}

#[test]
fn wait_without_daemons_looks_by_itself() {
    let (_lan, office, lab) = two();
    let mut send =
        Follower::start(office.command(&["send", "lab", "x", "--id", "x", "--wait", "delivered", "--json"]));
    lab.receives("x");
    assert_eq!(serde_json::from_str::<Value>(&send.line()).unwrap()["state"], "delivered");
    assert_eq!(send.end(), Some(0));
}

#[test]
fn a_message_that_waited_too_long_expires() {
    let (lan, office, lab) = two();
    office.ok(&["peers"]);
    lan.unmount();
    let id = text_of(&office.json(&["send", "lab", "stale", "--ttl", "1ms"]), "id");
    office.json(&["send", "lab", "fresh", "--ttl", "1h"]);
    lan.mount();
    office.ok(&["status"]);
    let trace = office.sees(&id, "expired");
    assert!(text_of(&trace, "outcome").contains("time ran out"), "{trace}");
    assert_eq!(lab.inbox().iter().map(|m| &m["content"]).collect::<Vec<_>>(), ["fresh"]);
    lan.unmount();
    office.run(&["send", "lab", "x", "--ttl", "1ms", "--wait", "sent", "--timeout", "9s"]).exits(5);
    office.run(&["send", "lab", "x", "--ttl", "1h", "--wait", "sent", "--timeout", "1s"]).exits(4);
    lan.mount();
    office.run(&["send", "lab", "x", "--ttl", "0s", "--wait", "sent"]).exits(5).says(&["expired"]);
    office.run(&["send", "lab", "x", "--ttl", "soon"]).exits(2);
}

#[test]
fn json_in_ascii_means_the_same() {
    let lan = Lan::new();
    let (lab, _) = (lan.join("lab"), lan.join("office"));
    let id = lab.run(&["send", "office", "你好 😀", "--json", "--ascii"]).exits(0);
    assert!(id.out.is_ascii() && id.out.contains("\\u4f60"), "{}", id.out);
    let sent: serde_json::Value = serde_json::from_str(&id.out).unwrap();
    assert_eq!(sent["content"], "你好 😀");
}

#[test]
fn text_that_was_decoded_wrongly_stays_and_its_original_is_offered() {
    let lan = Lan::new();
    let (lab, office) = (lan.join("lab"), lan.join("office"));
    lab.run(&["send", "office", "ÄãºÃ"]).exits(0);
    lab.run(&["send", "office", "Grüße, 你好"]).exits(0);
    office.run(&["inbox"]).exits(0);
    let inbox = office.inbox();
    assert_eq!((&inbox[0]["content"], &inbox[0]["likely"]), (&"ÄãºÃ".into(), &"你好".into()));
    assert!(inbox[1].get("likely").is_none());
    let id = inbox[0]["id"].as_str().unwrap().to_owned();
    let shown = office.ok(&["read", &id]);
    assert!(["ÄãºÃ", "Likely", "你好"].iter().all(|word| shown.contains(word)), "{shown}");
}

#[test]
fn text_is_piped_in_any_encoding() {
    let (_lan, office, lab) = two();
    let text = "你好，编译通过了吗？\n第二行";
    for encoding in Encoding::ALL {
        for bom in [false, true] {
            let bytes = encode(&format!("{text}\r\n"), encoding, bom);
            let sent = office.feed(&["send", "lab", "-", "--json"], &bytes).exits(0).json();
            assert_eq!(sent["content"], text, "{encoding:?}, BOM: {bom}");
        }
    }
    assert_eq!(office.feed(&["send", "lab", "--json"], b"no hyphen").exits(0).json()["content"], "no hyphen");
    assert_eq!(office.feed(&["send", "lab", "-", "--json"], b"").exits(0).json()["content"], "");
    office.feed(&["send", "lab"], b"").exits(2).says(&["TEXT is missing"]);
    assert!(lab.inbox().iter().filter(|m| m["content"] == text).count() == 2 * Encoding::ALL.len());
}

#[test]
fn what_is_piped_in_is_never_guessed_in_silence() {
    let (_lan, office, lab) = two();
    let utf8 = "我们已经完成了测试，请回复";
    let feed = |bytes: &[u8]| office.feed(&["send", "lab", "-"], bytes);
    for refused in ["a 你好\0b\0c".as_bytes(), &utf8.as_bytes()[..20], b"M\xFCller"] {
        feed(refused).exits(2).says(&["read standard input", "pipe whole text in UTF-8"]);
    }
    feed(&encode(utf8, Encoding::Gb18030, false)).exits(0).says(&["taken for GBK"]);
    feed(&encode(utf8, Encoding::Utf16Le, false)).exits(0).says(&["taken for UTF-16LE without BOM"]);
    feed(&encode("你好", Encoding::Utf16Le, false)).exits(0).says(&["if it is \"你好\" in UTF-16"]);
    let silent = feed(utf8.as_bytes()).exits(0);
    assert!(!silent.err.contains("taken for"), "{}", silent.err);
    let contents: Vec<_> = lab.inbox().iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, [utf8, utf8, "`O}Y", utf8]);
}

#[test]
fn content_may_be_json() {
    let (_lan, office, lab) = two();
    let content = json!({"job": 7, "名": ["a", null, 1.5]});
    office.json(&["send", "lab", &content.to_string(), "--json-content"]);
    assert_eq!(lab.inbox()[0]["content"], content);
    for bad in ["{", "{\"a\":1,\"a\":2}", "", "\"\\ud800\""] {
        let done = office.run(&["send", "lab", bad, "--json-content"]);
        done.exits(2).says(&["as JSON", "--json-content"]);
    }
    assert_eq!(lab.inbox().len(), 1);
}

#[test]
fn what_is_said_of_a_message_arrives_with_it() {
    let lan = Lan::new();
    let agents = Settings { agents: vec!["main", "reviewer"], ..Settings::default() };
    let (office, lab) = (lan.join_with("office", &agents), lan.join_with("lab", &agents));
    // The heartbeat says which agents there are, so daemons have to have run.
    for pc in [&office, &lab] {
        let daemon = pc.daemon();
        until_true("a heartbeat", || {
            fs::read_to_string(pc.share.join("status/lab.json")).unwrap().contains("online")
                || pc.name == "office"
        });
        daemon.stop();
    }
    let question = lab.send("office", "which one?");
    assert_eq!(ids(&office.inbox()), std::slice::from_ref(&question));
    let sent = office.json(&[
        "send",
        "lab/Reviewer",
        "this one",
        "--type",
        "task",
        "--thread",
        "号 7",
        "--priority",
        "urgent",
        "--ttl",
        "2h",
        "--reply-to",
        &question[..question.len() - 2],
        "--as",
        "main",
    ]);
    let got = &lab.inbox()[0];
    for (key, value) in [
        ("from", "office/main"),
        ("to", "lab/reviewer"),
        ("type", "task"),
        ("thread", "号 7"),
        ("priority", "urgent"),
        ("in_reply_to", &question),
    ] {
        assert_eq!((&sent[key], &got[key]), (&json!(value), &json!(value)), "{key}");
    }
    assert!(got["expires"].is_string());
    office.run(&["send", "lab", "x", "--as", "nobody"]).exits(2).says(&["main, reviewer"]);
    office.run(&["send", "lab/nobody", "x"]).exits(3).says(&["main, reviewer"]);
    office.run(&["send", "lab/nobody", "x", "--create"]).exits(0);
    office
        .run(&["send", "lab", "x", "--priority", "yesterday"])
        .exits(2)
        .says(&["low, normal, high, urgent"]);
    office.run(&["send", "lab", "x", "--type", "receipt"]).exits(2);
    office.run(&["send", "lab", "x", "--reply-to", "nothing"]).exits(3);
    let mut by_environment = office.command(&["send", "lab", "by agent", "--json"]);
    by_environment.env("LANPOST_AGENT", "reviewer");
    assert_eq!(finish(by_environment, b"").exits(0).json()["from"], "office/reviewer");
}

// inbox, read, ack, reply, wait, trace

#[test]
fn the_json_of_send_and_inbox_has_its_documented_shape() {
    let (_lan, office, lab) = two();
    let sent = office.json(&["send", "lab", "x"]);
    let inbox = lab.json(&["inbox"]);
    for (message, way) in [(&sent, "out"), (&inbox[0], "in")] {
        for key in ["way", "id", "from", "to", "type", "content", "timestamp", "state", "at", "priority"] {
            assert!(message[key].is_string(), "{key} in {message}");
        }
        // Of what came, also who wrote it.
        assert_eq!(message.get("verdict").is_some(), way == "in", "{message}");
        let keys = message.as_object().unwrap().len();
        assert_eq!(keys, if way == "in" { 11 } else { 10 }, "{message}");
    }
    assert_eq!(office.run(&["inbox", "--json"]).exits(0).out.trim(), "[]");
}

#[test]
fn listing_never_consumes_and_filters() {
    let lan = Lan::new();
    let (office, lab, home) = (lan.join("office"), lan.join("lab"), lan.join("home"));
    office.json(&["send", "lab", "a", "--id", "a", "--thread", "t1"]);
    office.json(&["send", "lab", "b", "--id", "b", "--as", "bob"]);
    lab.inbox();
    home.json(&["send", "lab", "c", "--id", "c", "--thread", "t1"]);
    for _ in 0..3 {
        let states: Vec<_> = list(lab.json(&["inbox"])).iter().map(|m| text_of(m, "state")).collect();
        assert_eq!(states, ["delivered"; 3]);
    }
    let chosen = |args: &[&str]| ids(&list(lab.json(&[&["inbox"], args].concat())));
    assert_eq!(chosen(&["--from", "office"]), ["a", "b"]);
    assert_eq!(chosen(&["--from", "OFFICE/Bob"]), ["b"]);
    assert_eq!(chosen(&["--thread", "t1"]), ["a", "c"]);
    assert_eq!(chosen(&["--thread", "t1", "--from", "home"]), ["c"]);
    assert_eq!(chosen(&["--limit", "2"]), ["b", "c"]);
    assert_eq!(chosen(&["--limit", "0"]), [""; 0]);
    lab.ok(&["ack", "a"]);
    lab.ok(&["read", "b"]);
    assert_eq!(chosen(&[]), ["b", "c"]);
    assert_eq!(chosen(&["--all"]), ["a", "b", "c"]);
    let table = lab.ok(&["inbox", "--all"]);
    assert!(table.lines().count() == 4 && table.contains("processed"), "{table}");
    assert!(office.ok(&["inbox"]).contains("inbox is empty"));
}

#[test]
fn people_are_shown_the_newest_and_told_of_the_rest() {
    let (_lan, office, lab) = two();
    office.ok(&["peers"]);
    let mut node = office.node();
    let drafts = (0..60).map(|i| draft("lab", &format!("message {i}"))).collect();
    lanpost::engine::ops::send_all(&mut node, drafts).unwrap();
    office.ok(&["status"]);
    let done = lab.run(&["inbox"]).exits(0);
    assert_eq!(done.out.lines().count(), 51, "{}", done.out);
    assert!(done.out.contains("message 59") && !done.out.contains("message 9 "), "{}", done.out);
    done.says(&["10 older"]);
    assert_eq!(lab.json(&["inbox"]).as_array().unwrap().len(), 60);
}

#[test]
fn follow_prints_mail_as_it_comes() {
    let (_lan, office, lab) = two();
    let (_one, _two) = (office.daemon(), lab.daemon());
    office.send("lab", "before");
    lab.receives("before");
    let mut all = Follower::start(lab.command(&["inbox", "--follow", "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&all.line()).unwrap()["content"], "before");
    for text in ["one", "two\u{1b}[2J", "three"] {
        office.send("lab", text);
        assert_eq!(serde_json::from_str::<Value>(&all.line()).unwrap()["content"], text);
    }
    assert!(all.is_running());
    let people = Follower::start(lab.command(&["inbox", "--follow", "--from", "office"]));
    assert!(people.line().starts_with("ID"));
    until("the last row", || people.line().contains("three").then_some(()));
    office.send("lab", "four");
    assert!(people.line().contains("four"));
}

#[test]
fn follow_without_daemons_looks_by_itself() {
    let (_lan, office, lab) = two();
    office.send("lab", "before");
    let lines = Follower::start(lab.command(&["inbox", "--follow", "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&lines.line()).unwrap()["content"], "before");
    office.send("lab", "after");
    assert_eq!(serde_json::from_str::<Value>(&lines.line()).unwrap()["content"], "after");
}

#[test]
fn ids_may_be_shortened_while_they_are_unique() {
    let (_lan, office, lab) = two();
    for id in ["job-1", "job-12", "other"] {
        office.json(&["send", "lab", id, "--id", id]);
    }
    lab.inbox();
    assert_eq!(lab.json(&["read", "o"])["id"], "other");
    assert_eq!(
        lab.json(&["read", "job-1"])["id"],
        "job-1",
        "an id in full is meant, though another begins so"
    );
    for command in [&["read", "job"][..], &["ack", "job"], &["trace", "job"], &["reply", "job", "x"]] {
        lab.run(command).exits(2).says(&["several ids begin so", "job-1 ", "job-12"]);
    }
    for command in [&["read", "x"][..], &["ack", "x"], &["trace", "x"], &["reply", "x", "x"]] {
        lab.run(command).exits(3).says(&["x"]);
    }
    for command in [&["ack", ""][..], &["trace", ""], &["reply", "", "x"]] {
        lab.run(command).exits(2);
    }
    assert_eq!(
        ids(&lab.inbox().into_iter().filter(|m| m["state"] == "delivered").collect::<Vec<_>>()),
        ["job-12"]
    );
}

#[test]
fn reading_marks_read_and_the_sender_sees_it() {
    let (_lan, office, lab) = two();
    let id = office.send("lab", "first line\nsecond line");
    let state = |lab: &Pc| text_of(&lab.inbox()[0], "state");
    assert_eq!(state(&lab), "delivered");
    assert_eq!(lab.json(&["read", &id, "--peek"])["state"], "delivered");
    assert_eq!(state(&lab), "delivered");
    let shown = lab.ok(&["read", &id]);
    assert!(
        shown.contains("From:     office") && shown.ends_with("\n\nfirst line\nsecond line\n"),
        "{shown}"
    );
    assert_eq!(state(&lab), "read");
    assert_eq!(lab.json(&["read", &id])["state"], "read");
    let trace = office.json(&["trace", &id]);
    assert_eq!(trace["state"], "read");
    let states = |trace: &Value, what: &str| {
        list(trace["transitions"].clone()).iter().filter(|t| t["what"] == what).count()
    };
    assert_eq!((states(&trace, "read"), states(&trace, "delivered")), (1, 1), "{trace}");
    lab.run(&["read", &id, "--raw"]).exits(3).says(&["open slot"]);
}

#[test]
fn acknowledging_finishes_all_or_none() {
    let (_lan, office, lab) = two();
    for id in ["a", "b", "c"] {
        office.json(&["send", "lab", id, "--id", id]);
    }
    lab.inbox();
    lab.run(&["ack", "a", "nothing"]).exits(3);
    assert_eq!(lab.json(&["inbox"]).as_array().unwrap().len(), 3);
    assert_eq!(lab.json(&["ack", "a", "b"]).as_array().unwrap().len(), 2);
    lab.ok(&["ack", "a"]);
    lab.run(&["ack", "c", "a", "--failed", "late"]).exits(2).says(&["processed already"]);
    assert_eq!(ids(&list(lab.json(&["inbox"]))), ["c"]);
    assert_eq!(lab.json(&["ack", "c", "--failed", "no such branch"])[0]["outcome"], "no such branch");
    lab.run(&["ack", "c"]).exits(2).says(&["failed already"]);
    assert_eq!(office.json(&["trace", "a"])["state"], "processed");
    let failed = office.json(&["trace", "c"]);
    assert_eq!((&failed["state"], &failed["outcome"]), (&json!("failed"), &json!("no such branch")));
    lab.run(&["ack"]).exits(2);
}

#[test]
fn a_reply_goes_to_the_writer_in_its_thread() {
    let (_lan, office, lab) = two();
    let question = office.send("lab", "green?");
    lab.inbox();
    let answer = lab.json(&["reply", &question, "yes", "--ack"]);
    assert_eq!((&answer["to"], &answer["state"]), (&json!("office"), &json!("sent")));
    let got = &office.inbox()[0];
    assert_eq!((&got["content"], &got["in_reply_to"]), (&json!("yes"), &json!(question)));
    assert_eq!(got["thread"], question.as_str());
    assert_eq!(office.json(&["trace", &question])["state"], "processed");
    lab.run(&["reply", &question, "-"]).exits(0);
    lab.feed(&["reply", &question, "-"], &encode("管道", Encoding::Utf16Le, true)).exits(0);
    assert_eq!(office.inbox().last().unwrap()["content"], "管道");
    let again = office.json(&["reply", &text_of(&answer, "id"), "thanks"]);
    assert_eq!(again["thread"], question.as_str());
    lab.ok(&["ack", &text_of(&lab.inbox()[1], "id"), "--failed", "no"]);
    lab.run(&["reply", &text_of(&again, "id"), "x", "--ack"])
        .exits(2)
        .says(&["failed already", "nothing was sent"]);
}

#[test]
fn wait_blocks_until_mail_is_there() {
    let (_lan, office, lab) = two();
    let timed_out = lab.run(&["wait", "--timeout", "50ms", "--json"]).exits(4);
    assert_eq!(timed_out.out.trim(), "[]");
    assert_eq!(timed_out.error()["kind"], "timeout");
    for daemons in [false, true] {
        let running = daemons.then(|| (office.daemon(), lab.daemon()));
        let mut waiting = Follower::start(lab.command(&["wait", "--json", "--timeout", "60s"]));
        assert!(waiting.is_running());
        let id = office.send("lab", "at last");
        assert_eq!(serde_json::from_str::<Value>(&waiting.line()).unwrap()[0]["id"], id.as_str());
        assert_eq!(waiting.end(), Some(0));
        // Mail that was there before counts, and stays unread.
        for _ in 0..2 {
            assert_eq!(lab.json(&["wait", "--timeout", "30s"])[0]["state"], "delivered");
        }
        lab.run(&["wait", "--timeout", "0s", "--from", "somebody"]).exits(4);
        lab.ok(&["read", &id]);
        lab.run(&["wait", "--timeout", "0s"]).exits(4).says(&["none came"]);
        drop(running);
    }
}

#[test]
fn a_trace_shows_every_transition_on_either_side() {
    let (_lan, office, lab) = two();
    let id = office.send("lab", "x");
    lab.inbox();
    lab.ok(&["read", &id]);
    lab.ok(&["ack", &id]);
    let steps = |pc: &Pc| -> Vec<String> {
        let trace = pc.json(&["trace", &id]);
        let steps = list(trace["transitions"].clone());
        assert!(steps.iter().all(|step| step["at"].is_string() && step["way"].is_string()), "{trace}");
        steps.iter().map(|step| text_of(step, "what")).collect()
    };
    assert_eq!(steps(&lab), ["delivered", "read", "processed"]);
    assert_eq!(steps(&office), ["queued", "sent", "delivered", "read", "processed"]);
    let text = office.ok(&["trace", &id[..13]]);
    assert!(text.contains("office -> lab") && text.contains("+0.000s"), "{text}");
    assert!(text.contains("processed") && text.lines().count() == 6, "{text}");
}

// peers, status

#[test]
fn peers_are_judged() {
    let lan = Lan::new();
    let office = lan.join("office");
    assert!(office.ok(&["peers"]).contains("nobody else"));
    assert_eq!(office.json(&["peers"]), json!([]));
    let lab = lan.join_with("lab", &Settings { agents: vec!["main"], ..Settings::default() });
    fs::write(lan.share().join("messages/to-instance-A.jsonl"), "").unwrap();
    let peer = |name: &str| {
        list(office.json(&["peers"])).into_iter().find(|peer| peer["name"] == name).unwrap_or_default()
    };
    assert_eq!(peer("lab")["presence"], "gone");
    assert_eq!(peer("instance-A")["presence"], "plain");
    let daemon = lab.daemon();
    until_true("lab to be online", || peer("lab")["presence"] == "online");
    let seen = peer("lab");
    assert_eq!(seen["agents"], json!(["main"]));
    for key in ["host", "version", "key"] {
        assert!(seen[key].is_string(), "{key} in {seen}");
    }
    assert!(seen["silent"].is_u64());
    let table = office.ok(&["peers"]);
    assert!(table.contains("online") && table.contains("plain") && table.contains("main"), "{table}");
    daemon.stop();
    until_true("lab to be gone", || peer("lab")["presence"] == "gone");
}

#[test]
fn status_tells_how_it_is() {
    let (_lan, office, lab) = two();
    office.send("lab", "x");
    lab.inbox();
    let quiet = lab.json(&["status"]);
    for key in [
        "instance",
        "version",
        "daemon",
        "share",
        "state_folder",
        "incoming",
        "outgoing",
        "spooled",
        "quarantined",
        "peers",
        "wakes",
        "watching",
        "missed_events",
        "problems",
    ] {
        assert!(quiet.get(key).is_some(), "{key} in {quiet}");
    }
    assert_eq!((&quiet["daemon"], &quiet["incoming"]), (&Value::Null, &json!({"delivered": 1})));
    assert!(quiet["problems"][0].as_str().unwrap().contains("no daemon runs"), "{quiet}");
    let daemon = lab.daemon();
    let busy = until("a healthy status", || {
        Some(lab.json(&["status"])).filter(|status| status["problems"] == json!([]))
    });
    assert_eq!((&busy["daemon"]["pid"], &busy["daemon"]["role"]), (&json!(daemon.pid()), &json!("daemon")));
    let text = lab.ok(&["status"]);
    assert!(
        text.contains("daemon runs") && text.contains("available") && text.contains("1 delivered"),
        "{text}"
    );
}

// what all commands have in common

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let (_lan, office, lab) = two();
    office.ok(&["peers"]);
    let mut node = office.node();
    // More than a pipe holds.
    let drafts = (0..500).map(|i| draft("lab", &format!("{i} {}", "x".repeat(1_000)))).collect();
    lanpost::engine::ops::send_all(&mut node, drafts).unwrap();
    office.ok(&["status"]);
    lab.inbox();
    for args in [&["inbox", "--json"][..], &["inbox", "--limit", "500"], &["inbox", "--json", "--follow"]] {
        let mut command = lab.command(args);
        command.stdout(Stdio::piped()).stderr(fs::File::create(lab.path("err")).unwrap());
        let mut child = begin(&mut command);
        let mut first = String::new();
        let mut out = BufReader::new(child.0.stdout.take().unwrap());
        assert!(out.read_line(&mut first).unwrap() > 0);
        drop(out);
        if args.contains(&"--follow") {
            // It ends with the next thing it prints.
            office.send("lab", "one more");
            lab.receives("one more");
        }
        let status = until("the end of a command nobody reads", || child.0.try_wait().unwrap());
        assert_eq!((status.code(), fs::read_to_string(lab.path("err")).unwrap()), (Some(0), String::new()));
    }
}

#[test]
fn a_message_cannot_script_a_terminal() {
    let (_lan, office, lab) = two();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}txt\u{0}\u{8}";
    let sent =
        office.feed(&["send", "lab", "-", "--thread", "t", "--json"], evil.replace('\0', "").as_bytes());
    let id = text_of(&sent.exits(0).json(), "id");
    let stranger = json!({"from": evil, "to": "lab", "type": evil, "content": {evil: [evil]}, "thread": evil,
        "timestamp": evil, evil: evil});
    fs::write(lab.share.join("messages/to-lab.jsonl"), format!("{stranger}\n{evil}\n")).unwrap();
    let inbox = until("both", || Some(lab.inbox()).filter(|inbox| inbox.len() == 2));
    assert_eq!(inbox.iter().filter(|m| m["content"] == evil.replace('\0', "")).count(), 1);
    let by_hand = ids(&inbox).into_iter().find(|other| *other != id).unwrap();
    let commands: [&[&str]; 11] = [
        &["inbox", "--all"],
        &["inbox", "--all", "--json"],
        &["inbox", "--quarantine"],
        &["inbox", "--quarantine", "--json"],
        &["read", &id],
        &["read", &by_hand],
        &["read", &by_hand, "--json"],
        &["trace", &by_hand],
        &["trace", &by_hand, "--json"],
        &["status"],
        &["reply", &by_hand, "x"],
    ];
    for args in commands {
        let done = lab.run(args);
        for (stream, text) in [("out", &done.out), ("err", &done.err)] {
            let acts = |c: &char| (c.is_control() && !matches!(c, '\n' | '\t')) || *c == '\u{202e}';
            let found: Vec<_> = text.chars().filter(acts).collect();
            assert!(found.is_empty(), "{args:?}: {found:?} on standard {stream}:\n{text:?}");
        }
    }
    assert!(lab.ok(&["read", &id]).contains("\\u{1b}[2J"));
}

#[test]
fn the_desktop_does_not_choose_the_language() {
    let (_lan, office, _lab) = two();
    let said = |language: &str| {
        let mut command = office.command(&["send", "nobody", "x"]);
        command.env_remove("LANPOST_LANG").env("LANG", language).env("LC_ALL", language);
        finish(command, b"").exits(3).err
    };
    assert_eq!(said("zh_CN.UTF-8"), said("C"));
}

#[test]
fn wrong_usage_is_said_as_json_if_asked() {
    let (_lan, office, _lab) = two();
    office.run(&["send"]).exits(2);
    assert_eq!(office.run(&["send", "--json"]).exits(2).error()["kind"], "usage");
    office.run(&["fly"]).exits(2);
    assert!(office.ok(&["--help"]).contains("Exit codes"));
    assert!(office.ok(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
}

fn draft(to: &str, text: &str) -> lanpost::engine::ops::Draft {
    lanpost::engine::ops::Draft::new(to.parse().unwrap(), text)
}

// groups

#[test]
fn several_get_it_and_each_is_told_of() {
    let lan = Lan::new();
    let (office, lab, den) = (lan.join("office"), lan.join("lab"), lan.join("den"));
    lan.join("typo");
    fs::remove_file(lan.share().join("status/typo.json")).unwrap();
    fs::write(lan.share().join("messages/to-typo.jsonl"), "").unwrap();
    let text = fs::read_to_string(&office.config).unwrap();
    fs::write(&office.config, text.clone() + "\n[groups]\nteam = [\"lab\", \"den/eve\"]\n").unwrap();

    let said = office.ok(&["send", "all", "noon", "--id", "notice-1"]);
    assert!(said.contains("sent notice-1 to all: 2 members") && said.contains("left out: typo: "), "{said}");
    let sent = office.json(&["send", "Team", "noon", "--type", "task"]);
    let id = text_of(&sent["broadcast"], "id");
    assert_eq!((&sent["broadcast"]["group"], sent["members"].as_array().unwrap().len()), (&json!("team"), 2));
    let (at_lab, at_den) = (lab.inbox(), den.inbox());
    assert_eq!((at_lab.len(), text_of(&at_den[1], "to").as_str()), (2, "den/eve"));
    assert_eq!(at_lab[1]["broadcast"], json!({"group": "team", "id": id}));
    let shown = lab.ok(&["read", &text_of(&at_lab[1], "id")]);
    assert!(shown.contains("Group:    team\n"), "{shown}");

    lab.ok(&["reply", &text_of(&at_lab[1], "id"), "done", "--ack"]);
    let traced = office.json(&["trace", &id]);
    let states: Vec<_> =
        traced["members"].as_array().unwrap().iter().map(|copy| text_of(copy, "state")).collect();
    assert_eq!(states, ["processed", "delivered"]);
    let shown = office.ok(&["trace", &id]);
    assert!(shown.contains("broadcast") && shown.contains("den/eve  delivered"), "{shown}");
    assert_eq!(office.json(&["inbox", "--thread", &id]).as_array().unwrap().len(), 1);
    assert_eq!(den.inbox().len(), 2, "an answer is for the sender alone");

    let waited = office.run(&["send", "team", "again", "--wait", "processed", "--timeout", "1s"]);
    waited.exits(4).says(&["2 of 2 are not processed", "lanpost trace"]);
    office.run(&["send", "team", "x", "--wait", "sent"]).exits(0);
    office.run(&["send", "@nobody", "x"]).exits(3).says(&["role"]);
    office.run(&["send", "teem", "x"]).exits(3).says(&["did you mean team"]);
    office.run(&["send", "lab", "x", "--self"]).exits(2).says(&["--self is for several"]);
    fs::write(&office.config, text + "\n[groups]\noffice = [\"lab\"]\n").unwrap();
    office.run(&["send", "lab", "x"]).exits(2).says(&["office is an instance, too"]);
}

#[test]
fn roles_are_shown_and_sent_to() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let text = fs::read_to_string(&lab.config).unwrap();
    fs::write(&lab.config, format!("roles = [\"builder\"]\n{text}")).unwrap();
    lab.daemon().stop();
    let peers = office.json(&["peers"]);
    assert_eq!(peers[0]["roles"], json!(["builder"]));
    assert!(office.ok(&["peers"]).contains("builder"));
    office.ok(&["send", "@builder", "go", "--wait", "sent"]);
    assert_eq!(text_of(&lab.inbox()[0], "content"), "go");
}
