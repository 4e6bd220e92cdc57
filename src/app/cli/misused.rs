//! What is wrong with the arguments, or the help and the version that they ask for.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use super::{Cli, exit, out};
use crate::app::{print, tongue};
use crate::error::{Error, Kind};
use crate::model::paths;

/// Prints it.
pub fn tell(error: &clap::Error) -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let json = wants_json(&words);
    // It repeats the words, and an agent may have copied one from a message.
    let said = error.render().to_string();
    // Help is in the person's language already.
    let is_help = !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let told = if is_help { said.as_str().into() } else { tongue::lines(tongue::of_stderr(), &said) };
    let shown = print::visible(&told);
    match undecodable(error, &words) {
        Some(error) => out::complain(json, exit::word(error.kind()), &error.to_string()),
        None if error.use_stderr() && json => {
            out::complain(true, exit::word(Kind::Usage), said.trim_end());
        }
        None if shown != said => eprint!("{shown}"),
        None => {
            let _ = error.print();
        }
    }
    ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE })
}

/// Whether `--json` is among the words, which may not parse: it has to be looked for by itself.
pub fn wants_json(words: &[OsString]) -> bool {
    words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json")
}

/// The error for words that should be text and are not; clap doesn't say which they are.
fn undecodable(error: &clap::Error, words: &[OsString]) -> Option<Error> {
    if error.kind() != ErrorKind::InvalidUtf8 {
        return None;
    }
    let odd = |at: &usize| words[*at].to_str().is_none();
    // Paths may be any bytes: those words are wrong that still are when all others are text.
    let alone = |at: usize| {
        let others = (0..words.len()).map(|i| match i == at {
            true => words[i].clone(),
            false => words[i].to_string_lossy().into_owned().into(),
        });
        Cli::try_parse_from(others).is_err_and(|error| error.kind() == ErrorKind::InvalidUtf8)
    };
    let wrong: Vec<String> = (0..words.len())
        .filter(odd)
        .filter(|at| alone(*at))
        .map(|at| format!("\"{}\"", paths::shown(words[at].as_encoded_bytes())))
        .collect();
    Some(
        Error::usage("read the argument", wrong.join(" and "), "it is not UTF-8").next(
            "type it in a terminal that is set to UTF-8, or pipe the text in: `lanpost send lab - < FILE`",
        ),
    )
}
