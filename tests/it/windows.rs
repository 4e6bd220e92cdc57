//! What only Windows does, and what the suite under Wine must not get wrong about itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::common::process::{Done, Lan, Pc, Settings, finish, text_of, until_true};

/// The runs with other code pages would prove nothing if Wine did not heed them.
#[test]
fn the_code_page_is_the_one_that_is_meant() {
    let Ok(meant) = std::env::var("LANPOST_TEST_CODE_PAGE") else { return };
    let key = r"HKLM\System\CurrentControlSet\Control\Nls\CodePage";
    let told = Command::new("reg").args(["query", key, "/v", "ACP"]).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert_eq!(told.split_whitespace().last(), Some(meant.as_str()), "{told}");
}

/// The same place by its UNC path, which every Windows has for administrators: `C:\x` is `\\localhost\C$\x`.
fn unc(path: &Path) -> PathBuf {
    let text = path.to_str().unwrap();
    let (drive, rest) = text.split_once(":\\").unwrap();
    PathBuf::from(format!(r"\\localhost\{drive}$\{rest}"))
}

/// A folder so deep that no path in it is one of 260 characters.
fn deep(folder: &Path) -> PathBuf {
    let deep = folder.join(["很深的共享文件夹"; 35].join("\\"));
    fs::create_dir_all(&deep).unwrap();
    assert!(deep.to_str().unwrap().chars().count() > 300);
    deep
}

fn deep_pc(lan: &Lan, name: &str, share: &Path) -> Pc {
    let mut pc = lan.pc(name);
    (pc.share, pc.state) = (share.to_owned(), deep(&pc.home).join("state"));
    pc
}

#[test]
fn mail_goes_over_unc_paths_of_more_than_260_characters() {
    let lan = Lan::new();
    let share = unc(&deep(&lan.share()));
    let (office, lab) = (deep_pc(&lan, "office", &share), deep_pc(&lan, "lab", &share));
    // So slow that only a notification brings mail within the test's patience.
    let slow = "idle = \"30m\"\nrest = \"30m\"\nfull = \"30m\"";
    for pc in [&office, &lab] {
        let said = pc.init(&[]);
        assert!(!said.contains(r"\\?\"), "{said}");
        pc.configure(&Settings { look: slow.into(), ..Settings::default() });
    }
    let (one, two) = (office.daemon(), lab.daemon());
    for text in ["one", "two"] {
        let id = office.send("lab", text);
        lab.receives(text);
        office.sees(&id, "delivered");
    }
    until_true("notifications", || lab.json(&["status"])["watching"] == "notifications");
    let doctor = office.run(&["doctor", "--wait", "1s"]).exits(0).out;
    assert!(doctor.contains(share.to_str().unwrap()) && !doctor.contains(r"\\?\"), "{doctor}");
    for log in [one.stop(), two.stop()] {
        assert!(log.contains(share.to_str().unwrap()) && !log.contains(r"\\?\"), "{log}");
    }
}

/// PowerShell 5.1 and Python read a pipe in the code page, and would make rubbish of Chinese in UTF-8.
#[test]
fn into_a_pipe_goes_english_whatever_the_language() {
    let lan = Lan::new();
    let office = lan.join("office");
    for args in [&["--help"][..], &["peers"], &["task", "list"], &["read", "019c5b6e"], &["inbocks"]] {
        let [english, chinese] = ["", "zh"].map(|language| {
            let mut command = office.command(args);
            command.env("LANPOST_LANG", language);
            finish(command, b"")
        });
        assert!(!english.out.is_empty() || !english.err.is_empty(), "{args:?}");
        let said = |done: &Done| (done.code, done.out.clone(), done.err.clone());
        assert_eq!(said(&chinese), said(&english), "{args:?}");
    }
}

#[test]
fn names_that_differ_in_case_are_one_instance() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let mut twin = lan.pc("second lab");
    twin.name = "LAB".into();
    twin.try_init(&[]).exits(2).says(&["lab is on the share", "differ only in case"]);
    // Who writes to the other spelling reaches the one that is there, in its lane and by hand.
    office.ok(&["peers"]);
    let sent = office.json(&["send", "Lab", "hello"]);
    assert_eq!(text_of(&lab.receives("hello"), "id"), text_of(&sent, "id"));
    let line = json!({"from": "x", "content": "by hand"}).to_string();
    fs::write(lan.share().join("messages/to-LAB.jsonl"), line + "\n").unwrap();
    lab.receives("by hand");
    let listed = fs::read_dir(lan.share().join("messages")).unwrap();
    let folders = listed.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(folders, 2, "one mailbox each");
}
