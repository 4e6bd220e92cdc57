//! Waking by a command: started once per batch, mail on stdin, judged by its exit code.
//!
//! - argv as configured, no shell; stdin is the JSON array of the messages, as `lanpost inbox --json` shows them
//!   (UTF-8; on Windows in ASCII, since programs there read pipes in the ANSI code page), or, if the config says so, the
//!   text for agents (UTF-8).
//! - Environment: `LANPOST_INSTANCE`, `LANPOST_AGENT`, `LANPOST_WAKE`, `LANPOST_ATTEMPT`, `LANPOST_COUNT`,
//!   `LANPOST_IDS` and `LANPOST_FROM` (separated by spaces; an id that is none of ours is a number as in `n123`, a sender
//!   that is no address is `unknown`), `LANPOST_VERIFIED` (`true` if that is sure of all of them), `LANPOST_TEXT` (the text
//!   for agents), `LANPOST_CONFIG`, `LANPOST_BIN`; without `LANPOST_LANG`, which is for whoever started the daemon.
//! - Exit codes (sysexits.h): 0 done; 75 and anything unknown, a crash or a signal: try again; 64-78: never again.
//! - It is attended as `program` says; killed at its deadline counts as temporary, and the end of stderr is kept for
//!   the trace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::adapt::program::{Keep, attend};
use crate::engine::wake::{Outcome, WakeOrder, WakeResult};
use crate::model::ascii;
use crate::model::config::{Config, Feed};
use crate::model::name::Address;
use crate::model::text::said;
use crate::model::wake::{UNKNOWN, told};
use crate::sys::{dirs, process};

/// How much of the end of stderr is told, in bytes of UTF-8.
const TOLD: usize = 500;
/// How much of it is kept to be read: whole lines, so that it is seen how each was written.
const KEPT: usize = 16 * 1024;

/// How to run the command.
#[derive(Clone, Debug)]
pub struct WakeCommand {
    /// The program and its arguments; not empty.
    pub argv: Vec<String>,
    /// Killed after this long.
    pub timeout: Duration,
    /// Our own instance.
    pub instance: String,
    /// The config file, so that the command can call the CLI.
    pub config: PathBuf,
    /// What it reads.
    pub stdin: Feed,
}

impl WakeCommand {
    /// The command of a config, which was read from `path`.
    pub fn of(config: &Config, path: &Path) -> WakeCommand {
        WakeCommand {
            argv: config.wake.command.clone(),
            timeout: config.wake.timeout,
            instance: config.instance.to_string(),
            config: path.to_owned(),
            stdin: config.wake.stdin,
        }
    }

    /// Runs the command for one order, to its end or its deadline. Dropping the future kills the command.
    pub async fn run(&self, order: &WakeOrder) -> WakeResult {
        let child = self.spawn(order);
        let reached = child.is_ok();
        let (outcome, detail) = match child {
            Ok(child) => self.see_through(child, order).await,
            Err(error) => {
                let program = self.argv.first().map(String::as_str).unwrap_or_default();
                (Outcome::Temporary, format!("could not start {program}: {error}"))
            }
        };
        WakeResult { wake: order.wake, outcome, reached, retry_after: None, detail, said: String::new() }
    }

    fn spawn(&self, order: &WakeOrder) -> std::io::Result<Child> {
        let (program, arguments) = self.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut command = std::process::Command::new(program);
        command.args(arguments).envs(self.environment(order)).env_remove(dirs::LANGUAGE);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process::isolate(&mut command);
        Command::from(command).kill_on_drop(true).spawn()
    }

    fn environment(&self, order: &WakeOrder) -> Vec<(&'static str, OsString)> {
        let marks = order.marks();
        let ids: Vec<_> = marks.iter().map(|mark| mark.id.as_str()).collect();
        let mut senders: Vec<_> = marks.iter().map(|mark| sender(mark.from)).collect();
        senders.sort_unstable();
        senders.dedup();
        let text = |text: String| OsString::from(text.replace('\0', ""));
        vec![
            ("LANPOST_INSTANCE", text(self.instance.clone())),
            ("LANPOST_AGENT", text(order.agent.clone())),
            ("LANPOST_WAKE", text(order.wake.to_string())),
            ("LANPOST_ATTEMPT", text(order.attempt.to_string())),
            ("LANPOST_COUNT", text(order.messages.len().to_string())),
            ("LANPOST_IDS", text(ids.join(" "))),
            ("LANPOST_FROM", text(senders.join(" "))),
            ("LANPOST_VERIFIED", text(told::is_verified(&marks).to_string())),
            ("LANPOST_TEXT", text(order.text.clone())),
            ("LANPOST_CONFIG", self.config.clone().into_os_string()),
            ("LANPOST_BIN", process::executable().into_os_string()),
        ]
    }

