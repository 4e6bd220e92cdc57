//! Running commands for peers: who may have what run, when, and what they are told. The adapter in `adapt/exec` runs them.
//!
//! - Only what the config names runs, only for the peers it names, and only if the question was verified: signed by
//!   the key that is pinned for that peer.
//! - The agent sees none of it: questions are not in the inbox, and reading or acknowledging one does nothing.
//! - A program runs at most once per question. What was begun when the daemon ended is answered as `lost`.
//! - A question that waited here for longer than its asker waits is not run any more.
//! - At most [`AT_ONCE`] run at a time, oldest first; the others wait.
//! - Whoever may not call a command hears the same, whether it exists or not.

use std::path::PathBuf;
use std::time::Duration;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::Value;

use crate::engine::node::Node;
use crate::engine::ops::{self, Draft};
use crate::error::Result;
use crate::model::exec::{Answer, Call, RESULT, RemoteCommand, Status};
use crate::model::name::Address;
use crate::model::state::State;
use crate::model::trust::Verdict;
use crate::store::db::Message;

/// Programs that run at the same time.
pub const AT_ONCE: usize = 4;
/// The longest rest: a question that nobody announced is found by then.
const IDLE: Duration = Duration::from_secs(5);
/// Room in an answer for what is not its content.
const ENVELOPE: usize = 2_048;
/// What a sealed answer may fill of a line: base64 makes four characters of three bytes, and a JSON text is escaped once.
const SEALED: (usize, usize) = (2, 3);

/// An order to run a program.
#[derive(Clone, Debug)]
pub struct ExecOrder {
    /// The question.
    pub question: Message,
    /// The command's name in the config.
    pub command: String,
    /// The program and its words.
    pub argv: Vec<String>,
    /// Where it runs; the daemon's own folder if none.
    pub folder: Option<PathBuf>,
    /// Killed after this.
    pub timeout: Duration,
    /// Bytes of stdout and of stderr that are kept, each.
    pub output: usize,
}

/// How an order ended.
#[derive(Clone, Debug)]
pub struct ExecResult {
    /// The question.
    pub question: Message,
    /// What its asker is told.
    pub answer: Answer,
}

/// What a step came to.
#[derive(Debug)]
pub struct ExecStep {
    /// Run this; its result goes into a later step.
    pub order: Option<ExecOrder>,
    /// A question that was refused, in words for the log.
    pub refused: Option<String>,
    /// How long to rest, unless mail comes in or a program ends.
    pub rest: Duration,
}

/// The commands of one instance, a step at a time, on the local store alone.
pub struct Runner {
    node: Node,
    running: usize,
    /// What was begun before was answered.
    begun: bool,
}

impl Runner {
    /// Takes `node`. Whoever calls holds the local lock of the state folder: what was begun before has no one any more.
    ///
    /// # Errors
    /// The local store's.
    pub fn new(node: Node) -> Result<Runner> {
        let mut runner = Runner { node, running: 0, begun: false };
        runner.begin()?;
        Ok(runner)
    }

    /// Answers what was begun before; `false` if nothing may be begun yet: a restored store has to be told first which
    /// questions it answered.
    fn begin(&mut self) -> Result<bool> {
        if self.begun || self.node.db.is_to_recall()? {
            return Ok(self.begun);
        }
        for question in self.node.db.questions(State::Read, usize::MAX >> 1)? {
            let reason = "the daemon ended while it ran; it is not run again";
            self.answer(&question, Answer::without(Status::Lost, reason))?;
        }
        self.begun = true;
        Ok(true)
    }

