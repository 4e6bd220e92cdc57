//! Files as a user sends and fetches them: the real program, with and without a daemon.

use std::fs;

use serde_json::Value;

use super::{bytes, file, folder};
use crate::common::process::{Lan, text_of, until};

fn arg(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn without_a_daemon_commands_carry_files() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.ok(&["peers"]);
    let top = tempfile::tempdir().unwrap();
    let (report, data) = (file(top.path(), "report.pdf", 100_000, 1), folder(top.path()));
    let sent = office.json(&["send", "lab", "see", "--attach", arg(&report), "--attach", arg(&data)]);
    assert_eq!((&sent["state"], &sent["attachments"][1]["folder"]["files"]), (&"sent".into(), &41.into()));
    let id = text_of(&sent, "id");
    let came = lab.inbox().remove(0);
    assert_eq!((&came["state"], &came["attachments"]), (&"delivered".into(), &sent["attachments"]));
    // The list says so, too, also where what the message says is cut; and the message how to get them.
    let listed = lab.ok(&["inbox"]);
    assert!(listed.contains("  [2 attached] see"), "{listed}");
    let shown = lab.ok(&["read", &id]);
    assert!(shown.contains(&format!("To fetch: lanpost fetch {id}\n")), "{shown}");
    assert!(shown.contains("report.pdf (97.6 KiB)") && shown.contains("data (41 files, "), "{shown}");
    let to = lab.path("in");
    let fetched = lab.json(&["fetch", &id, "--to", arg(&to)]);
    assert_eq!(fetched["files"][0]["path"], arg(&to.join("report.pdf")));
    assert_eq!(fs::read(to.join("report.pdf")).unwrap(), bytes(100_000, 1));
    assert_eq!(fs::read(to.join("data/large.bin")).unwrap(), bytes(3 << 20, 7));
    let again = lab.ok(&["fetch", &id, "--to", arg(&to)]);
    assert_eq!(again.matches("there already").count(), 2, "{again}");
    lab.run(&["fetch", &id[..id.len() - 1], "--to", arg(&to.join("report.pdf"))])
        .exits(2)
        .says(&["it is no folder", "name a folder"]);
    let plain = office.send("lab", "no files");
    lab.receives("no files");
    lab.run(&["fetch", &plain]).exits(2).says(&["nothing is attached"]);
    office.run(&["send", "lab", "x", "--attach", "none.txt"]).exits(3).says(&["that is there"]);
    assert_eq!(office.json(&["trace", &id])["state"], "read");
    let answer = lab.json(&["reply", &id, "thanks", "--attach", arg(&report)]);
    assert_eq!(answer["attachments"][0]["name"], "report.pdf");
}

#[test]
fn daemons_carry_files_and_go_on_with_them_after_a_kill() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let (daemon, _other) = (office.daemon(), lab.daemon());
    until("lab at office", || {
        office.json(&["peers"]).as_array().map(|peers| !peers.is_empty()).filter(|it| *it)
    });
    let top = tempfile::tempdir().unwrap();
    let large = file(top.path(), "large.bin", 96 << 20, 1);
    let sent = office.json(&["send", "lab", "large", "--attach", arg(&large)]);
    let id = text_of(&sent, "id");
    // Wherever it is by now.
    daemon.kill();
    let _again = office.daemon();
    office.sees(&id, "delivered");
    let came = lab.receives("large");
    assert_eq!(came["state"], "delivered");
    let fetched: Value = lab.json(&["fetch", &id, "--to", arg(&lab.path("in"))]);
    assert_eq!(fs::read(text_of(&fetched["files"][0], "path")).unwrap(), bytes(96 << 20, 1));
    let again = office.json(&["send", "lab", "again", "--attach", arg(&large), "--wait", "delivered"]);
    assert_eq!(again["state"], "delivered");
}

#[test]
fn what_a_plain_line_says_of_files_is_none_of_ours() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let hash = blake3::hash(b"evil").to_hex();
    let line = format!(
        r#"{{"from":"hand","content":"see","attachments":[{{"name":"../../evil","size":4,"blake3":"{hash}"}}]}}"#
    );
    fs::write(lab.share.join("messages/to-lab.jsonl"), line + "\n").unwrap();
    let came = lab.receives("see");
    assert!(came.get("attachments").is_none() && came["rest"]["attachments"].is_array(), "{came}");
    let id = text_of(&came, "id");
    let shown = lab.ok(&["read", &id]);
    assert!(!shown.contains("evil"), "{shown}");
    let to = lab.path("in");
    lab.run(&["fetch", &id, "--to", arg(&to)]).exits(2).says(&["open slot", "ask its sender"]);
    assert!(!to.exists());
}

#[test]
fn a_rotten_copy_is_named_and_had_anew_and_no_folder_is_left_meanwhile() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.ok(&["peers"]);
    let top = tempfile::tempdir().unwrap();
    file(top.path(), "one/x.txt", 100, 1);
    let sent = office.json(&["send", "lab", "see", "--attach", arg(&top.path().join("one"))]);
    let (id, hash) = (text_of(&sent, "id"), text_of(&sent["attachments"][0], "blake3"));
    lab.inbox();
    assert!(lab.ok(&["read", &id]).contains("one (1 file, 100 bytes)"));
    fs::write(lab.state.join("files").join(&hash[..2]).join(&hash), "rot").unwrap();
    let to = lab.path("in");
    lab.run(&["fetch", &id, "--to", arg(&to)]).exits(75).says(&["\"one\" was damaged", &id, "lanpost inbox"]);
    assert!(!to.exists());
    lab.ok(&["inbox"]);
    lab.ok(&["fetch", &id, "--to", arg(&to)]);
    assert_eq!(fs::read(to.join("one/x.txt")).unwrap(), bytes(100, 1));
}

#[cfg(unix)]
#[test]
fn what_is_left_out_is_said() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.ok(&["peers"]);
    let top = tempfile::tempdir().unwrap();
    file(top.path(), "data/x", 10, 1);
    std::os::unix::fs::symlink("/etc/passwd", top.path().join("data/link")).unwrap();
    let done = office.run(&["send", "lab", "x", "--attach", arg(&top.path().join("data"))]).exits(0);
    assert!(done.err.contains("not attached: data: link: a link"), "{}", done.err);
    lab.ok(&["fetch", lab.inbox()[0]["id"].as_str().unwrap(), "--to", arg(&lab.path("in"))]);
    assert!(lab.path("in/data/x").exists() && fs::symlink_metadata(lab.path("in/data/link")).is_err());
}
