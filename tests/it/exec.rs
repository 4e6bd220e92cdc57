//! `lanpost exec`: what a peer offers is run there, for whom it is offered, as it is offered, once; and nothing else is.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::process::{Lan, Pc, Settings, listing, text_of, until, until_true};

/// What stands before the words that the program is run with.
const PLAY: &str = "as-a-program";

/// No test: the program's part. Run as a test, it does nothing.
#[test]
fn plays() {
    let mut words = std::env::args().skip_while(|arg| arg != PLAY).skip(1);
    let Some(deed) = words.next() else { return };
    let words: Vec<String> = words.collect();
    let variable = |key: &str| std::env::var(key).unwrap_or_default();
    let code = match deed.as_str() {
        "say" => {
            // The test harness has said something of its own before.
            println!("<{}>", words.join("|"));
            eprintln!("for {} by {}", variable("LANPOST_FROM"), variable("LANPOST_COMMAND"));
            7
        }
        "flood" => {
            // In one write: a write for each line costs Wine a minute when there is other work.
            let lines: String = (0..50_000).map(|n| format!("line {n} 你好\n")).collect();
            drop(std::io::stdout().write_all(lines.as_bytes()));
            0
        }
        "sleep" => {
            fs::write(&words[0], "begun").unwrap();
            std::thread::sleep(Duration::from_secs(1_000));
            0
        }
        "await" => {
            // One line for each program that began, whole: they write at the same time.
            let mut begun = fs::OpenOptions::new().append(true).create(true).open(&words[0]).unwrap();
            begun.write_all(format!("{}\n", variable("LANPOST_ID")).as_bytes()).unwrap();
            until_true("the word to go", || PathBuf::from(&words[1]).exists());
            0
        }
        other => panic!("{other}"),
    };
    std::process::exit(code);
}

/// The config of a command that plays `deed`.
fn command(name: &str, deed: &[&str], more: &str) -> String {
    let me = std::env::current_exe().unwrap().display().to_string();
    let test = concat!(module_path!(), "::plays").split_once("::").unwrap().1;
    let mut run = vec![me.as_str(), "--exact", "--nocapture", test, "--", PLAY];
    run.extend(deed);
    format!("[commands.{name}]\nrun = {run:?}\npeers = [\"office\"]\n{more}\n")
}

/// A PC that offers these.
fn offering(lan: &Lan, name: &str, commands: &[String]) -> Pc {
    let pc = lan.join(name);
    let config = fs::read_to_string(&pc.config).unwrap() + &commands.concat();
    fs::write(&pc.config, config).unwrap();
    pc
}

#[test]
fn a_command_is_run_with_its_arguments_and_answered_with_what_it_said_and_its_exit_code() {
    let lan = Lan::new();
    let args =
        "args.path = { type = \"text\" }\nargs.n = { type = \"integer\", min = 0, max = 9, default = 3 }";
    let lab = offering(&lan, "lab", &[command("greet", &["say", "{path}", "n={n}", "; rm -rf *"], args)]);
    let office = lan.join("office");
    let _daemons = [lab.daemon(), office.daemon()];
    let done = office.run(&["exec", "lab", "greet", "path=$(id) 你好"]).exits(7);
    assert!(done.out.contains("<$(id) 你好|n=3|; rm -rf *>"), "{}", done.out);
    assert!(done.err.contains("for office by greet"), "{}", done.err);
    let done = office.run(&["--json", "exec", "lab", "greet", "path=x", "n=9"]).exits(7);
    let answer = done.json();
    assert_eq!((&answer["status"], &answer["exit"]), (&json!("ran"), &json!(7)));
    assert!(text_of(&answer, "stdout").contains("<x|n=9|"), "{answer}");
    // It was no mail: nobody was to read it, and it is finished on both sides.
    for pc in [&lab, &office] {
        assert_eq!(pc.json(&["inbox"]), json!([]));
    }
    office.sees(&text_of(&answer, "id"), "processed");
}

