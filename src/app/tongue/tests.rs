//! The Chinese catalogue is whole: every text that a person may read has an entry, and every entry a text.
//!
//! Help is found in clap's tree, all else in the sources, see `source`. What is left in English on purpose stands in
//! `zh/left-out.txt`, a text a line, and [`APART`] names the files that speak to no person. A failure lists exactly what is
//! missing, in the form that the catalogue has it.
#![allow(clippy::disallowed_methods, reason = "the sources lie in files")]

mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Command;
use source::{Text, texts_of};

use super::catalogue::entries;
use super::{CHINESE, Catalogue, chinese, is_chinese};
use crate::app::cli;

/// What stays English though it reads like a text.
const LEFT_OUT: &str = include_str!("zh/left-out.txt");

/// Paths below `src/` whose texts stay English, and what they are: no person reads them on a terminal, or as a record alone.
const APART: [(&str, &str); 28] = [
    ("app/mcp/", "what an agent is told"),
    ("app/tongue/", "it is what looks texts up"),
    ("sys/memory.rs", "a share for tests alone"),
    ("app/daemon.rs", "the log"),
    ("app/shell.rs", "the log"),
    ("app/log.rs", "the log"),
    ("app/direct.rs", "the log"),
    ("app/door.rs", "the log"),
    ("adapt/signals/", "the log"),
    ("adapt/watch/", "the log"),
    ("engine/mend.rs", "the log"),
    ("engine/intake", "the log, and the quarantine's record"),
    ("engine/receive", "the log"),
    ("engine/listening.rs", "the log"),
    ("adapt/direct/", "what one daemon tells another"),
    ("engine/reception.rs", "what one daemon tells another"),
    ("adapt/exec.rs", "what is answered to another PC"),
    ("adapt/a2a.rs", "what a server said, quoted as it is in the log"),
    ("adapt/http.rs", "what a server said, quoted as it is in the log"),
    ("engine/courier", "what a server said, quoted as it is in the log"),
    ("engine/envoy", "what a server said, quoted as it is in the log"),
    ("model/config/template.rs", "what is written into a config"),
    ("adapt/service/systemd/unit.rs", "what is written into a unit"),
    ("model/a2a", "what an agent is told"),
    ("model/wake/told.rs", "what an agent is told"),
    ("model/notice.rs", "mail of our own"),
    ("model/report.rs", "mail of our own"),
    ("store/db/tasks/notice.rs", "mail of our own"),
];

