//! The language in which a person is spoken to: English, or with `LANPOST_LANG=zh` Chinese.
//!
//! The English texts stay where they are, in the code; a catalogue says what each is in Chinese, and a text is looked
//! up at the door, where it is printed. So nobody below this floor knows of languages, and whatever has no entry stays
//! English: a line is never empty or torn.
//!
//! Invariants: `LANPOST_LANG` alone decides, never the desktop's language. What programs read stays English: JSON, the
//! log, what lies on the share, what agents are told. What a message says, names and paths are never looked up.
//! Into a pipe whose reader may not take it for UTF-8 goes English: Chinese would be garbage there.

mod catalogue;
pub mod help;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::sync::LazyLock;

use crate::sys::{dirs, process};

pub use catalogue::Catalogue;

/// The Chinese catalogue, area by area. It is read when it is first needed: English costs nothing.
const CHINESE: [&str; 5] = [
    include_str!("zh/help.txt"),
    include_str!("zh/clap.txt"),
    include_str!("zh/deeds.txt"),
    include_str!("zh/causes.txt"),
    include_str!("zh/answers.txt"),
];

static CHOSEN: LazyLock<Option<Catalogue>> =
    LazyLock::new(|| dirs::env(dirs::LANGUAGE).filter(|value| is_chinese(value)).map(|_| chinese()));

/// The Chinese catalogue.
fn chinese() -> Catalogue {
    Catalogue::read(&CHINESE)
}

/// Whether a value means Chinese: `zh`, with or without region, script and encoding (`zh_CN.UTF-8`, `zh-Hans`).
fn is_chinese(value: &str) -> bool {
    let language = value.split(['-', '_', '.', '@']).next().unwrap_or_default();
    language.eq_ignore_ascii_case("zh")
}

/// What standard output speaks; `None`: English.
pub fn of_stdout() -> Option<&'static Catalogue> {
    chosen(io::stdout().is_terminal())
}

/// What standard error speaks; `None`: English.
pub fn of_stderr() -> Option<&'static Catalogue> {
    chosen(io::stderr().is_terminal())
}

/// What a question at the terminal itself is asked in; `None`: English.
pub fn of_terminal() -> Option<&'static Catalogue> {
    CHOSEN.as_ref()
}

/// A terminal shows any character; a pipe is read in an encoding that its reader alone knows.
fn chosen(terminal: bool) -> Option<&'static Catalogue> {
    CHOSEN.as_ref().filter(|_| terminal || process::pipes_are_utf8())
}

/// A text of ours in that language, or as it is.
pub fn said<'a>(tongue: Option<&Catalogue>, text: &'a str) -> Cow<'a, str> {
    match tongue.and_then(|tongue| tongue.text(text)) {
        Some(said) => Cow::Owned(said),
        None => Cow::Borrowed(text),
    }
}

/// The same, line by line.
pub fn lines<'a>(tongue: Option<&Catalogue>, text: &'a str) -> Cow<'a, str> {
    match tongue {
        Some(tongue) => {
            let lines = text.split('\n').map(|line| tongue.text(line).unwrap_or_else(|| line.to_owned()));
            Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
        }
        None => Cow::Borrowed(text),
    }
}
