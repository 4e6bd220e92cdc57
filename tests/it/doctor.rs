//! `lanpost doctor` as a program, and its wait for other PCs on a share in memory.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::ops::{Patient, doctor};
use lanpost::model::finding::{Finding, Grade};
use lanpost::model::layout;
use lanpost::model::mount::{Announcer, Mount};
use lanpost::sys::clock::{Clock, ManualClock};
use lanpost::sys::memory::MemoryShare;
use lanpost::sys::share::Share;
use serde_json::{Value, json};

use crate::common::faulty::FaultyShare;
use crate::common::hanging::DeadMount;
use crate::common::{Fault, Verb, name};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lanpost")).arg("doctor").args(arguments).output().unwrap()
}

fn report(share: &Path, config: &Path) -> (Option<i32>, Value) {
    let (share, config) = (share.to_str().unwrap(), config.to_str().unwrap());
    let output = run(&["--share", share, "--config", config, "--json", "--wait", "1s"]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn grade(report: &Value, check: &str) -> String {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.map_or("none".into(), |finding| finding["grade"].as_str().unwrap().to_owned())
}

#[test]
fn a_plain_folder_is_sound_and_is_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = report(folder.path(), &folder.path().join("none.toml"));
    assert_eq!((code, &said["sound"]), (Some(0), &json!(true)), "{said}");
    for check in ["folder", "write", "exclusive", "replace", "append", "names", "clock", "clean"] {
        // Wine replaces no file that is open.
        let grades = if cfg!(windows) && check == "replace" { &["good", "warning"][..] } else { &["good"] };
        assert!(grades.contains(&&*grade(&said, check)), "{check}: {said}");
    }
    assert_eq!((grade(&said, "identity"), grade(&said, "events")), ("unknown".into(), "unknown".into()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn what_is_wrong_has_an_exit_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none.toml");
    let (code, said) = report(&folder.path().join("not/there"), &none);
    assert_eq!((code, &said["sound"]), (Some(6), &json!(false)), "{said}");
    fs::write(folder.path().join("lanpost.json"), b"torn").unwrap();
    let (code, said) = report(folder.path(), &none);
    assert_eq!((code, grade(&said, "identity")), (Some(6), "wrong".into()), "{said}");
    assert_eq!(grade(&said, "write"), "none", "nothing is written where the share is not understood");
    assert_eq!(run(&["--config", none.to_str().unwrap()]).status.code(), Some(3), "no share is named");
}

#[test]
fn an_unmounted_share_is_not_filled() {
    let folder = tempfile::tempdir().unwrap();
    let (share, config) = (folder.path().join("share"), folder.path().join("c.toml"));
    fs::create_dir(&share).unwrap();
    let state = folder.path().join("state");
    let made = Command::new(env!("CARGO_BIN_EXE_lanpost"))
        .args(["init", "--instance", "lab", "--share"])
        .args([&share, Path::new("--state"), &state, Path::new("--config"), &config])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let (code, said) = report(&share, &config);
    assert_eq!((code, grade(&said, "identity")), (Some(0), "good".into()), "{said}");
    fs::remove_dir_all(&share).unwrap();
    fs::create_dir(&share).unwrap();
    let (code, said) = report(&share, &config);
    assert_eq!(
        (code, grade(&said, "identity"), grade(&said, "write")),
        (Some(6), "wrong".into(), "none".into())
    );
    assert_eq!(fs::read_dir(&share).unwrap().count(), 0, "not even for a moment");
}

/// The finding of a check, in one text.
fn said(report: &Value, check: &str) -> String {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check).unwrap_or(&Value::Null);
    ["found", "means", "next"].map(|key| found[key].as_str().unwrap_or_default()).join(" | ")
}

#[test]
fn nothing_is_said_of_the_mount_of_a_path_where_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let (code, report) = report(&folder.path().join("not/there"), &folder.path().join("none.toml"));
    assert_eq!(code, Some(6));
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(grade(&report, "folder"), "wrong");
}

#[test]
fn a_file_is_no_share() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (_, report) = report(&file, &folder.path().join("none.toml"));
    let text = said(&report, "folder");
    assert!(text.starts_with("it is a file") && text.ends_with("name the share's folder"), "{text}");
}

#[cfg(all(test, unix))]
#[test]
fn a_link_to_the_share_is_the_share() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    for there in ["", "messages"] {
        fs::create_dir_all(real.join(there)).unwrap();
        let (code, report) = report(&link, &folder.path().join("none.toml"));
        assert_eq!((code, grade(&report, "folder")), (Some(0), "good".into()), "{report}");
    }
}

