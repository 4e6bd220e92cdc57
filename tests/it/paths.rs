//! Paths that are called otherwise on disk than people type them, and configs in other encodings than UTF-8.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use lanpost::model::text::{Encoding, encode};
use serde_json::json;

use crate::common::process::{Lan, Pc, Settings, finish, text_of, until_true};

#[cfg(unix)] // elsewhere names are Unicode
mod bytes;

/// `共享` in UTF-8, read as GBK.
const GARBLED: &str = "鍏变韩";

/// A PC whose share is said to be `typed` below the test's folder.
fn pc(lan: &Lan, name: &str, typed: &str) -> Pc {
    Pc { share: lan.path("").join(typed.split('/').collect::<PathBuf>()), ..lan.pc(name) }
}

fn folder(lan: &Lan, name: impl AsRef<OsStr>) -> PathBuf {
    let folder = lan.path("").join(name.as_ref());
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Sets a PC up on a share that is called `typed` and found at `disk`.
fn is_found(typed: &str, stored: &str, how: &str) {
    let lan = Lan::new();
    let disk = folder(&lan, stored).join("邮局");
    fs::create_dir(&disk).unwrap();
    let (office, lab) =
        (pc(&lan, "office", &format!("{typed}/邮局")), pc(&lan, "lab", &format!("{typed}/邮局")));
    for pc in [&office, &lab] {
        pc.try_init(&[]).exits(0).says(&["was found as", stored, how]);
        assert!(fs::read_to_string(&pc.config).unwrap().contains(typed));
        pc.configure(&Settings::default());
    }
    assert!(disk.join("lanpost.json").exists());
    assert_eq!(text_of(&office.json(&["status"])["share"], "found"), disk.to_str().unwrap());
    let (one, two) = (office.daemon(), lab.daemon());
    let id = office.send("lab", "你好");
    lab.receives("你好");
    office.sees(&id, "delivered");
    assert!(one.stop().contains("was found as") && two.stop().contains("was found as"));
}

#[test]
fn mail_goes_through_a_share_below_a_folder_whose_name_was_garbled() {
    is_found("共享", GARBLED, "read in a wrong encoding");
    is_found("共享文件夹", "鍏变韩鏂囦欢澶_", "lost a part");
    is_found("Büro", "Bu\u{308}ro", "composed otherwise");
}

#[test]
fn two_candidates_are_named_and_neither_is_taken() {
    let lan = Lan::new();
    folder(&lan, GARBLED);
    folder(&lan, "å…±äº«");
    let pc = pc(&lan, "office", "共享");
    pc.try_init(&[]).exits(2).says(&["共享", GARBLED, "å…±äº«", "rename"]);
    assert!(!pc.config.exists() && !pc.state.exists());
}

#[test]
fn a_share_that_is_mounted_later_is_found_then() {
    let lan = Lan::new();
    let disk = folder(&lan, GARBLED);
    let pc = pc(&lan, "office", "共享");
    pc.init(&[]);
    pc.configure(&Settings::default());
    fs::rename(&disk, lan.path("away")).unwrap();
    let daemon = pc.spawn_daemon();
    until_true("the share to be away", || daemon.log().contains("there is no such folder"));
    assert!(!daemon.log().contains("was found as"), "{}", daemon.log());
    // Mounted anew, with the right encoding this time.
    fs::rename(lan.path("away"), lan.path("共享")).unwrap();
    until_true("the share to be back", || pc.json(&["status"])["share"]["available"] == true);
    assert_eq!(pc.json(&["status"])["share"].get("found"), None, "the exact name wins");
    daemon.stop();
}

#[test]
fn a_missing_folder_is_told_with_what_is_there() {
    let lan = Lan::new();
    let top = folder(&lan, GARBLED);
    for name in ["agents", "other", "third", "fourth", "fifth"] {
        fs::create_dir(top.join(name)).unwrap();
    }
    let pc = pc(&lan, "office", "共享/agent/x");
    let done = pc.try_init(&[]).exits(75).says(&[
        "there is no such folder",
        &format!("{GARBLED} holds no \"agent\""),
        "the nearest there: \"agents\"",
    ]);
    assert!(!done.err.contains("other"), "{}", done.err);
    let named = pc.bare(&["status", "--config", pc.path("lanpost.tml").to_str().unwrap()]);
    fs::write(pc.path("lanpost.toml"), "").unwrap();
    finish(named, b"").exits(3).says(&["holds no \"lanpost.tml\"", "the nearest there: \"lanpost.toml\""]);
}

#[test]
fn config_and_state_are_found_too() {
    let lan = Lan::new();
    let home = folder(&lan, "鐢ㄦ埛");
    let plain = lan.pc("office");
    let pc = Pc {
        config: lan.path("用户").join("lanpost.toml"),
        state: lan.path("用户").join("状态"),
        home: plain.home.clone(),
        ..plain
    };
    pc.try_init(&[]).exits(0).says(&["lanpost.toml was found as", "鐢ㄦ埛"]);
    assert!(home.join("lanpost.toml").exists() && home.join("状态/lanpost.db").exists());
    assert!(!lan.path("用户").exists(), "nothing was made beside it");
    assert!(text_of(&pc.json(&["status"]), "state_folder").ends_with(home.join("状态").to_str().unwrap()));
    pc.init(&[]);
    let daemon = pc.daemon();
    assert!(daemon.log().contains("was found as"));
    assert!(daemon.kill(), "it stays");
}

#[test]
fn a_config_in_any_encoding_is_read_and_kept() {
    let lan = Lan::new();
    let disk = folder(&lan, "共享");
    let pc = pc(&lan, "office", "共享");
    pc.init(&[]);
    pc.configure(&Settings::default());
    let text = fs::read_to_string(&pc.config).unwrap();
    let share = pc.share.to_str().unwrap();
    for encoding in Encoding::ALL {
        for bom in [true, false] {
            let bytes = encode(&text.replace('\n', "\r\n"), encoding, bom);
            fs::write(&pc.config, &bytes).unwrap();
            assert_eq!(text_of(&pc.json(&["status"])["share"], "path"), share, "{encoding:?} {bom}");
            assert!(pc.init(&[]).contains("already set up"), "{encoding:?} {bom}");
            assert_eq!(fs::read(&pc.config).unwrap(), bytes, "a config that is there is left alone");
            pc.init(&["--force"]);
            assert!(fs::read_to_string(&pc.config).unwrap().contains("共享"), "{encoding:?} {bom}");
            assert_eq!(fs::read(pc.config.with_extension("toml.old")).unwrap(), bytes);
        }
    }
    // A comment that another editor added leaves the rest as it was.
    fs::write(&pc.config, [&encode("# 注释\n", Encoding::Gb18030, false), text.as_bytes()].concat()).unwrap();
    let status = pc.json(&["status"]);
    assert_eq!((text_of(&status["share"], "path"), status["share"].get("found")), (share.to_owned(), None));
    // UTF-8 that an editor took for GBK, and saved so.
    fs::write(&pc.config, text.replace("共享", GARBLED)).unwrap();
    let status = pc.json(&["status"]);
    assert!(text_of(&status["share"], "path").ends_with(GARBLED), "{status}");
    assert_eq!(status["share"]["found"], json!(disk.to_str().unwrap()));
    assert_eq!(status["share"]["available"], true);
}

#[test]
fn the_doctor_tells_what_a_folder_is_called() {
    let lan = Lan::new();
    let disk = folder(&lan, GARBLED);
    let (typed, none) = (lan.path("共享"), lan.path("none.toml"));
    let pc = lan.pc("office");
    let ask = |share: &Path| {
        let [share, config] = [share, &none].map(|path| path.to_str().unwrap().to_owned());
        finish(pc.bare(&["doctor", "--share", &share, "--config", &config, "--json", "--wait", "1s"]), b"")
    };
    let said = ask(&typed).exits(0).json();
    let finding = said["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "path");
    let finding = finding.unwrap_or_else(|| panic!("{said}"));
    assert_eq!((&finding["grade"], &said["share"]), (&json!("warning"), &json!(typed.to_str().unwrap())));
    assert!(text_of(finding, "found").contains(GARBLED) && text_of(finding, "next").contains("iocharset"));
    let said = ask(&lan.path("共事")).exits(6).json();
    assert!(said["findings"].to_string().contains("the nearest there: "), "{said}");
    assert_eq!(fs::read_dir(disk).unwrap().count(), 0, "nothing is left");
}
