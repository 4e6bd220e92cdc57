//! The examples for the shell and for Python, run for real: by the command line, and by the plain protocol, both ways, in Chinese.
//!
//! A machine without `python3` fails those: none is skipped. Those for PowerShell are not run here.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::common::process::{Done, Lan, Pc, finish, text_of, until};

fn python(pc: &Pc, script: &str, args: &[&str]) -> Command {
    let mut command = Command::new("python3");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/python").join(script);
    command.arg(path).args(args).current_dir(&pc.home);
    command.env("LANPOST", env!("CARGO_BIN_EXE_lanpost")).env("LANPOST_CONFIG", &pc.config);
    // What a bare service has for a locale.
    command.env("LC_ALL", "C");
    command
}

/// `plain.py` in the name of 小王.
fn plain(pc: &Pc, args: &[&str]) -> Done {
    let share = pc.share.display().to_string();
    let all: Vec<&str> = [share.as_str(), "小王"].into_iter().chain(args.iter().copied()).collect();
    finish(python(pc, "plain.py", &all), b"")
}

fn received(pc: &Pc) -> Vec<Value> {
    let done = plain(pc, &["receive", "cursor"]).exits(0);
    done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_script_reads_how_far_its_message_is() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    let mut script = Command::new("sh");
    let program = PathBuf::from(env!("CARGO_BIN_EXE_lanpost"));
    let path = std::env::var_os("PATH").unwrap();
    let folders = [program.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&path));
    script.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/by_script.sh")).current_dir(&pc.home);
    script.env("PATH", std::env::join_paths(folders).unwrap()).env_remove("LANPOST_LANG");
    let done = finish(script, b"").exits(0).out;
    assert_eq!(done.lines().last(), Some("done: build-42 is processed"), "{done}");
}

#[test]
fn one_asks_and_one_answers_by_the_command_line() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let (_first, _second) = (office.daemon(), lab.daemon());
    until("lab to be seen", || office.json(&["peers"])[0]["name"].as_str().map(drop));
    let served = std::thread::spawn(move || finish(python(&lab, "with_cli.py", &["serve", "--once"]), b""));
    let asked = finish(python(&office, "with_cli.py", &["ask", "lab", "构建\n\"通过\"了吗？"]), b"");
    assert_eq!(asked.exits(0).out.trim_end(), "收到: 构建\n\"通过\"了吗？");
    served.join().unwrap().exits(0);
    finish(python(&office, "with_cli.py", &["ask", "nobody", "x"]), b"").exits(3).says(&["nobody"]);
}

#[test]
fn a_plain_peer_and_an_instance_exchange_mail() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let _daemon = lab.daemon();
    assert!(received(&lab).is_empty(), "it is known from now on");
    let id = plain(&lab, &["send", "lab", "你好，实验室"]).exits(0).out.trim().to_owned();
    let mail = lab.receives("你好，实验室");
    assert_eq!((text_of(&mail, "id"), text_of(&mail, "from")), (id.clone(), "小王".into()));
    lab.ok(&["reply", &id, "你也好", "--ack"]);
    let answer = until("the answer", || received(&lab).pop());
    assert_eq!((text_of(&answer, "content"), text_of(&answer, "in_reply_to")), ("你也好".into(), id));
    assert!(received(&lab).is_empty(), "it came once");
    let name = text_of(&answer, "id");
    plain(&lab, &["send", "lab", "谢谢", "--reply-to", &name]).exits(0);
    assert_eq!(text_of(&lab.receives("谢谢"), "in_reply_to"), name);
}

#[test]
fn a_plain_reader_waits_for_torn_lines_and_survives_another_file() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let slot = lan.share().join("messages/to-小王.jsonl");
    let line = |id: &str, text: &str| format!("{{\"from\":\"a\",\"id\":\"{id}\",\"content\":\"{text}\"}}\n");
    let texts = |mail: Vec<Value>| mail.iter().map(|one| text_of(one, "content")).collect::<Vec<_>>();
    let (first, second) = (line("1", "一"), line("2", "二"));
    // Cut within a character.
    fs::write(&slot, [first.as_bytes(), &second.as_bytes()[..second.len() - 5]].concat()).unwrap();
    assert_eq!(texts(received(&lab)), ["一"]);
    assert!(received(&lab).is_empty());
    let nul = [first.as_bytes(), second.as_bytes(), &[0; 40], b"\n"].concat();
    fs::write(&slot, &nul).unwrap();
    assert_eq!(texts(received(&lab)), ["二"], "and what is NUL yet waits");
    // A file of the same name that holds more, and what is known already.
    fs::write(&slot, ["no message\r\n".into(), line("3", "三"), first, second].concat()).unwrap();
    let done = plain(&lab, &["receive", "cursor"]).exits(0).says(&["set aside"]);
    assert!(done.out.contains("三") && done.out.lines().count() == 1, "{}", done.out);
    // Somebody was cut off: the next line begins anew.
    fs::write(&slot, "{\"from\":\"a\"").unwrap();
    let share = lan.share().display().to_string();
    finish(python(&lab, "plain.py", &[&share, "a", "send", "小王", "四"]), b"").exits(0);
    assert_eq!(texts(received(&lab)), ["四"]);
}
