//! `LANPOST_LANG=zh`: people are spoken to in Chinese, programs as before.

use std::process::Command;

use crate::common::agent::{Agent, Deed};
use crate::common::process::{Done, Lan, Pc, finish};

/// Runs the command with `LANPOST_LANG` set.
fn run(mut command: Command, language: &str) -> Done {
    command.env("LANPOST_LANG", language);
    finish(command, b"")
}

fn said(pc: &Pc, language: &str, args: &[&str]) -> Done {
    run(pc.command(args), language)
}

fn says(pc: &Pc, args: &[&str], words: &[&str]) -> String {
    let said = said(pc, "zh", args).exits(0).out;
    for word in words {
        assert!(said.contains(word), "{word} is not in\n{said}");
    }
    said
}

#[test]
fn help_is_in_chinese_for_those_who_ask_for_it_and_for_nobody_else() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    for language in ["zh", "zh_CN", "zh-Hans", "zh_CN.UTF-8"] {
        let help = run(pc.bare(&["--help"]), language).exits(0).out;
        for word in ["用法", "退出码", "邮局", "--config <FILE>", "lanpost demo"] {
            assert!(help.contains(word), "{language}: {word} is not in\n{help}");
        }
        for word in ["Usage", "Exit codes", "Print", "Options"] {
            assert!(!help.contains(word), "{language}: {word} is in\n{help}");
        }
    }
    let help = run(pc.bare(&["send", "--help"]), "zh").exits(0).out;
    assert!(help.contains("参数:") && help.contains("选项:") && help.contains("--ttl <DURATION>"), "{help}");
    assert!(help.contains("lanpost send lab \"the build is green\""), "an example is as it was: {help}");
    let english = run(pc.bare(&["send", "--help"]), "").exits(0).out;
    assert!(english.is_ascii() && english.contains("Usage:"), "{english}");
    for language in ["de", "en", "C", "zhx"] {
        assert_eq!(run(pc.bare(&["send", "--help"]), language).out, english, "{language}");
    }
    let mut desktop = pc.bare(&["send", "--help"]);
    desktop.env_remove("LANPOST_LANG").env("LANG", "zh_CN.UTF-8").env("LC_ALL", "zh_CN.UTF-8");
    assert_eq!(finish(desktop, b"").out, english, "the desktop's language changes nothing");
}

#[test]
fn an_error_is_in_chinese_with_its_next_step_and_the_same_exit_code() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let done = said(&pc, "zh", &["send", "nobody", "hi"]).exits(3).says(&["无法发送给 nobody：", "--create"]);
    assert!(!done.err.contains("could not"), "{}", done.err);
    said(&pc, "zh", &["read", "019c5b6e"]).exits(3).says(&["没有这样开头的 id", "`lanpost inbox --all`"]);
    said(&pc, "zh", &["send"]).exits(2).says(&["错误：", "缺少以下必需的参数", "用法：", "--help"]);
    said(&pc, "zh", &["send", "lab", "x", "--ttl", "soon"]).exits(2).says(&[
        "'--ttl <DURATION>'",
        "不对",
        "时长",
    ]);
    said(&pc, "zh", &["inbocks"]).exits(2).says(&["不认识子命令 'inbocks'", "inbox"]);
    let nothing = run(pc.bare::<&str>(&[]), "zh").exits(2).says(&["用法:", "\n  run "]);
    assert!(!nothing.err.contains("Usage"), "{}", nothing.err);
    for args in [&["--json"][..], &["--json", "send"]] {
        assert!(said(&pc, "zh", args).exits(2).json_error().is_ascii(), "{args:?}");
    }
    let json = said(&pc, "zh", &["--json", "send", "nobody", "hi"]).exits(3).error();
    assert!(json["kind"] == "not-found" && json["message"].as_str().unwrap().is_ascii(), "{json}");
}