/// The folders are another user's: a probe at the top alone would find nothing wrong. Root may write everywhere, so
/// there the doctor runs as somebody else.
#[cfg(all(test, unix))]
#[test]
fn folders_in_which_this_user_may_not_write_are_named() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let share = folder.path().join("share");
    let set = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let of = |path: &str| share.join(path);
    ["messages/to-office", "status", "leases"].iter().for_each(|path| fs::create_dir_all(of(path)).unwrap());
    fs::write(of("messages/to-plain.jsonl"), "").unwrap();
    set(folder.path(), 0o755);
    set(&share, 0o1777);
    let root = fs::metadata(&share).unwrap().uid() == 0;
    let ask = |closed: &[&str]| {
        for path in ["messages", "messages/to-office", "messages/to-plain.jsonl", "status", "leases"] {
            set(&of(path), if closed.contains(&path) { 0o555 } else { 0o1777 });
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_lanpost"));
        let arguments = ["doctor", "--json", "--wait", "0s", "--config", "/nowhere/none.toml", "--share"];
        command.args(arguments).arg(&share).env("HOME", "/nowhere");
        if root {
            command.uid(12_345).gid(12_345);
        }
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), said(&report, "folders"), said(&report, "mailboxes"), grade(&report, "write"))
    };
    let (code, own, others, _) = ask(&[]);
    assert_eq!((code, own.contains("may write"), others.contains("the 2 mailboxes")), (Some(0), true, true));
    let (code, own, others, top) = ask(&["messages", "messages/to-office", "status"]);
    assert_eq!((code, top), (Some(6), "good".into()), "{own} {others}");
    assert!(own.contains("messages/") && own.contains("status/") && !own.contains("leases/"), "{own}");
    assert!(
        own.contains("let this user") && own.contains("all one group") && others.contains("to-office"),
        "{own} {others}"
    );
    let (code, own, others, _) = ask(&["messages/to-plain.jsonl"]);
    assert_eq!((code, own.contains("may write"), others.contains("to-plain.jsonl")), (Some(6), true, true));
    ["messages", "messages/to-office", "status"].iter().for_each(|path| set(&of(path), 0o755));
}

#[test]
fn an_identity_that_was_removed_or_damaged_can_be_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (share, config) = (folder.path().join("share"), folder.path().join("c.toml"));
    fs::create_dir(&share).unwrap();
    let state = folder.path().join("state");
    let lanpost = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_lanpost"))
            .arg("--config")
            .arg(&config)
            .args(arguments)
            .output()
            .unwrap()
    };
    let made = lanpost(&[
        "init",
        "--instance",
        "lab",
        "--share",
        share.to_str().unwrap(),
        "--state",
        state.to_str().unwrap(),
    ]);
    assert!(made.status.success(), "{made:?}");
    let identity = share.join("lanpost.json");
    let id = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap()["share"].clone();
    let known = id(&fs::read(&identity).unwrap());
    for damage in [None, Some("{\"share\":"), Some("")] {
        match damage {
            None => fs::remove_file(&identity).unwrap(),
            Some(text) => fs::write(&identity, text).unwrap(),
        }
        let (code, report) = report(&share, &config);
        let text = said(&report, "identity");
        assert_eq!((code, text.contains("not mounted")), (Some(6), false), "{text}");
        // What it says helps: the file is as it says, and all is well.
        let line = &text[text.find("one line: ").unwrap() + "one line: ".len()..];
        assert_eq!(id(line.as_bytes()), known, "{text}");
        if damage.is_none() {
            let said = String::from_utf8(lanpost(&["status"]).stdout).unwrap();
            assert!(said.contains("it was removed") && said.contains(line), "{said}");
        }
        fs::write(&identity, line).unwrap();
        let said = lanpost(&["--json", "status"]).stdout;
        assert_eq!(serde_json::from_slice::<Value>(&said).unwrap()["share"]["available"], true);
    }
    fs::write(&identity, r#"{"share":"x","format":2}"#).unwrap();
    let text = said(&report(&share, &config).1, "identity");
    assert!(text.contains("update lanpost") && !text.contains("one line"), "{text}");
}

/// What `doctor` says of a share that refuses to make anything.
fn refusing(kind: ErrorKind) -> Vec<Finding> {
    let memory = MemoryShare::new();
    memory.make_folder(&layout::messages()).unwrap();
    let share = FaultyShare::new(Arc::new(memory));
    share.plan(Verb::MakeFolder, 0, u64::MAX, Fault::Refuse(kind));
    share.plan(Verb::Remove, 0, u64::MAX, Fault::Refuse(kind));
    let patient = Patient {
        share: &share,
        mount: &Mount { announcer: Announcer::Nobody, ..Mount::default() },
        known: None,
        config: None,
        host: "here".into(),
        wait: Duration::ZERO,
        room: &|| None,
        rights: &|_| None,
        hear: &mut |_| false,
        refused: &|| None,
    };
    let mut said = vec![];
    doctor(patient, &ManualClock::new(1) as &dyn Clock, &mut |finding| said.push(finding));
    said
}

