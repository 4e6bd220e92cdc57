//! Running one program for a peer: no shell, nothing on stdin, a time limit, and as much of its output as is allowed.
//!
//! - Environment: the daemon's own, with `LANPOST_INSTANCE`, `LANPOST_CONFIG`, `LANPOST_BIN`, and of the question
//!   `LANPOST_COMMAND`, `LANPOST_FROM` and `LANPOST_ID`.
//! - At its deadline it is killed with all it started. What it started and left running when it ended goes on.
//! - Output beyond the limit is read and thrown away, so that the program never blocks on it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::engine::exec::{ExecOrder, ExecResult};
use crate::model::exec::{Answer, Status};
use crate::model::text::said;
use crate::sys::process::{self, Tree};

/// How long output is read after the program has ended: something it started may hold the pipe open.
const DRAIN: Duration = Duration::from_millis(500);

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
            Ok(child) => attend(child, &order).await,
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
        if let Some(folder) = &order.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process::isolate(&mut command);
        Command::from(command).kill_on_drop(true).spawn()
    }
}

async fn attend(mut child: Child, order: &ExecOrder) -> Answer {
    let tree = Tree::of(child.id());
    let (enough, until) = watch::channel(false);
    let stdout = tokio::spawn(keep(child.stdout.take(), order.output, until.clone()));
    let stderr = tokio::spawn(keep(child.stderr.take(), order.output, until));
    let ended = timeout(order.timeout, child.wait()).await;
    match &ended {
        Err(_) => {
            tree.kill();
            let _ = child.kill().await;
        }
        Ok(_) => tree.let_go(),
    }
    let kept = async { (stdout.await.unwrap_or_default(), stderr.await.unwrap_or_default()) };
    tokio::pin!(kept);
    let (stdout, stderr) = match timeout(DRAIN, &mut kept).await {
        Ok(kept) => kept,
        Err(_) => {
            enough.send_replace(true);
            kept.await
        }
    };
    let answer = Answer {
        status: Status::Ran,
        exit: None,
        stdout: said::text(&stdout.bytes),
        stderr: said::text(&stderr.bytes),
        cut: stdout.cut || stderr.cut,
        reason: None,
    };
    match ended {
        Err(_) => {
            let reason = format!("killed after {}", humantime::format_duration(order.timeout));
            Answer { status: Status::Timeout, reason: Some(reason), ..answer }
        }
        Ok(Err(error)) => Answer { reason: Some(format!("lost sight of the program: {error}")), ..answer },
        Ok(Ok(status)) => {
            let reason = status.code().is_none().then(|| status.to_string());
            Answer { exit: status.code(), reason, ..answer }
        }
    }
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    cut: bool,
}

/// Reads to the end, or until it is told that this is enough, and keeps the first `most` bytes.
async fn keep(pipe: Option<impl AsyncRead + Unpin>, most: usize, mut enough: watch::Receiver<bool>) -> Kept {
    let mut kept = Kept::default();
    let Some(mut pipe) = pipe else { return kept };
    let mut buffer = [0; 8192];
    loop {
        let read = tokio::select! {
            read = pipe.read(&mut buffer) => read,
            _ = enough.wait_for(|enough| *enough) => return kept,
        };
        let Ok(read @ 1..) = read else { return kept };
        let fits = read.min(most - kept.bytes.len());
        kept.bytes.extend_from_slice(&buffer[..fits]);
        kept.cut |= fits < read;
    }
}
