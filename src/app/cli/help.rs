//! `lanpost --help`: the commands by what they are for, and where a stranger begins.
//!
//! What each command does is said once, at the command; this file orders them. A command that is in no group is listed at
//! the end, so that none is lost, and a test asks for its group.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::{COMMON, Cli, exit};
use crate::app::print;
use crate::app::tongue::{self, Catalogue};
use crate::sys::dirs;

/// The commands by purpose, in the order in which people need them.
const GROUPS: [(&str, &[&str]); 7] = [
    ("Set up", &["init", "run", "service", "demo"]),
    ("Mail", &["send", "inbox", "wait", "read", "fetch", "reply", "ack"]),
    ("Questions and answers", &["ask", "progress", "cancel"]),
    ("Mail that waits, or went wrong", &["recall", "scheduled", "snooze", "release", "dead"]),
    ("Work together", &["task", "exec", "mcp"]),
    ("Find out", &["status", "peers", "trace", "thread", "search", "log", "doctor"]),
    ("Look after it", &["wake", "trust", "secret", "backup", "restore", "completions", "man"]),
];
/// What is in none of them.
const OTHERS: &str = "Others";

/// Where a stranger begins.
pub const START: &str = "\
Begin here:
  lanpost demo                                        # needs no setup
  lanpost init --share /mnt/agents --instance office  # once on each PC
  lanpost run                                         # the daemon
  lanpost send lab \"is the build green?\"              # on office
  lanpost inbox                                       # on lab
`lanpost service install` has the daemon start with the PC.";

/// What holds for all commands.
pub const WORDS: &str = "\
A DURATION carries a unit: 500ms, 30s, 5m, 2h, \"1h 30m\".
An ID may be shortened to any beginning that no other message has.";

/// The columns of help that goes into no terminal, and the most of one that does.
const COLUMNS: (usize, usize) = (100, 110);

/// Orders the commands in the help of `command`, whatever language their descriptions are in.
pub fn ordered(command: Command, tongue: Option<&Catalogue>) -> Command {
    let after = format!("{START}\n\n{WORDS}\n\n{}", exit::HELP);
    let text = template(&command, columns(), tongue);
    command.help_template(text).after_help(tongue::lines(tongue, &after).into_owned())
}

/// All commands but the hidden ones, for what is made of them.
pub fn shown() -> Command {
    without_hidden(&Cli::command())
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(format!("{START}\n\n{WORDS}\n\n{}", exit::HELP))
}

/// The command with those alone below it that are not hidden, however deep: clap can't take one away.
fn without_hidden(command: &Command) -> Command {
    if command.get_subcommands().next().is_none() {
        return command.clone();
    }
    let below = command.get_subcommands().filter(|one| !one.is_hide_set()).map(without_hidden);
    // clap wants names that stay for ever; these few do, in a program that prints them and ends.
    let name: &'static str = command.get_name().to_owned().leak();
    let mut shown = Command::new(name)
        .args(command.get_arguments().cloned())
        .subcommands(below)
        .subcommand_required(command.is_subcommand_required_set());
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(after) = command.get_after_help() {
        shown = shown.after_help(after.clone());
    }
    shown
}

/// As clap finds them for the rest.
fn columns() -> usize {
    let size = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let columns = size.or_else(|| dirs::env("COLUMNS")?.parse().ok()).unwrap_or(COLUMNS.0);
    columns.clamp(40, COLUMNS.1)
}

fn template(command: &Command, columns: usize, tongue: Option<&Catalogue>) -> String {
    let said = |text| tongue::said(tongue, text);
    let (header, usage) = (command.get_styles().get_header(), command.get_styles().get_usage());
    let literal = command.get_styles().get_literal();
    let shown = |name: &str| command.find_subcommand(name).filter(|found| !found.is_hide_set());
    let grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others: Vec<&str> = command
        .get_subcommands()
        .map(Command::get_name)
        .filter(|name| !grouped(name) && *name != "help")
        .collect();
    let room = command.get_subcommands().filter(|one| !one.is_hide_set()).map(|one| one.get_name().len());
    let room = room.max().unwrap_or_default() + 4;
    let mut text = format!("{{about-with-newline}}\n{usage}{}:{usage:#} {{usage}}\n", said("Usage"));
    for (title, names) in GROUPS.iter().copied().chain([(OTHERS, &others[..])]) {
        let listed: Vec<_> = names.iter().filter_map(|name| shown(name)).collect();
        if listed.is_empty() {
            continue;
        }
        let _ = write!(text, "\n{header}{}:{header:#}\n", said(title));
        for one in listed {
            let name = one.get_name();
            let about = one.get_about().map(ToString::to_string).unwrap_or_default();
            let about = wrapped(&about, columns.saturating_sub(room)).join(&format!("\n{:room$}", ""));
            let _ = writeln!(text, "  {literal}{name}{literal:#}{:1$}{about}", "", room - 2 - name.len());
        }
    }
    let more = "`lanpost COMMAND --help` tells all about one of them, with examples.";
    let _ =
        write!(text, "\n{}\n\n{header}{}:{header:#}\n{{options}}{{after-help}}", said(more), said(COMMON));
    text
}

/// The text in lines of at most `columns`, broken at blanks, and between the characters of scripts that have none.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut line) = (vec![], String::new());
    for word in pieces(text) {
        let full = print::width(&line) + print::width(word.trim_end()) > columns;
        if full && !line.is_empty() {
            lines.push(line.trim_end().to_owned());
            line.clear();
        }
        line.push_str(word);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// What may stand at the beginning of a line, each with the blanks behind it.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let wide =
        |c: char| print::width(c.encode_utf8(&mut [0; 4])) > 1 && !"，。；：、！？）”’》】".contains(c);
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut before = rest.chars().next()?;
        let at = rest.char_indices().skip(1).find(|(_, c)| {
            let breaks = before == ' ' && *c != ' ' || wide(*c);
            before = *c;
            breaks
        });
        let (piece, left) = rest.split_at(at.map_or(rest.len(), |(at, _)| at));
        rest = left;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_no_group_names_another() {
        let command = Cli::command();
        let all = GROUPS.iter().flat_map(|(_, names)| names.iter());
        for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            let times = all.clone().filter(|name| **name == one.get_name()).count();
            assert_eq!(times, 1, "name {} in one group of GROUPS", one.get_name());
        }
        for name in all {
            assert!(command.find_subcommand(name).is_some(), "{name} is no command");
        }
    }

    #[test]
    fn a_command_without_a_group_is_listed_all_the_same() {
        let command = Cli::command().subcommand(Command::new("newest").about("Something new"));
        let help = ordered(command, None).render_help().to_string();
        assert!(help.contains("Others:\n  newest"), "{help}");
        assert!(!help.contains(crate::app::demo::AGENT), "hidden: {help}");
        assert!(help.contains("Exit codes") && help.contains("Begin here"), "{help}");
    }

    #[test]
    fn no_line_is_wider_than_it_may_be_and_nothing_is_lost() {
        let text = "Send a message; returns when 它已经写进本机的稳定存储，不管共享文件夹在不在。Then more";
        for columns in [20, 33, 60] {
            let lines = wrapped(text, columns);
            assert!(lines.iter().all(|line| print::width(line) <= columns + 2), "{lines:?}");
            let same = |text: &str| text.replace(' ', "");
            assert_eq!(same(&lines.concat()), same(text));
            assert!(!lines.iter().any(|line| line.starts_with(['，', '。'])), "{lines:?}");
        }
        assert_eq!(wrapped("", 10), [""]);
    }
}