fn texts() -> Vec<Text> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![];
    collect(&root, &root, &mut found);
    assert!(found.len() > 1_000, "the sources are not where they are looked for");
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Text>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        if path.is_dir() {
            collect(root, &path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && !name.contains("/tests/") {
            found.extend(texts_of(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Every line of help, as the catalogue has it.
fn helps() -> BTreeSet<String> {
    let mut command = cli::tree(None);
    command.build();
    let mut found = BTreeSet::new();
    help_of(&command, &mut found);
    found
}

fn help_of(command: &Command, found: &mut BTreeSet<String>) {
    let own = [
        command.get_about(),
        command.get_long_about(),
        command.get_before_help(),
        command.get_before_long_help(),
        command.get_after_help(),
        command.get_after_long_help(),
    ];
    let arguments = command.get_arguments().flat_map(|arg| [arg.get_help(), arg.get_long_help()]);
    let texts = own.into_iter().chain(arguments).flatten().map(ToString::to_string);
    let headings = command.get_arguments().filter_map(|arg| arg.get_help_heading()).map(str::to_owned);
    for text in texts.chain(headings) {
        found.extend(text.lines().map(|line| line.trim().to_owned()));
    }
    command.get_subcommands().for_each(|below| help_of(below, found));
}

/// Whether a line of help says something; an example, or what goes into a config, is shown as it is.
fn is_told(line: &str) -> bool {
    let is_remarked = line.contains("  # ");
    let is_code = line.starts_with("lanpost ") && !is_remarked
        || line.contains("lanpost ") && line.contains(" | ")
        || line.contains(" mcp add lanpost ");
    !line.is_empty() && !is_code && !LEFT_OUT.lines().any(|left_out| left_out == line)
}

/// Words by which a statement for the store is known.
const SQL: [&str; 18] = [
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "DELETE ",
    "CREATE ",
    "PRAGMA ",
    "DROP ",
    "ALTER ",
    "INDEXED",
    "AND ",
    " OR ",
    " IN (",
    "VALUES ",
    "coalesce(",
    "state = '",
    "m.offered",
    "NOT ",
    " NULL",
];

fn is_apart(text: &Text) -> bool {
    let is_sql = text.file.starts_with("store/db/") && SQL.iter().any(|word| text.text.contains(word));
    is_sql
        || APART.iter().any(|(path, _)| text.file.starts_with(path))
        || LEFT_OUT.lines().any(|line| line == text.text)
}

fn all_entries() -> Vec<(char, &'static str, &'static str)> {
    CHINESE.iter().flat_map(|file| entries(file)).collect()
}

/// Which parts of the English a translation shows.
fn shown_parts(other: &str) -> BTreeSet<usize> {
    let mut next = 0;
    let inside = other.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(inside, _)| inside);
    let at = inside.map(|part| {
        let number = part.trim_end_matches('+');
        let at = if number.is_empty() { next } else { number.parse().unwrap_or(usize::MAX) };
        next = at.saturating_add(1);
        at
    });
    at.collect()
}

#[test]
fn every_text_of_help_has_a_chinese_one() {
    let known: BTreeSet<_> = all_entries().into_iter().map(|(_, english, _)| english).collect();
    let is_missing = |text: &String| is_told(text) && !known.contains(text.as_str());
    let missing: Vec<_> = helps().into_iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "add to src/app/tongue/zh/help.txt:\n> {}\n", missing.join("\n\n> "));
}

#[test]
fn every_text_of_the_sources_has_a_chinese_one() {
    let known = |deed: bool| {
        let entries = all_entries().into_iter().filter(move |(mark, ..)| !deed || *mark == '=');
        entries.map(|(_, english, _)| english).collect::<BTreeSet<_>>()
    };
    let (deeds, all) = (known(true), known(false));
    let mut missing = BTreeSet::new();
    for text in texts().into_iter().filter(|text| !is_apart(text)) {
        let (mark, there) = match text.deed {
            true => ('=', deeds.contains(text.text.as_str())),
            false => ('>', !text.prose || all.contains(text.text.as_str())),
        };
        if !there {
            missing.insert(format!("{mark} {}\n({})\n", text.text, text.file));
        }
    }
    let missing: Vec<_> = missing.into_iter().collect();
    assert!(
        missing.is_empty(),
        "{} texts: add them to src/app/tongue/zh/, or to left-out.txt there:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

#[test]
fn every_entry_has_a_text() {
    let mut used: BTreeSet<String> = texts().into_iter().map(|text| text.text).collect();
    used.extend(helps());
    // What clap says itself is in no source of ours.
    let claps: BTreeSet<_> = entries(CHINESE[1]).map(|(_, english, _)| english).collect();
    let lines = LEFT_OUT.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    let ours =
        all_entries().into_iter().map(|(_, english, _)| english).filter(|english| !claps.contains(english));
    let unused: Vec<_> = ours.chain(lines).filter(|english| !used.contains(*english)).collect();
    assert!(unused.is_empty(), "nothing says these any more:\n{}", unused.join("\n"));
}

#[test]
fn every_entry_is_sound() {
    let mut seen = BTreeSet::new();
    for (mark, english, other) in all_entries() {
        assert!(seen.insert((mark, english)), "twice: {english}");
        assert!(!other.starts_with("> ") && !other.starts_with("= ") && !other.is_empty(), "{english}");
        assert!(other.chars().all(|c| !c.is_control()) && english.trim() == english, "{english}");
        let parts = english.matches("{}").count() + usize::from(mark == '=');
        assert!(shown_parts(other).iter().all(|at| *at < parts), "{english}: it has fewer parts");
        let fixed = english.replace("{}", "");
        let is_said = mark == '=' || fixed.chars().filter(|c| c.is_ascii_alphabetic()).count() >= 2;
        assert!(is_said || fixed.contains(['!', '[']), "{english}: it would match anything");
    }
    let files = CHINESE.iter().flat_map(|file| file.lines());
    let lines = files.filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    assert_eq!(lines, 2 * all_entries().len(), "a line that belongs to no entry");
}

/// An entry that another one stands in for, or which does not find its own parts again, says something else than it should:
/// each text is made up from its pattern, with parts that are told apart, and comes back with all of them.
#[test]
fn every_entry_finds_its_own_parts() {
    let chinese = chinese();
    let mut torn = vec![];
    for (mark, english, other) in all_entries() {
        // A deed, and what begins as one, is taken apart in another way.
        if mark == '=' || !english.contains("{}") || english.starts_with("could not ") {
            continue;
        }
        let shown = shown_parts(other);
        let (mut text, mut parts) = (String::new(), vec![]);
        for (at, fixed) in english.split("{}").enumerate() {
            if at > 0 {
                // What follows a word at once begins with something else, and an ending that is left out is none.
                let beside = english.split("{}").nth(at - 1).is_some_and(|it| it.is_empty()) && at > 1;
                let part = if beside { format!(" (k{at})") } else { format!("k{at}") };
                let part = if shown.contains(&parts.len()) { part } else { String::new() };
                text += &part;
                parts.push(part);
            }
            text += fixed;
        }
        let said = chinese.text(&text).unwrap_or_default();
        let pieces = other.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, it)| it));
        if !pieces.chain(parts.iter().map(String::as_str)).all(|piece| said.contains(piece)) {
            torn.push(format!("{english}\n  {text}\n  {said}"));
        }
    }
    assert!(torn.is_empty(), "{} entries:\n{}", torn.len(), torn.join("\n"));
}

#[test]
fn the_language_is_named_as_people_name_it() {
    for value in ["zh", "ZH", "zh_CN", "zh-Hans", "zh_CN.UTF-8", "zh-CN", "zh.utf8", "zh_TW"] {
        assert!(is_chinese(value), "{value}");
    }
    for value in ["", "en", "de", "C", "zhx", "chinese", "_zh"] {
        assert!(!is_chinese(value), "{value}");
    }
}

#[test]
fn help_in_chinese_parses_what_help_in_english_does() {
    let command = cli::tree(Some(&chinese()));
    command.clone().debug_assert();
    let matches =
        command.clone().try_get_matches_from(["lanpost", "send", "lab", "hi", "--ttl", "2h", "--json"]);
    assert!(matches.is_ok(), "{matches:?}");
    let help = command.clone().try_get_matches_from(["lanpost", "send", "--help"]).unwrap_err().to_string();
    for word in ["用法:", "选项:", "参数:", "[默认：normal]", "--wait <STATE>"] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
    for word in ["Usage:", "Options:", "Arguments:", "[default", "Print help", "Examples:"] {
        assert!(!help.contains(word), "{word} is in\n{help}");
    }
}

#[test]
fn errors_and_findings_are_said_whole() {
    let chinese = chinese();
    let said = |text: &str| Catalogue::text(&chinese, text).unwrap_or_else(|| text.to_owned());
    for (english, other) in [
        (
            "could not find the config /x/config.toml: there is no such file, and neither --config nor LANPOST_CONFIG names another; \
             make one with `lanpost init --share PATH --instance NAME`",
            "无法找到配置 /x/config.toml：没有这个文件，--config 和 LANPOST_CONFIG 也没有写别的；请用 `lanpost init --share PATH --instance NAME` 做一个",
        ),
        (
            "queued: 7 waits in the spool; could not use the share /x: there is no such folder, or it is not mounted: /x; \
             mount it, or mend the path; lanpost never makes it, so that an unmounted share is noticed",
            "已排队（queued）：7 在待发队列里等着；无法使用共享 /x：没有这个文件夹，或者没有挂载：/x；\
             请挂载它，或者改正路径；lanpost 从不创建它，这样没挂载的共享才会被发现",
        ),
        ("lab: no daemon runs, lanpost 0.1.0", "lab：没有守护进程在运行，lanpost 0.1.0"),
        ("sent 019c5b6e to lab (queued)", "已发送 019c5b6e 给 lab（queued）"),
        (
            "could not write to /x: Permission denied (os error 13)",
            "无法写入 /x：Permission denied (os error 13)",
        ),
        ("what nobody says", "what nobody says"),
        ("to the lane under lease 3", "写入租约 3 的通道"),
        ("to the lane under lease 3 (direct: refused)", "写入租约 3 的通道（direct: refused）"),
        ("from the lane under lease 3, verified", "来自租约 3 的通道，已验证"),
        ("directly, under lease 3, unverified, held", "直接来的，租约 3，未验证，已扣下"),
        (
            "mount     this PC's own disk (ext4); events: by the system, if they prove true",
            "挂载        这台电脑自己的磁盘（ext4）；事件：由系统通知，如果证明可靠",
        ),
        ("watching  by polling, 0 changes came unannounced", "监视        通过 轮询，0 个变化没有通知"),
        (
            "/mnt holds no \"共享 a\"; the nearest there: \"共享\"",
            "/mnt 里没有 \"共享 a\"；那里最接近的：\"共享\"",
        ),
        ("lab/main (claim 1), until 12:00 unless renewed", "lab/main（认领 1），到 12:00 为止，除非续期"),
        (
            "\"5\" is not a duration like \"2s\" or \"1h 30m\": time unit needed, for example 5sec or 5ms",
            "\"5\" 不是像 \"2s\" 或 \"1h 30m\" 这样的时长：缺少时间单位，比如 5sec 或 5ms",
        ),
        (
            "they are 7 bytes; 3 are kept here already, and at most 1MiB are",
            "它们有 7 字节；这里已经保留 3 字节，最多保留 1MiB",
        ),
    ] {
        assert_eq!(said(english), other);
    }
}