#[test]
fn what_is_not_offered_is_not_run_and_a_stranger_is_told_no_more_than_that() {
    let lan = Lan::new();
    let args = "args.path = { type = \"choice\", of = [\"/\", \"/home\"] }";
    let lab = offering(&lan, "lab", &[command("disk", &["say", "{path}"], args)]);
    let (office, other) = (lan.join("office"), lan.join("other"));
    let _daemons = [lab.daemon(), office.daemon(), other.daemon()];
    let refused = |pc: &Pc, args: &[&str]| {
        let done = pc.run(&[&["--json", "exec", "lab"], args].concat()).exits(5);
        assert_eq!(done.json()["status"], "refused");
        text_of(&done.json(), "reason")
    };
    assert!(refused(&office, &["disk"]).contains("\"path\" is missing"));
    assert!(refused(&office, &["disk", "path=/etc"]).contains("one of /, /home"));
    assert!(refused(&office, &["disk", "path=/", "more=1"]).contains("no argument \"more\""));
    let unknown = refused(&office, &["reboot"]);
    assert!(unknown.contains("no command that you may call"), "{unknown}");
    assert_eq!(refused(&other, &["disk", "path=/"]).replace("disk", "reboot"), unknown);

    let anybody = r#"{"id":"q-1","from":"made-up","type":"exec","content":{"command":"disk"}}"#;
    fs::write(lan.share().join("messages/to-lab.jsonl"), format!("{anybody}\n")).unwrap();
    until_true("the end of it", || {
        let traced = lab.run(&["--json", "trace", "q-1"]);
        traced.code == Some(0) && traced.json()["outcome"].as_str().is_some_and(|why| why.contains("refused"))
    });
    assert!(!lan.share().join("messages/to-made-up.jsonl").exists(), "a made-up name gets no open slot");
}

#[test]
fn output_and_time_are_limited() {
    let lan = Lan::new();
    let begun = lan.path("begun");
    let lab = offering(
        &lan,
        "lab",
        &[
            command("flood", &["flood"], "output = \"4KiB\""),
            // So long that a busy PC has begun it by then.
            command("sleep", &["sleep", &begun.display().to_string()], "timeout = \"10s\""),
        ],
    );
    let office = lan.join("office");
    let _daemons = [lab.daemon(), office.daemon()];
    let done = office.run(&["exec", "lab", "flood"]).exits(0).says(&["more than is answered"]);
    assert!(done.out.len() <= 4096 + 3 && done.out.contains("line 5 你好"), "{}", done.out.len());
    let done = office.run(&["--json", "exec", "lab", "sleep"]).exits(5);
    assert_eq!(done.json()["status"], "timeout");
    assert!(begun.exists());
}

/// Whoever may ask could end the daemon, by a heartbeat that says how little it takes.
#[test]
fn an_answer_is_no_longer_than_what_its_asker_takes() {
    let lan = Lan::new();
    let lab = offering(&lan, "lab", &[command("flood", &["flood"], "output = \"1MiB\"")]);
    let office = lan.join("office");
    let config = fs::read_to_string(&office.config).unwrap();
    let smaller = config.replace("[limits]\n", "[limits]\nmessage = \"4KiB\"\n");
    assert_ne!(smaller, config);
    fs::write(&office.config, smaller).unwrap();
    let _daemons = [lab.daemon(), office.daemon()];
    for sealed in [&["--seal"][..], &[]] {
        let done = office.run(&[&["exec", "lab", "flood"], sealed].concat()).exits(0);
        assert!(done.out.contains("line 5") && done.out.len() < 4096, "{}", done.out.len());
    }
}

#[test]
fn what_ran_when_the_daemon_died_is_not_run_again() {
    let lan = Lan::new();
    let begun: PathBuf = lan.path("begun");
    let lab = offering(&lan, "lab", &[command("sleep", &["sleep", &begun.display().to_string()], "")]);
    let office = lan.join("office");
    let _office = office.daemon();
    let daemon = lab.daemon();
    let mut asks = office.command(&["--json", "exec", "lab", "sleep"]);
    asks.stdout(std::process::Stdio::piped());
    let asks = asks.spawn().unwrap();
    until_true("it to begin", || begun.exists());
    assert!(daemon.kill());
    fs::remove_file(&begun).unwrap();
    let _daemon = lab.daemon();
    let done = asks.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((done.status.code(), &answer["status"]), (Some(5), &json!("lost")));
    assert!(!begun.exists(), "it ran again");
}

#[test]
fn four_run_at_a_time_and_the_others_wait_for_their_turn() {
    let lan = Lan::new();
    let [begun, go] = ["begun", "go"].map(|name| lan.path(name));
    let deed = ["await", &begun.display().to_string(), &go.display().to_string()];
    let lab = offering(&lan, "lab", &[command("wait", &deed, "")]);
    let office = lan.join("office");
    let _daemons = [lab.daemon(), office.daemon()];
    let asks: Vec<_> = (0..6).map(|_| office.command(&["exec", "lab", "wait"]).spawn().unwrap()).collect();
    let count = || fs::read_to_string(&begun).unwrap_or_default().lines().count();
    until_true("all six to be there", || {
        let states = lab.inbox().into_iter().map(|question| text_of(&question, "state"));
        let mut states: Vec<_> = states.collect();
        states.sort();
        states == ["delivered", "delivered", "read", "read", "read", "read"]
    });
    until_true("four to begin", || count() == 4);
    fs::write(&go, "").unwrap();
    for mut ask in asks {
        assert_eq!(ask.wait().unwrap().code(), Some(0));
    }
    assert_eq!(count(), 6);
}

