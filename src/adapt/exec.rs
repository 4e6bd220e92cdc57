//! Running one program for a peer: no shell, nothing on stdin, a time limit, and as much of its output as is allowed.
//!
//! - Environment: the daemon's own, with `LANPOST_INSTANCE`, `LANPOST_CONFIG`, `LANPOST_BIN`, and of the question
//!   `LANPOST_COMMAND`, `LANPOST_FROM` and `LANPOST_ID`.
//! - It is attended as `program` says; of its output the beginning is kept.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::program::{Done, Keep, attend};
use crate::engine::exec::{ExecOrder, ExecResult};
use crate::model::exec::{Answer, Status};
use crate::model::text::said;
use crate::sys::{dirs, process};

/// How programs are run for peers.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Our own instance.
    pub instance: String,
    /// The config file, so that a program can call the CLI.
    pub config: PathBuf,
}

impl Programs {
    /// Runs one order to its end or its deadline. Dropping the future kills the program.
    pub async fn run(&self, order: ExecOrder) -> ExecResult {
        let answer = match self.spawn(&order) {
            Ok(child) => answered(attend(child, order.timeout, Keep::First(order.output)).await, &order),
            Err(error) => {
                let program = order.argv.first().map(String::as_str).unwrap_or_default();
                Answer::without(Status::Refused, format!("could not start {program}: {error}"))
            }
        };
        ExecResult { question: order.question, answer }
    }

    fn spawn(&self, order: &ExecOrder) -> std::io::Result<Child> {
        let (program, words) = order.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut command = std::process::Command::new(program);
        let text = |text: &str| OsString::from(text.replace('\0', ""));
        command.args(words).envs([
            ("LANPOST_INSTANCE", text(&self.instance)),
            ("LANPOST_COMMAND", text(&order.command)),
            ("LANPOST_FROM", text(&order.question.from)),
            ("LANPOST_ID", text(order.question.id.as_str())),
            ("LANPOST_CONFIG", self.config.clone().into_os_string()),
            ("LANPOST_BIN", process::executable().into_os_string()),
        ]);
        command.env_remove(dirs::LANGUAGE);
        if let Some(folder) = &order.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process::isolate(&mut command);
        Command::from(command).kill_on_drop(true).spawn()
    }
}

/// The answer that its end makes.
fn answered(done: Done, order: &ExecOrder) -> Answer {
    let answer = Answer {
        status: Status::Ran,
        exit: None,
        stdout: said::text(&done.stdout.bytes),
        stderr: said::text(&done.stderr.bytes),
        cut: done.stdout.cut || done.stderr.cut,
        reason: None,
    };
    match done.ended {
        None => {
            let reason = format!("killed after {}", humantime::format_duration(order.timeout));
            Answer { status: Status::Timeout, reason: Some(reason), ..answer }
        }
        Some(Err(error)) => Answer { reason: Some(format!("lost sight of the program: {error}")), ..answer },
        Some(Ok(status)) => {
            let reason = status.code().is_none().then(|| status.to_string());
            Answer { exit: status.code(), reason, ..answer }
        }
    }
}