    async fn see_through(&self, mut child: Child, order: &WakeOrder) -> (Outcome, String) {
        let mail = match self.stdin {
            Feed::Text => order.text.clone(),
            Feed::Json => {
                let json = serde_json::to_string(&order.messages).unwrap_or_default();
                if process::pipes_are_utf8() { json } else { ascii::escaped(&json) }
            }
        };
        let stdin = child.stdin.take();
        let feed = tokio::spawn(async move {
            if let Some(mut stdin) = stdin {
                // A command that doesn't read its stdin is fine.
                let _ = stdin.write_all(mail.as_bytes()).await;
            }
        });
        let done = attend(child, self.timeout, Keep::Last(KEPT)).await;
        feed.abort();
        match done.ended {
            None => {
                let limit = humantime::format_duration(self.timeout);
                (Outcome::Temporary, worded(&format!("killed after {limit}"), &done.stderr.bytes))
            }
            Some(Err(error)) => (Outcome::Temporary, format!("lost sight of the command: {error}")),
            Some(Ok(status)) => (judge(status.code()), worded(&describe(status), &done.stderr.bytes)),
        }
    }
}

/// A sender as one word: text that is no address could hold another's.
fn sender(from: &str) -> &str {
    if from.parse::<Address>().is_ok() { from } else { UNKNOWN }
}

/// What an exit code means; `None` is a signal.
fn judge(code: Option<i32>) -> Outcome {
    match code {
        Some(0) => Outcome::Done,
        Some(75) => Outcome::Temporary,
        Some(64..=78) => Outcome::Permanent,
        // A Rust panic exits 101, a shell's "not found" 127: both may be mended.
        _ => Outcome::Temporary,
    }
}

fn describe(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

/// How it ended, and the last of what it said, whatever code page it wrote that in.
fn worded(how: &str, stderr: &[u8]) -> String {
    match said::end(said::text(stderr).trim(), TOLD) {
        "" => how.to_owned(),
        said => format!("{how}: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::{Encoding, encode};

    #[test]
    fn exit_codes_follow_sysexits() {
        for (code, outcome) in [
            (Some(0), Outcome::Done),
            (Some(75), Outcome::Temporary),
            (Some(64), Outcome::Permanent),
            (Some(78), Outcome::Permanent),
            (Some(1), Outcome::Temporary),
            (Some(101), Outcome::Temporary),
            (Some(127), Outcome::Temporary),
            (None, Outcome::Temporary),
        ] {
            assert_eq!(judge(code), outcome, "{code:?}");
        }
    }

    #[test]
    fn a_sender_that_is_no_address_names_nobody() {
        for from in ["x office/main", "office\nmain", "", "office/", "a\u{2028}b"] {
            assert_eq!(sender(from), "unknown", "{from:?}");
        }
        assert_eq!((sender("office/main"), sender("办公室")), ("office/main", "办公室"));
    }

    #[test]
    fn what_it_says_is_read_in_the_code_page_it_was_written_in() {
        let gbk = encode("系统找不到指定的文件。\r\n", Encoding::Gb18030, false);
        assert_eq!(worded("killed", &gbk), "killed: 系统找不到指定的文件。");
        assert_eq!(worded("killed", "找不到\n".as_bytes()), "killed: 找不到");
        assert_eq!(worded("killed", b" \r\n"), "killed");
        // More than is told: the end, from a whole character on.
        let long = gbk.repeat(3000);
        let told = worded("killed", &long[long.len() - KEPT..]);
        assert!(told.len() <= "killed: ".len() + TOLD && told.ends_with("系统找不到指定的文件。"), "{told}");
        assert!(!told.contains('\u{fffd}'), "{told}");
    }
}
