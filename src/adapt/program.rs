//! A program that was started: seen to its end or its deadline, with what it says.
//!
//! - At its deadline it is killed with all it started. What it started and left running when it ended goes on.
//! - What it says is read to the end, so that it never blocks on it, and the part that is asked for is kept. Something
//!   that it left running may hold its pipes open: then what was read up to then is all.

use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::sys::process::Tree;

/// How long output is read after the program has ended: as long as our own reader may be late on a busy PC.
const DRAIN: Duration = Duration::from_secs(1);

/// Which part of an output is kept, in bytes.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    /// Its beginning.
    First(usize),
    /// Its end.
    Last(usize),
}

/// What came of a program.
#[derive(Debug)]
pub struct Done {
    /// How it ended by itself; `None` if it was killed at its deadline.
    pub ended: Option<io::Result<ExitStatus>>,
    /// What it said.
    pub stdout: Said,
    /// What it said of errors.
    pub stderr: Said,
}

/// What was kept of an output.
#[derive(Debug, Default)]
pub struct Said {
    /// The part that was asked for.
    pub bytes: Vec<u8>,
    /// Whether there was more of it.
    pub cut: bool,
}

/// Waits for an isolated child, for `limit` at most. Dropping the future kills it.
pub async fn attend(mut child: Child, limit: Duration, keep: Keep) -> Done {
    let tree = Tree::of(child.id());
    let (enough, until) = watch::channel(());
    let stdout = tokio::spawn(listen(child.stdout.take(), keep, until.clone()));
    let stderr = tokio::spawn(listen(child.stderr.take(), keep, until));
    let ended = timeout(limit, child.wait()).await.ok();
    if ended.is_none() {
        tree.kill();
        let _ = child.kill().await;
    }
    tree.let_go();
    let said = async { (stdout.await.unwrap_or_default(), stderr.await.unwrap_or_default()) };
    tokio::pin!(said);
    let (stdout, stderr) = match timeout(DRAIN, &mut said).await {
        Ok(said) => said,
        Err(_) => {
            drop(enough);
            said.await
        }
    };
    Done { ended, stdout, stderr }
}

/// Reads to the end, or until the other side of `enough` is gone.
async fn listen(pipe: Option<impl AsyncRead + Unpin>, keep: Keep, mut enough: watch::Receiver<()>) -> Said {
    let Some(mut pipe) = pipe else { return Said::default() };
    let (Keep::First(most) | Keep::Last(most)) = keep;
    let (mut kept, mut cut) = (VecDeque::new(), false);
    let mut buffer = [0; 8192];
    loop {
        let read = tokio::select! {
            read = pipe.read(&mut buffer) => read,
            _ = enough.changed() => break,
        };
        let Ok(read @ 1..) = read else { break };
        kept.extend(&buffer[..read]);
        let more = kept.len().saturating_sub(most);
        cut |= more > 0;
        match keep {
            Keep::First(_) => kept.truncate(most),
            Keep::Last(_) => drop(kept.drain(..more)),
        }
    }
    Said { bytes: kept.into(), cut }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn the_part_that_is_asked_for_is_kept() {
        for (keep, told, kept, cut) in [
            (Keep::First(4), "abcdef", "abcd", true),
            (Keep::Last(4), "abcdef", "cdef", true),
            (Keep::First(6), "abcdef", "abcdef", false),
            (Keep::Last(6), "abcdef", "abcdef", false),
            (Keep::First(0), "a", "", true),
            (Keep::Last(9), "", "", false),
        ] {
            let (_enough, until) = watch::channel(());
            let said = listen(Some(told.as_bytes()), keep, until).await;
            assert_eq!((&*said.bytes, said.cut), (kept.as_bytes(), cut), "{keep:?} of {told}");
        }
    }

    #[tokio::test]
    async fn what_was_said_is_kept_though_the_pipe_stays_open() {
        // It takes the second word only when the first was read.
        let (mut speaker, pipe) = tokio::io::duplex(5);
        let (enough, until) = watch::channel(());
        let heard = tokio::spawn(listen(Some(pipe), Keep::Last(64), until));
        speaker.write_all(b"later").await.unwrap();
        speaker.write_all(b"!").await.unwrap();
        drop(enough);
        assert!(heard.await.unwrap().bytes.starts_with(b"later"));
    }
}
