//! One step of setting up or ruling a service, as data: shown by `--print`, taken by `perform`.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::model::text::said;
use crate::sys::{files, process};

/// How many lines of a program that failed are told: its last may be a summary, and the cause stands before it.
const LINES: usize = 3;

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

/// Whether a command line that is registered with Windows, quoted in whatever way, is lanpost as the service `name`.
pub fn hosts(registered: &str, name: &str) -> bool {
    registered.replace('"', "").trim_end().ends_with(&format!(" service host {name}"))
}

/// A command as one line, as a person would type it here.
fn line(command: &[String]) -> String {
    process::shell().line(command)
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
            Err(Error::usage(step.to_string(), "", "only Windows has such services"))
        }
    };
    done.map_err(|error| if error.kind() == Kind::Denied { error.next(hint) } else { error })
}

/// Runs a program of the system's to its end; its output.
///
/// # Errors
/// It is not there, or it failed: what it said last, in whatever code page.
pub fn run(command: &[String]) -> Result<String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(String::new()) };
    let shown = Step::Run { command: command.to_vec() }.to_string();
    let shown = shown.trim_start_matches("run ");
    // systemctl's words are looked at, so they must be English.
    let done = Command::new(program).args(arguments).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output();
    let done = done.map_err(|error| {
        Error::new(Kind::of(&error), "run", shown, &error).next(format!("{program} is needed for this"))
    })?;
    if done.status.success() {
        return Ok(said::text(&done.stdout).trim().to_owned());
    }
    let all = format!("{}\n{}", said::text(&done.stderr), said::text(&done.stdout));
    let cause = match said::last_lines(&all, LINES) {
        silent if silent.is_empty() => done.status.to_string(),
        told => told,
    };
    let kind = if is_denied(program, done.status.code(), &all) { Kind::Denied } else { Kind::Io };
    Err(Error::new(kind, "run", shown, cause))
}

/// Whether a program failed for want of rights. icacls ends with Windows' number for it, and says it in the system's
/// language; reg has but one exit code; systemctl and launchctl say it in English.
fn is_denied(program: &str, code: Option<i32>, said: &str) -> bool {
    const WORDS: [&str; 5] = ["denied", "not permitted", "authentication required", "拒绝访问", "存取被拒"];
    let said = said.to_lowercase();
    (program == "icacls" && code == Some(5)) || WORDS.iter().any(|word| said.contains(word))
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
    fn another_program_s_service_is_told_from_ours() {
        let ours = r#""C:\Program Files\lanpost\lanpost.exe" --config "D:\邮件 a\lanpost.toml" service host lanpost-lab"#;
        assert!(hosts(ours, "lanpost-lab") && !hosts(ours, "lanpost-lab2") && !hosts(ours, "lab"));
        assert!(!hosts(r"C:\nssm\nssm.exe", "lanpost-lab"));
    }

    #[test]
    fn a_lack_of_rights_is_seen_in_any_language() {
        assert!(is_denied("icacls", Some(5), "C:\\邮件: Zugriff verweigert"));
        assert!(is_denied("reg", Some(1), "错误: 拒绝访问。"));
        assert!(is_denied("systemctl", Some(1), "Failed to enable unit: Access denied"));
        assert!(!is_denied("systemctl", Some(5), "Unit x.service not loaded."));
        assert!(!is_denied("icacls", Some(2), "The system cannot find the file specified."));
    }

    #[cfg(unix)]
    #[test]
    fn the_cause_is_told_and_not_only_the_summary_behind_it() {
        // icacls of a Chinese Windows, in GBK: "C:\a: 拒绝访问。", then its summary.
        let script =
            r"printf 'C:\\a: \276\334\276\370\267\303\316\312\241\243\r\n' >&2; echo 'failed: 1'; exit 5";
        let error = run(&["sh", "-c", script].map(str::to_owned)).unwrap_err();
        assert!(error.to_string().ends_with(": C:\\a: 拒绝访问。 / failed: 1"), "{error}");
        assert_eq!(error.kind(), Kind::Denied);
    }

    #[test]
    fn a_step_reads_as_what_it_does() {
        let step = Step::run(&["systemctl", "enable", "lanpost-lab"]);
        assert_eq!(step.to_string(), "run systemctl enable lanpost-lab");
    }

    #[cfg(unix)]
    #[test]
    fn a_command_can_be_pasted() {
        let step = Step::run(&["systemctl", "enable", "lanpost-\\xe5"]);
        assert_eq!(step.to_string(), r"run systemctl enable 'lanpost-\xe5'");
    }
}
