//! What the shell is given: completions that complete, man pages that format.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::process::{Lan, Pc, finish};

#[test]
fn bash_completes_commands_and_options() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    let script = pc.path("completions");
    fs::write(&script, finish(pc.bare(&["completions", "bash"]), b"").exits(0).out).unwrap();
    let completed = |words: &str, at: usize| {
        let mut bash = Command::new("bash");
        let line = format!(
            "source \"$1\"; COMP_WORDS=({words}); COMP_CWORD={at}; cur=${{COMP_WORDS[{at}]}}; \
             prev=${{COMP_WORDS[{at}-1]}}; _lanpost lanpost \"$cur\" \"$prev\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        bash.args(["--norc", "-c", &line, "bash"]).arg(&script);
        let done = finish(bash, b"").exits(0);
        done.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(completed("lanpost se", 1).contains(&"send".to_owned()));
    assert_eq!(completed("lanpost sen", 1), ["send"]);
    assert_eq!(completed("lanpost task cl", 2), ["claim"]);
    assert_eq!(completed("lanpost send --prio", 2), ["--priority"]);
    // Options with fixed values offer these, and no file names.
    assert_eq!(completed("lanpost send --priority ''", 3), ["low", "normal", "high", "urgent"]);
    assert_eq!(completed("lanpost task edit --priority u", 4), ["urgent"]);
    assert_eq!(completed("lanpost send --wait pro", 3), ["processed"]);
    assert!(completed("lanpost service s", 2).contains(&"start".to_owned()));
    assert!(completed("lanpost service h", 2).iter().all(|word| word != "host"), "hidden");
    assert!(!completed("lanpost demo", 1).contains(&lanpost::app::demo::AGENT.to_owned()), "hidden");
}

#[test]
fn every_shell_has_completions() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = finish(pc.bare(&["completions", shell]), b"").exits(0).out;
        assert!(script.contains("lanpost") && script.contains("send"), "{shell}");
    }
    finish(pc.bare(&["completions", "tcsh"]), b"").exits(2);
}

/// The manual pages as `man --dir` writes them.
fn man_pages(pc: &Pc) -> Vec<PathBuf> {
    let folder = pc.path("man1");
    finish(pc.bare(&["man", "--dir", &folder.display().to_string()]), b"").exits(0);
    fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn each_command_has_a_man_page() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    assert!(finish(pc.bare(&["man"]), b"").exits(0).out.contains(".TH lanpost"));
    let pages = man_pages(&pc);
    let named = |name: &str| pages.iter().any(|page| page.file_name().unwrap() == name);
    for name in ["lanpost.1", "lanpost-send.1", "lanpost-task-claim.1"] {
        assert!(named(name), "{name} of {pages:?}");
    }
    assert!(!named("lanpost-demo-agent.1") && !named("lanpost-service-host.1"));
}

#[test]
fn the_man_pages_format_without_a_warning() {
    let lan = Lan::new();
    let pages = man_pages(&lan.pc("office"));
    // As `man -l` shows it: lines stay lines, and each section says what it is.
    let mut groff = Command::new("groff");
    groff.args(["-man", "-Tutf8", "-Kutf8", "-P-c"]);
    let main = pages.iter().find(|page| page.ends_with("lanpost.1")).unwrap();
    let main = finish(groff, &fs::read(main).unwrap()).exits(0).out;
    // Bold and underlined letters are overstruck.
    let shown: String = main.split('\u{8}').fold(String::new(), |mut shown, piece| {
        if !shown.is_empty() {
            shown.pop();
        }
        shown + piece
    });
    let has = |words: &str| shown.lines().any(|line| line.trim() == words);
    for line in
        ["EXIT CODES", "0  done", "1  failed", "lanpost inbox                                       # on lab"]
    {
        assert!(has(line), "{line} is not in\n{shown}");
    }
    assert!(!shown.contains("EXTRA"), "{shown}");
    for page in pages {
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tutf8", "-Kutf8", "-ww", "-z"]);
        assert_eq!(finish(groff, &fs::read(&page).unwrap()).exits(0).err, "", "{}", page.display());
    }
}
