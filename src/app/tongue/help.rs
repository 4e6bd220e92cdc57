//! The help in another language: clap's tree of commands with every text of it looked up, and clap's own words.
//!
//! Commands, options and the names of values (`FILE`, `STATE`) stay: they are typed, or named in the manual.

use clap::builder::StyledStr;
use clap::{Arg, Command};

use super::Catalogue;

/// As clap lays a help out, with its heading for the usage in place of the English one.
const TEMPLATE: &str = "{before-help}{about-with-newline}\n{usage-word}: {usage}\n\n{all-args}{after-help}";

/// The command and all below it, in this language.
pub fn translated(mut command: Command, tongue: &Catalogue) -> Command {
    // Only now clap adds its own: `help`, `--help`, `--version`, and what is global to each command.
    command.build();
    walk(command, tongue)
}

fn walk(mut command: Command, tongue: &Catalogue) -> Command {
    let text = |styled: Option<&StyledStr>| {
        styled.map(|it| super::lines(Some(tongue), &it.to_string()).into_owned())
    };
    let word = |word: &'static str| tongue.word(word).unwrap_or(word);
    if let Some(about) = text(command.get_about()) {
        command = command.about(about);
    }
    if let Some(about) = text(command.get_long_about()) {
        command = command.long_about(about);
    }
    if let Some(after) = text(command.get_after_help()) {
        command = command.after_help(after);
    }
    if let Some(after) = text(command.get_after_long_help()) {
        command = command.after_long_help(after);
    }
    command
        .help_template(TEMPLATE.replace("{usage-word}", word("Usage")))
        .subcommand_help_heading(word("Commands"))
        .mut_args(|arg| argument(arg, tongue))
        .mut_subcommands(|below| walk(below, tongue))
}

fn argument(mut arg: Arg, tongue: &Catalogue) -> Arg {
    let word = |word: &'static str| tongue.word(word).unwrap_or(word);
    let notes = notes(&arg, tongue);
    let text = |styled: &StyledStr| {
        let text = styled.to_string();
        let said = super::lines(Some(tongue), &text).into_owned();
        if notes.is_empty() { said } else { format!("{said} {notes}") }
    };
    if let Some(help) = arg.get_help().map(text) {
        arg = arg.help(help);
    }
    if let Some(help) = arg.get_long_help().map(text) {
        arg = arg.long_help(help);
    }
    let heading = match (arg.get_help_heading(), arg.is_positional()) {
        (Some(heading), _) => tongue.word(heading),
        (None, true) => Some(word("Arguments")),
        (None, false) => Some(word("Options")),
    };
    if let Some(heading) = heading {
        arg = arg.help_heading(heading);
    }
    // Under a heading of their own clap would sort them by name.
    if let Some(place) = arg.get_index() {
        arg = arg.display_order(place);
    }
    arg.hide_default_value(true).hide_possible_values(true)
}

/// What clap puts behind an argument's help, in brackets: its default, and what it may be.
fn notes(arg: &Arg, tongue: &Catalogue) -> String {
    let mut notes = vec![];
    let takes = arg.get_action().takes_values();
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes && !default.is_empty() && !arg.is_hide_default_value_set() {
        notes.push(super::said(Some(tongue), &format!("[default: {}]", default.join(" "))).into_owned());
    }
    let possible = arg.get_possible_values();
    let possible: Vec<_> = possible.iter().filter(|it| !it.is_hide_set()).map(|it| it.get_name()).collect();
    if takes && !possible.is_empty() && !arg.is_hide_possible_values_set() {
        notes.push(
            super::said(Some(tongue), &format!("[possible values: {}]", possible.join(", "))).into_owned(),
        );
    }
    notes.join(" ")
}