    /// Writes down how programs ended, and starts none. After an error it may be repeated.
    ///
    /// # Errors
    /// The local store's.
    pub fn note(&mut self, results: &[ExecResult]) -> Result<()> {
        for result in results {
            if self.answer(&result.question, result.answer.clone())? {
                self.running = self.running.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// One step; `results` are of the programs that ended since the last one. After an error it may be repeated.
    ///
    /// # Errors
    /// The local store's.
    pub fn step(&mut self, results: &[ExecResult]) -> Result<ExecStep> {
        self.note(results)?;
        let next = match self.begin()? && self.running < AT_ONCE {
            true => self.node.db.questions(State::Delivered, 1)?.pop(),
            false => None,
        };
        let Some(question) = next else { return Ok(ExecStep { order: None, refused: None, rest: IDLE }) };
        let (order, refused) = match self.judge(&question) {
            Ok(order) => {
                // Before it runs: after a crash it is known to have been begun. Its asker may have taken it back meanwhile.
                let now = self.node.clock.wall_ms();
                let begun = self.node.db.mark(std::slice::from_ref(&question), State::Read, None, now)? > 0;
                self.running += usize::from(begun);
                (begun.then_some(order), None)
            }
            Err(reason) => {
                let refused = format!("exec {} of {}: {reason}", question.id, question.from);
                self.answer(&question, Answer::without(Status::Refused, reason))?;
                (None, Some(refused))
            }
        };
        Ok(ExecStep { order, refused, rest: Duration::ZERO })
    }

    /// The order that a question comes to, or why it is refused, in words for its asker.
    fn judge(&self, question: &Message) -> Result<ExecOrder, String> {
        let call = Call::deserialize(&question.content)
            .map_err(|error| format!("the question can't be read: {error}"))?;
        let command = self.node.config.commands.get(&call.command);
        let allowed =
            |command: &&RemoteCommand| command.peers.iter().any(|peer| peer.fold() == question.peer);
        let Some(command) = command.filter(allowed).filter(|_| question.verdict == Some(Verdict::Verified))
        else {
            return Err(format!("{:?} is no command that you may call here", call.command));
        };
        if waited_too_long(question, self.node.clock.wall_ms()) {
            return Err("it waited here for longer than you wait for an answer".into());
        }
        let argv = command.words(&call.args)?;
        Ok(ExecOrder {
            question: question.clone(),
            command: call.command,
            argv,
            folder: command.folder.clone(),
            timeout: command.timeout,
            output: usize::try_from(command.output).unwrap_or(usize::MAX),
        })
    }

    fn answer(&mut self, question: &Message, mut answer: Answer) -> Result<bool> {
        // What its asker takes, if that is less than what we do; what its heartbeat says is its own matter.
        let known = self.node.db.peer(&question.peer)?;
        // A name that somebody made up gets no open slot of ours.
        let create = known.is_some();
        let asker = known.and_then(|peer| peer.heartbeat);
        let limit = self.node.config.limits.message.0.min(asker.map_or(u64::MAX, |beat| beat.max_message));
        let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(ENVELOPE);
        let sealed = question.sealed || self.node.config.seals(&question.peer);
        answer.fit(if sealed { room / SEALED.1 * SEALED.0 } else { room });
        let outcome = answer.outcome();
        let content = serde_json::to_value(&answer).unwrap_or(Value::Null);
        let reply = question.from.parse::<Address>().ok().map(|to| {
            let thread = question.thread.clone().unwrap_or_else(|| question.id.to_string());
            Draft {
                kind: Some(RESULT.into()),
                thread: Some(thread),
                in_reply_to: Some(question.id.clone()),
                create,
                ..Draft::new(to, content)
            }
        });
        let reply = match reply.map(|draft| ops::address(&self.node, draft)).transpose() {
            // Its asker is nobody we know, names no sealing key any more, or takes messages in which no answer has room: a
            // question ends without an answer before it ends the daemon.
            Err(error) if !error.is_in_store() => None,
            other => other?,
        };
        let ended = self.node.db.answer(question, reply.as_ref(), &outcome, self.node.clock.wall_ms())?;
        if ended {
            self.node.ring();
        }
        Ok(ended)
    }
}

/// By durations alone, each on one clock: how long the asker waits on its own, how long it has lain here on ours.
fn waited_too_long(question: &Message, now: i64) -> bool {
    let ms = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis());
    let patience = question.expires.as_deref().and_then(ms).zip(ms(&question.timestamp));
    let waited = ms(&question.at).map(|at| now.saturating_sub(at));
    patience.zip(waited).is_some_and(|((expires, sent), waited)| waited > expires.saturating_sub(sent).max(0))
}
