//! Answers of gateways: whether one took a message, how far its agent is, and what the agent answered.

use std::time::Duration;

use super::judge::{Judged, judge};
use super::{Envoy, EnvoyStep, Heard, mail};
use crate::error::Result;
use crate::model::a2a::{Answer, Progress, Task};
use crate::store::db::Message;

/// The pause after a gateway said that it was asked too often.
const LIMITED: Duration = Duration::from_secs(20);

impl Envoy {
    /// What came of a probe.
    pub(super) fn ready(&mut self, peer: &str, heard: &Heard, step: &mut EnvoyStep) {
        match heard {
            Heard::Answered { status: 200, .. } => {
                if let Some(line) = self.lines.get_mut(peer) {
                    line.circuit.answered();
                    line.outage = None;
                }
            }
            Heard::Answered { status: 503, .. } => self.out(peer, "is not ready", None, step),
            Heard::Answered { status, .. } => {
                self.out(peer, &format!("answered {status} when asked if it is ready"), None, step);
            }
            Heard::Unsent(why) | Heard::Lost(why) => self.out(peer, why, None, step),
        }
    }

    /// What came of handing a message over.
    pub(super) fn handed_over(
        &mut self,
        peer: &str,
        message: &Message,
        heard: &Heard,
        step: &mut EnvoyStep,
    ) -> Result<()> {
        let wall = self.node.clock.wall_ms();
        match judge(heard) {
            Judged::Answer(Answer::Task(Task { id, progress })) => {
                if let Some(line) = self.lines.get_mut(peer) {
                    line.circuit.taken();
                    line.refusal = None;
                }
                let url = self.lines.get(peer).map(|line| line.gateway.url.origin()).unwrap_or_default();
                let route = format!("to its agent through {url} (a2a, task {id})");
                self.node.db.errand_taken(message.n, &id, &route, wall)?;
                self.progress(peer, message, progress, step)
            }
            Judged::Answer(Answer::Limited) => {
                self.node.db.errand_undone(message, None, wall)?;
                self.wait(peer, LIMITED);
                Ok(())
            }
            Judged::Later(wait) => {
                self.node.db.errand_undone(message, None, wall)?;
                self.wait(peer, wait.unwrap_or(LIMITED));
                Ok(())
            }
            Judged::Answer(Answer::Refused(why)) => {
                self.leave(peer, message.n, &format!("its gateway did not take it: {why}"), step)?;
                self.refused(peer, &format!("refused a message: {why}"), None, step);
                Ok(())
            }
            Judged::Nothing { why, wait, passing } => {
                let alone = self.is_alone(peer)?;
                self.node.db.errand_undone(message, (!alone).then_some(why.as_str()), wall)?;
                match passing {
                    true => self.out(peer, &why, wait, step),
                    false => self.refused(peer, &why, wait, step),
                }
                Ok(())
            }
            Judged::Answer(Answer::Unknown) => {
                self.unknown(peer, message, "answered what nobody asked for", step)
            }
            Judged::Unknown(why) => self.unknown(peer, message, &why, step),
        }
    }

    fn unknown(&mut self, peer: &str, message: &Message, why: &str, step: &mut EnvoyStep) -> Result<()> {
        self.leave(peer, message.n, &format!("whether its gateway took it is not known: {why}"), step)?;
        self.refused(peer, why, None, step);
        Ok(())
    }

    /// What came of a question.
    pub(super) fn told(
        &mut self,
        peer: &str,
        message: &Message,
        heard: &Heard,
        step: &mut EnvoyStep,
    ) -> Result<()> {
        match judge(heard) {
            Judged::Answer(Answer::Task(task)) => self.progress(peer, message, task.progress, step),
            Judged::Answer(Answer::Unknown) => self.leave(
                peer,
                message.n,
                "its gateway forgot it: whether its agent got it is not known",
                step,
            ),
            Judged::Answer(Answer::Limited) => {
                self.wait(peer, LIMITED);
                Ok(())
            }
            Judged::Later(wait) => {
                self.wait(peer, wait.unwrap_or(LIMITED));
                Ok(())
            }
            Judged::Answer(Answer::Refused(why)) => {
                self.ask_later(peer, message, format!("refused to say: {why}"), step);
                Ok(())
            }
            Judged::Unknown(why) => {
                self.ask_later(peer, message, why, step);
                Ok(())
            }
            Judged::Nothing { why, wait, passing } => {
                match passing {
                    true => self.out(peer, &why, wait, step),
                    false => self.refused(peer, &why, wait, step),
                }
                Ok(())
            }
        }
    }

    /// How far the agent is with a message.
    fn progress(
        &mut self,
        peer: &str,
        message: &Message,
        progress: Progress,
        step: &mut EnvoyStep,
    ) -> Result<()> {
        let now = self.node.clock.now();
        match progress {
            Progress::Working => {
                self.lines.get_mut(peer).into_iter().for_each(|line| line.ask_later(message.n, now, None));
                Ok(())
            }
            Progress::Failed(why) => self.leave(peer, message.n, &format!("its agent failed: {why}"), step),
            Progress::Done(words) => {
                let wall = self.node.clock.wall_ms();
                let answer =
                    words.map(|words| mail::answer(&mut self.node, peer, message, &words)).transpose()?;
                let taken = self.node.db.errand_answered(message, answer.as_ref(), wall)?;
                step.arrived |= taken.new > 0;
                Ok(())
            }
        }
    }

    /// What was said about a message is of no use, which says nothing of other mail.
    fn ask_later(&mut self, peer: &str, message: &Message, why: String, step: &mut EnvoyStep) {
        let now = self.node.clock.now();
        let Some(line) = self.lines.get_mut(peer) else { return };
        if line.questions.get(&message.n).is_none_or(|question| question.trouble.is_none()) {
            step.notes.push(format!("asked about {}, the gateway of {peer} {why}", message.id));
        }
        line.ask_later(message.n, now, Some(why));
    }

    fn wait(&mut self, peer: &str, time: Duration) {
        let until = self.node.clock.now().saturating_add(time.min(Duration::from_secs(60)));
        self.lines.get_mut(peer).into_iter().for_each(|line| line.quiet_until = until);
    }

    /// The gateway is of no use for now, and a probe that goes well proves nothing.
    fn refused(&mut self, peer: &str, why: &str, wait: Option<Duration>, step: &mut EnvoyStep) {
        let seen = (why.to_owned(), self.node.clock.wall_ms());
        self.lines.get_mut(peer).into_iter().for_each(|line| line.refusal = Some(seen.clone()));
        self.out(peer, why, wait, step);
    }

    /// The gateway is of no use until a probe goes well.
    fn out(&mut self, peer: &str, why: &str, wait: Option<Duration>, step: &mut EnvoyStep) {
        let (now, wall) = (self.node.clock.now(), self.node.clock.wall_ms());
        if let Some(line) = self.lines.get_mut(peer) {
            line.circuit.failed(now, wait);
            line.outage = Some((why.to_owned(), wall));
            step.left = true;
        }
    }
}
