//! The same for names that are bytes: only Linux has them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use lanpost::model::text::{Encoding, encode};
use lanpost::sys::disk::DiskShare;

use super::{folder, pc};
use crate::common::process::{Done, Lan, Pc, Settings, finish, text_of};

/// A name as a Chinese Windows of old stored it.
fn gbk(text: &str) -> OsString {
    OsString::from_vec(encode(text, Encoding::Gb18030, false))
}

/// The same in Big5, for `共享`.
const BIG5: &[u8] = b"\xa6\x40\xa8\xc9";

fn init(pc: &Pc, share: &OsStr) -> Done {
    let state = pc.state.clone().into_os_string();
    let words = ["init", "--instance", &pc.name, "--share"].map(OsString::from);
    pc.run(&[&words[..], &[share.to_owned(), "--state".into(), state]].concat())
}

/// Whether reading a folder leaves a trace in its access time, as it does unless it is mounted with `noatime`.
fn listed(folder: &Path, work: impl FnOnce()) -> bool {
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(folder).unwrap().set_times(fs::FileTimes::new().set_accessed(old)).unwrap();
    work();
    fs::metadata(folder).unwrap().atime() != 1_000_000_000
}

#[test]
fn the_next_step_of_init_can_be_pasted_whatever_the_config_is_called() {
    let lan = Lan::new();
    for name in [gbk("配置 a"), OsString::from("配置 it's $HOME")] {
        let lab = Pc { config: folder(&lan, &name).join("lanpost.toml"), ..lan.pc("lab") };
        let out = lab.try_init(&["--force"]).exits(0).out;
        let next =
            out.lines().find_map(|line| line.strip_prefix("next: lanpost --config ")?.strip_suffix(" run"));
        let word = next.unwrap_or_else(|| panic!("{out}"));
        let typed =
            std::process::Command::new("bash").args(["-c", &format!("printf %s {word}")]).output().unwrap();
        assert_eq!(OsString::from_vec(typed.stdout), lab.config.as_os_str(), "{word}");
    }
}

#[test]
fn mail_goes_through_a_share_below_a_folder_that_is_named_in_gbk() {
    let lan = Lan::new();
    let disk = folder(&lan, gbk("共享文件夹")).join("邮局");
    fs::create_dir(&disk).unwrap();
    let (office, lab) = (pc(&lan, "office", "共享文件夹/邮局"), pc(&lan, "lab", "共享文件夹/邮局"));
    for pc in [&office, &lab] {
        pc.try_init(&[]).exits(0).says(&[
            "was found as",
            r"\xb9\xb2\xcf\xed\xce\xc4\xbc\xfe\xbc\xd0",
            "older encoding",
        ]);
        let config = fs::read_to_string(&pc.config).unwrap();
        assert!(config.contains("共享文件夹/邮局\""), "{config}");
        pc.configure(&Settings::default());
    }
    assert!(disk.join("lanpost.json").exists());
    assert!(!lan.path("共享文件夹").exists(), "nothing was made beside it");
    let (one, two) = (office.daemon(), lab.daemon());
    let id = office.send("lab", "你好");
    lab.receives("你好");
    lab.ok(&["read", &id]);
    office.sees(&id, "read");
    let share = office.json(&["status"])["share"].clone();
    assert_eq!(text_of(&share, "path"), office.share.display().to_string());
    assert!(text_of(&share, "found").contains(r"\xb9\xb2\xcf\xed"), "{share}");
    let words = office.ok(&["status"]);
    assert!(words.contains("共享文件夹/邮局 (id") && words.contains("found as"), "{words}");
    assert!(one.stop().contains("was found as") && two.stop().contains("was found as"));

    // The choice is kept: neither a search nor a second name that is as close can change it.
    fs::create_dir(lan.path("").join(OsStr::from_bytes(b"\xa6\x40\xa8\xc9\xa4\xe5\xa5\xf3\xa7\xa8")))
        .unwrap();
    let mut log = String::new();
    let searched = listed(&lan.path(""), || log = office.daemon().stop());
    assert!(!searched && log.contains("was found as") && !log.contains("problem"), "{searched} {log}");
    office.ok(&["send", "lab", "without a daemon"]);
    assert!(lab.inbox().iter().any(|message| message["content"] == "without a daemon"));
}