#[test]
fn a_share_that_refuses_is_told_of_by_the_reason_and_nothing_is_asked_to_be_removed() {
    for (kind, step) in [
        (ErrorKind::StorageFull, "make room on the share's disk"),
        (ErrorKind::QuotaExceeded, "raise this user's quota"),
        (ErrorKind::ReadOnlyFilesystem, "mount it writable"),
        (ErrorKind::PermissionDenied, "let this user"),
    ] {
        let said = refusing(kind);
        let find = |check| said.iter().find(|finding| finding.check == check).unwrap();
        let (write, clean) = (find("write"), find("clean"));
        assert!(write.grade == Grade::Wrong && write.next.as_ref().unwrap().contains(step), "{write:?}");
        assert!(write.means.as_ref().unwrap().contains("nothing can be sent"), "{write:?}");
        assert_eq!(write.sentence().matches(step).count(), 1, "{write:?}");
        assert_eq!((clean.grade, clean.next.as_ref()), (Grade::Good, None), "{clean:?}");
    }
}

#[test]
fn a_share_that_hangs_is_said_to_hang_by_how_it_is_mounted() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_dead) = DeadMount::over(folder.path()) else { return };
    let (code, report) = report(folder.path(), Path::new("/nowhere/none.toml"));
    let text = said(&report, "answer");
    assert_eq!((code, grade(&report, "answer")), (Some(6), "wrong".into()), "{report}");
    assert!(text.contains("the share hangs") && text.contains("fuse of dead"), "{text}");
    assert!(!text.contains("lanpost-probe"), "nothing was made: {text}");
}

/// A share with the heartbeats of `lab` on PC `there` and of `own` on PC `here`.
fn inhabited(clock: &Arc<ManualClock>) -> MemoryShare {
    let share = MemoryShare::with_clock(clock.clone());
    layout::folders().iter().for_each(|folder| share.make_folder(folder).unwrap());
    beat(&share, "lab", "there", 1);
    beat(&share, "own", "here", 1);
    share
}

fn beat(share: &MemoryShare, instance: &str, host: &str, beat: u64) {
    let heartbeat = json!({"lanpost": "0.1.0", "v": 1, "instance": instance, "state": "online", "beat": beat,
        "timestamp": "2026-01-01T00:00:00Z", "interval": 15, "lease": 1, "key": "", "host": host, "max_message": 1});
    share.replace(&layout::status(&name(instance)), heartbeat.to_string().as_bytes()).unwrap();
}

/// What `doctor` says of events when `happens` is called at every wait; its answer is whether an event came.
fn events(mut happens: impl FnMut(&MemoryShare, u32) -> bool) -> Finding {
    let clock = Arc::new(ManualClock::new(1));
    let share = inhabited(&clock);
    let mut waits = 0;
    let mut hear = |wait: Duration| {
        clock.advance(wait);
        waits += 1;
        happens(&share, waits)
    };
    let patient = Patient {
        share: &share,
        mount: &Mount { announcer: Announcer::Native, ..Mount::default() },
        known: None,
        config: None,
        host: "here".into(),
        wait: Duration::from_secs(20),
        room: &|| None,
        rights: &|_| None,
        hear: &mut hear,
        refused: &|| None,
    };
    let mut said = vec![];
    doctor(patient, &*clock as &dyn Clock, &mut |finding| said.push(finding));
    said.into_iter().find(|finding| finding.check == "events").unwrap()
}

#[test]
fn only_another_pcs_change_proves_anything() {
    let heard = |finding: Finding| (finding.grade, finding.found);
    let announced = heard(events(|share, wait| {
        if wait == 3 {
            beat(share, "lab", "there", 2);
        }
        wait == 4
    }));
    assert_eq!((announced.0, announced.1.contains("was announced")), (Grade::Good, true), "{announced:?}");
    let silent = heard(events(|share, wait| {
        if wait == 3 {
            beat(share, "lab", "there", 2);
        }
        false
    }));
    assert_eq!((silent.0, silent.1.contains("no notification came")), (Grade::Warning, true), "{silent:?}");
    let own = heard(events(|share, wait| {
        beat(share, "own", "here", u64::from(wait));
        true
    }));
    assert_eq!((own.0, own.1.contains("together with one of this PC")), (Grade::Unknown, true), "{own:?}");
    let quiet = heard(events(|_, _| true));
    assert_eq!((quiet.0, quiet.1.contains("not known")), (Grade::Unknown, true), "{quiet:?}");
}