#[test]
fn what_commands_print_is_in_chinese_and_its_columns_stand_below_each_other() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.ok(&["peers"]);
    let id = office.send("lab", "no tasks");
    says(&office, &["status"], &["没有守护进程在运行", "共享", "可用", "对端"]);
    says(&lab, &["inbox"], &["状态", "来自", "内容", "no tasks"]);
    let read = says(&lab, &["read", &id], &["来自:     office", "状态:     ", "已验证", "\nno tasks\n"]);
    assert!(!read.contains("没有任务"), "what a message says is its sender's: {read}");
    says(&office, &["task", "list"], &["没有任务"]);
    office.ok(&["task", "add", "Build", "--to", "lab"]);
    says(&office, &["task", "list"], &["给 lab", "Build"]);
    says(
        &office,
        &["task", "show", &office.json(&["task", "list"])[0]["id"].as_str().unwrap()[..6]],
        &["情况"],
    );
    let peers = says(&office, &["peers"], &["名称", "在线", "lab"]);
    let second = |line: &str| {
        let cell = line.find("  ").unwrap();
        let cell = cell + line[cell..].find(|c| c != ' ').unwrap();
        line[..cell].chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>()
    };
    let begins: Vec<usize> = peers.lines().map(second).collect();
    assert!(begins.iter().all(|column| *column == begins[0]), "{peers}");
    office.ok(&["peers"]);
    let trace = says(&office, &["trace", &id], &["office -> lab", "写入租约 1 的通道"]);
    assert!(!trace.contains("  的") && !trace.contains("lease"), "{trace}");
    let trace = says(&lab, &["trace", &id], &["来自租约 1 的通道，已验证"]);
    assert!(!trace.contains("verified"), "{trace}");
    let task = office.json(&["task", "add", "Test"])["id"].as_str().unwrap().to_owned();
    office.ok(&["task", "claim", &task]);
    let task =
        says(&office, &["task", "show", &task], &["已认领", "（认领 1），到 ", " 为止，除非续期", "30 分钟"]);
    assert!(!task.contains("unless") && !task.contains("claimed") && !task.contains("for 30"), "{task}");
    said(&office, "zh", &["wait", "--timeout", "5"]).exits(2).says(&["缺少时间单位"]);
    let doctor = said(&office, "zh", &["doctor", "--wait", "0s"]);
    assert!(doctor.out.contains("正常") && doctor.out.contains("共享"), "{}", doctor.out);
}

#[test]
fn json_is_the_same_in_every_language() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.ok(&["peers"]);
    office.send("lab", "hello");
    lab.ok(&["inbox"]);
    for args in
        [&["inbox", "--json"][..], &["peers", "--json"], &["trust", "list", "--json"], &["log", "--json"]]
    {
        assert_eq!(said(&lab, "zh", args).exits(0).out, said(&lab, "", args).exits(0).out, "{args:?}");
    }
}

#[test]
fn an_agent_is_not_spoken_to_in_the_language_of_whoever_started_it() {
    let lan = Lan::new();
    let agent = Agent::new(&lan.pc("lab"), Deed::Nothing);
    let lab = lan.join_with("lab", &agent.settings(""));
    let woken = said(&lab, "zh", &["wake", "test"]).exits(0).out;
    // Into a pipe goes English where its reader may not take it for UTF-8.
    assert!(
        !lanpost::sys::process::pipes_are_utf8() || woken.contains("智能体已被唤醒: 退出码 0"),
        "{woken}"
    );
    let environment = agent.text("0.env");
    assert!(environment.contains("LANPOST_INSTANCE=lab\n"), "{environment}");
    assert!(!environment.contains("LANPOST_LANG"), "{woken}{environment}");
}

#[test]
fn the_demonstration_is_told_in_chinese() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    let told = run(pc.bare(&["demo"]), "zh").exits(0).out;
    for words in
        ["两台电脑和一个共享文件夹", "1. office 写给 lab", "ping: is the build green?", "什么都没有留下"]
    {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
}
