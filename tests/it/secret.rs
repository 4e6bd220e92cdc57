//! `lanpost secret` and a login to the share as programs meet them: what is kept, what is refused, and that no secret
//! is ever seen.

use std::fs;

use serde_json::json;

use crate::common::process::{Done, Lan, finish};

const PASSWORD: &str = "hunter2 密码";

/// Fails if any output of `done` shows the password.
fn hides(done: Done) -> Done {
    for stream in [&done.out, &done.err] {
        assert!(!stream.contains("hunter2") && !stream.contains("密码"), "{stream}");
    }
    done
}

#[test]
fn a_secret_in_a_file_is_kept_told_and_removed() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    let reference = format!("file:{}", pc.path("deep").join("pw").display());
    let set = |text: &str| hides(pc.feed(&["secret", "set", &reference, "--json"], text.as_bytes()));
    let done = set(&format!("{PASSWORD}\r\n")).exits(0);
    assert_eq!(done.json(), json!({"reference": reference, "done": "stored"}));
    assert_eq!(fs::read_to_string(pc.path("deep/pw")).unwrap(), PASSWORD);
    hides(pc.run(&["secret", "check", &reference])).exits(0);
    set("two\nlines\n").exits(2).says(&["several lines"]);
    set("").exits(2).says(&["it is empty"]);
    assert_eq!(fs::read_to_string(pc.path("deep/pw")).unwrap(), PASSWORD, "what is kept stays");
    hides(pc.run(&["secret", "remove", &reference])).exits(0);
    hides(pc.run(&["secret", "remove", &reference])).exits(3);
    hides(pc.run(&["secret", "check", &reference])).exits(3).says(&["no such file", "lanpost secret set"]);
}

#[test]
fn a_variable_is_read_but_not_set() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    let mut command = pc.bare(&["secret", "check", "env:SHARE_PASSWORD"]);
    command.env("SHARE_PASSWORD", PASSWORD);
    hides(finish(command, b"")).exits(0);
    hides(pc.run(&["secret", "check", "env:SHARE_PASSWORD"])).exits(3).says(&["not set"]);
    hides(pc.feed(&["secret", "set", "env:SHARE_PASSWORD"], PASSWORD.as_bytes())).exits(2);
}

#[test]
fn what_is_no_reference_is_never_repeated() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    let init = ["init", "--share", "x", "--instance", "lab", "--user", "u", "--password", PASSWORD];
    for json in [true, false] {
        let mut init: Vec<&str> = init.to_vec();
        init.extend(json.then_some("--json"));
        hides(pc.run(&init)).exits(2).says(&["lanpost secret set"]);
        hides(pc.run(&["secret", "check", PASSWORD])).exits(2).says(&["keyring:NAME"]);
    }
    pc.init(&[]);
    let config = fs::read_to_string(&pc.config).unwrap();
    let login = format!("[share]\nuser = 'nas\\agents'\npassword = \"{PASSWORD}\"\n");
    fs::write(&pc.config, config.replace("[share]\n", &login)).unwrap();
    for command in [&["status"][..], &["run"], &["secret", "check"], &["send", "lab", "x", "--json"]] {
        hides(pc.run(command)).exits(2).says(&["share.password", "lanpost secret set", "keyring:"]);
    }
}

/// Where the system mounts the share, a login in the config is a misunderstanding that has to be told.
#[test]
#[cfg(all(test, unix))]
fn a_login_is_refused_where_the_mount_has_it() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let config = fs::read_to_string(&pc.config).unwrap();
    let login = "[share]\nuser = 'nas\\agents'\npassword = 'env:SHARE_PASSWORD'\n";
    fs::write(&pc.config, config.replace("[share]\n", login)).unwrap();
    pc.run(&["run"]).exits(2).says(&["the mount does that", "credentials=FILE"]);
    pc.run(&["doctor"]).exits(2).says(&["credentials=FILE"]);
    // Mail is stored all the same, and it is said why it does not leave.
    let sent = pc.run(&["send", "lab", "x", "--create"]).exits(0);
    assert!(sent.out.contains("credentials=FILE"), "{}", sent.out);
}