#[test]
fn a_question_that_is_repeated_on_the_share_is_not_run_again() {
    let lan = Lan::new();
    let [begun, go] = ["begun", "go"].map(|name| lan.path(name));
    fs::write(&go, "").unwrap();
    let deed = ["await", &begun.display().to_string(), &go.display().to_string()];
    let lab = offering(&lan, "lab", &[command("wait", &deed, "")]);
    let office = lan.join("office");
    let _daemons = [lab.daemon(), office.daemon()];
    office.run(&["exec", "lab", "wait"]).exits(0);
    let mailbox = lan.share().join("messages/to-lab");
    let lane = listing(&mailbox).into_iter().find(|name| name.starts_with("from-office.")).unwrap();
    let question = fs::read_to_string(mailbox.join(&lane)).unwrap();
    let mut lane = fs::OpenOptions::new().append(true).open(mailbox.join(&lane)).unwrap();
    lane.write_all(question.as_bytes()).unwrap();
    // What comes after it in its lane was read after it.
    office.run(&["exec", "lab", "wait"]).exits(0);
    let begun = fs::read_to_string(&begun).unwrap();
    let ids: std::collections::HashSet<_> = begun.lines().collect();
    assert_eq!((begun.lines().count(), ids.len()), (2, 2), "{begun}");
}

#[test]
fn without_a_daemon_there_nobody_answers_and_a_late_one_runs_nothing() {
    let lan = Lan::new();
    let begun = lan.path("begun");
    let lab = offering(&lan, "lab", &[command("sleep", &["sleep", &begun.display().to_string()], "")]);
    let office = lan.join("office");
    let since = Instant::now();
    let done = office.run(&["exec", "lab", "sleep", "--timeout", "1s"]).exits(4);
    assert!(done.err.contains("no answer came in time"), "{}", done.err);
    // The second begins when the question is written down, which is later than now.
    until_true("its time to be over", || since.elapsed() > Duration::from_secs(5));
    let _daemons = [lab.daemon(), office.daemon()];
    until("the question to end", || {
        let all = office.json(&["inbox", "--all"]);
        let reports = all.as_array()?.iter().find(|m| m["type"] == "non-delivery-report").cloned();
        let answers = all.as_array()?.iter().find(|m| m["type"] == "exec-result").cloned();
        reports.or(answers)
    });
    assert!(!begun.exists());
}

#[test]
fn who_is_not_verified_has_nothing_run() {
    let lan = Lan::new();
    let begun = lan.path("begun");
    let offer = command("sleep", &["sleep", &begun.display().to_string()], "").replace("office", "ghost");
    let lab = offering(&lan, "lab", &[offer]);
    let daemon = lab.daemon();
    // The name is offered the command; but no key stands behind it.
    let line = r#"{"from":"ghost","to":"lab","type":"exec","id":"q1","content":{"command":"sleep"}}"#;
    // One whose answer could not be written down is no end of the daemon.
    let bad = line.replace("q1", "q2").replace(r#""to""#, r#""thread":"a\u0007b","to""#);
    let long = line.replace("q1", "q3").replace("\"sleep\"", &format!("{:?}", "\"".repeat(200_000)));
    fs::write(lan.share().join("messages/to-lab.jsonl"), format!("{line}\n{bad}\n{long}\n")).unwrap();
    for id in ["q1", "q2", "q3"] {
        let question = until("the question to end", || {
            lab.inbox().into_iter().find(|message| message["id"] == id && message["state"] == "processed")
        });
        let outcome = text_of(&question, "outcome");
        assert!(outcome.contains("no command that you may call") || id == "q3", "{outcome}");
        assert!(outcome.len() < 2_000, "{}", outcome.len());
    }
    assert!(!begun.exists());
    assert!(daemon.is_at_work(), "{}", daemon.log());
}

#[test]
fn a_config_that_offers_nonsense_is_refused() {
    let lan = Lan::new();
    for (table, part) in [
        ("[commands.x]\nrun = [\"{a}\"]\npeers = []\nargs.a = { type = \"text\" }", "must be fixed"),
        ("[commands.x]\nrun = []\npeers = []", "names no program"),
        ("[commands.x]\nrun = [\"a\", \"{b}\"]\npeers = []", "no argument in `args`"),
        ("[commands.\"a b\"]\nrun = [\"a\"]\npeers = []", "its name is none"),
        ("[commands.x]\nrun = [\"a\"]\npeers = []\nshell = true", "unknown field"),
        ("[commands.x]\nrun = [\"a\"]\npeers = []\ntimeout = \"9d\"", "timeout"),
    ] {
        let pc = lan.pc("lab");
        pc.configure(&Settings::default());
        fs::write(&pc.config, fs::read_to_string(&pc.config).unwrap() + table).unwrap();
        let done = pc.run(&["status"]).exits(2);
        assert!(done.err.contains(part), "{table}: {}", done.err);
    }
}
