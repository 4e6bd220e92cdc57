//! One step of setting up or ruling a service, as data: shown by `--print`, taken by `perform`.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::sys::files;

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Write a file.
    Write {
        /// Where.
        path: PathBuf,
        /// What.
        text: String,
    },
    /// Remove a file.
    Remove {
        /// Which.
        path: PathBuf,
    },
    /// Run a program of the system's.
    Run {
        /// The program and its arguments.
        command: Vec<String>,
    },
    /// Register with the Windows service control manager, or change what is registered there.
    Register(Definition),
    /// Give a Windows account the right to run services.
    Allow {
        /// Which.
        account: String,
    },
    /// Ask the Windows service control manager for something.
    Control {
        /// The service's name.
        name: String,
        /// `start`, `stop` or `delete`.
        deed: Control,
    },
}

/// A service as the Windows service control manager knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// The name that services.msc shows.
    pub display: String,
    /// What it is, for people.
    pub description: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The account it runs as.
    pub account: String,
    /// After how many seconds a failed service is started again: the first time, the second, from then on.
    pub restart_after: [u32; 3],
}

/// What the Windows service control manager is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// Start it, and wait until it runs.
    Start,
    /// Stop it, and wait until it has stopped.
    Stop,
    /// Remove it.
    Delete,
}

impl Step {
    /// A program of the system's, and its arguments.
    pub fn run(command: &[&str]) -> Step {
        Step::Run { command: command.iter().map(|word| (*word).to_owned()).collect() }
    }
}

/// For people: what is done, and to what.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Write { path, .. } => write!(f, "write {}", path.display()),
            Step::Remove { path } => write!(f, "remove {}", path.display()),
            Step::Run { command } => {
                write!(f, "run {}", line(command))
            }
            Step::Register(new) => write!(
                f,
                "register the service {} ({}), as {}, started with the system a little later than others, started \
                 anew {} s, {} s and {} s after a failure: {}",
                new.name,
                new.display,
                new.account,
                new.restart_after[0],
                new.restart_after[1],
                new.restart_after[2],
                line(&new.command)
            ),
            Step::Allow { account } => write!(f, "give {account} the right to run services"),
            Step::Control { name, deed: Control::Delete } => write!(f, "remove the service {name}"),
            Step::Control { name, deed: Control::Start } => write!(f, "start the service {name}"),
            Step::Control { name, deed: Control::Stop } => write!(f, "stop the service {name}"),
        }
    }
}

/// A command as one line.
pub fn line(command: &[String]) -> String {
    let quote = |word: &String| match word.contains([' ', '(', '*']) || word.is_empty() {
        true => format!("\"{word}\""),
        false => word.clone(),
    };
    command.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Takes a step that is the same everywhere; `hint` is what to do when it is not allowed.
///
/// # Errors
/// What the system said, in its words.
pub fn perform(step: &Step, hint: &str) -> Result<()> {
    let done = match step {
        Step::Write { path, text } => match files::replace(path, text.as_bytes()) {
            Err(error) if error.kind() == Kind::Denied => Err(error.next(hint)),
            done => done,
        },
        Step::Remove { path } => files::remove(path),
        Step::Run { command } => run(command).map(drop),
        Step::Register(_) | Step::Allow { .. } | Step::Control { .. } => {
            Err(Error::usage("do it", step, "only Windows has such services"))
        }
    };
    done.map_err(|error| if error.kind() == Kind::Denied { error.next(hint) } else { error })
}

/// Runs a program of the system's to its end; its output.
///
/// # Errors
/// It is not there, or it failed: what it said last.
pub fn run(command: &[String]) -> Result<String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(String::new()) };
    let shown = Step::Run { command: command.to_vec() }.to_string();
    let shown = shown.trim_start_matches("run ");
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let done = done.map_err(|error| {
        Error::new(Kind::of(&error), "run", shown, &error).next(format!("{program} is needed for this"))
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if done.status.success() {
        return Ok(text(&done.stdout));
    }
    let said = [text(&done.stderr), text(&done.stdout)].join("\n");
    let cause = match said.trim() {
        "" => done.status.to_string(),
        said => said.lines().last().unwrap_or_default().to_owned(),
    };
    let denied = ["denied", "not permitted", "authentication required"];
    let lower = said.to_lowercase();
    let kind = if denied.iter().any(|word| lower.contains(word)) { Kind::Denied } else { Kind::Io };
    Err(Error::new(kind, "run", shown, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_says_what_the_program_said() {
        let this = crate::sys::process::executable().to_string_lossy().into_owned();
        let error = run(&[this.clone(), "--no-such-option".into()]).unwrap_err().to_string();
        assert!(error.contains("--no-such-option: ") && error.contains("no-such-option'"), "{error}");
        let error = run(&["no-such-program".to_owned()]).unwrap_err();
        assert!(error.is_not_found() && error.to_string().contains("is needed"), "{error}");
        assert!(run(&[this, "--help".into()]).unwrap().contains("Usage"));
    }

    #[test]
    fn a_step_reads_as_what_it_does() {
        let step = Step::run(&["icacls", "C:\\a b", "/grant", "*S-1-5-20:(OI)(CI)M"]);
        assert_eq!(step.to_string(), "run icacls \"C:\\a b\" /grant \"*S-1-5-20:(OI)(CI)M\"");
    }
}