#[test]
fn what_is_there_by_its_own_name_is_not_searched_for() {
    let lan = Lan::new();
    let parent = folder(&lan, "共享");
    let pc = pc(&lan, "office", "共享/agents");
    fs::create_dir(&pc.share).unwrap();
    assert!(
        listed(&parent, || assert!(fs::read_dir(&parent).unwrap().count() > 0)),
        "a listing leaves a trace here"
    );
    let searched = listed(&parent, || {
        pc.init(&[]);
        pc.configure(&Settings::default());
        pc.ok(&["status"]);
        assert!(!pc.daemon().stop().contains("was found as"));
    });
    assert!(!searched, "the folder above the share was listed");
    let share = DiskShare::new(&pc.share, "test");
    assert_eq!(lanpost::sys::share::Share::choice(&share), None);
}

#[test]
fn two_candidates_are_named_and_neither_is_taken() {
    let lan = Lan::new();
    folder(&lan, gbk("共享"));
    folder(&lan, OsStr::from_bytes(BIG5));
    let pc = pc(&lan, "office", "共享");
    pc.try_init(&[]).exits(2).says(&[r#""共享" (\xb9\xb2\xcf\xed)"#, r#""共享" (\xa6@\xa8\xc9)"#, "rename"]);
    assert!(!pc.config.exists() && !pc.state.exists());
}

#[test]
fn a_folder_that_may_not_be_listed_is_named() {
    let lan = Lan::new();
    let shut = folder(&lan, "shut");
    folder(&lan, Path::new("shut").join(gbk("共享")));
    let pc = pc(&lan, "office", "shut/共享");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o311)).unwrap();
    for open in [lan.path(""), pc.home.clone(), pc.temporary()] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
    }
    // Root may list everything: then somebody else runs it, who may not see where it was built.
    let program = lan.path("lanpost");
    fs::copy(env!("CARGO_BIN_EXE_lanpost"), &program).unwrap();
    let asked = pc.command(&["init", "--instance", "office", "--share", pc.share.to_str().unwrap()]);
    let mut command = Command::new(&program);
    command.args(asked.get_args()).current_dir(&pc.home).env("HOME", &pc.home);
    for (key, value) in asked.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    if fs::metadata(&pc.home).unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    finish(command, b"").exits(1).says(&[
        "look for \"共享\" in",
        "shut",
        "ermission denied",
        "let this user list that folder",
    ]);
}

#[test]
fn arguments_that_are_no_text_are_paths_and_else_an_error() {
    let lan = Lan::new();
    let disk = folder(&lan, gbk("共享"));
    let mut pc = pc(&lan, "office", "共享");
    pc.config = pc.home.join(gbk("配置.toml"));
    init(&pc, disk.as_os_str()).exits(0).says(&["was found as"]);
    assert!(fs::read_to_string(&pc.config).unwrap().contains("共享\""));
    let again = init(&pc, disk.as_os_str()).exits(0);
    assert!(again.out.contains("already set up") && again.out.contains(r"\xc5\xe4"), "{}", again.out);
    let named = text_of(&pc.json(&["status"]), "instance");
    let mut by_variable = pc.bare(&["status", "--json"]);
    by_variable.env("LANPOST_CONFIG", &pc.config);
    assert_eq!(text_of(&finish(by_variable, b"").exits(0).json(), "instance"), named);
    // The same name, typed in UTF-8.
    let typed = pc.home.join("配置.toml");
    finish(pc.bare(&["status", "--config", typed.to_str().unwrap()]), b"").exits(0);

    let bytes = OsString::from_vec(b"\xb9\xb2".to_vec());
    let config = ["--config".into(), gbk("配置.toml")];
    let words = ["send".into(), "lab".into(), bytes.clone()];
    let said =
        pc.run(&[&words[..], &config].concat()).exits(2).says(&[r"\xb9\xb2", "UTF-8", "lanpost send lab -"]);
    assert!(!said.err.contains(r"\xc5\xe4"), "a path may be so: {}", said.err);
    let said = pc.run(&["send".into(), "--json".into(), bytes.clone(), OsString::from("x")]).exits(2);
    assert!(said.json_error().contains(r"\xb9\xb2"), "{}", said.err);
    let mut speaking = pc.command(&["send", "lab", "x", "--create"]);
    speaking.env("LANPOST_AGENT", &bytes);
    finish(speaking, b"").exits(2).says(&["LANPOST_AGENT"]);

    // What the config would say leads elsewhere: nothing is taken for something else.
    let exact = folder(&lan, "共享");
    let other = Pc { config: pc.path("other.toml"), ..pc };
    init(&other, disk.as_os_str()).exits(2).says(&[r"\xb9\xb2\xcf\xed", "is there, too", "rename"]);
    assert_eq!(fs::read_dir(exact).unwrap().count(), 0);
}
