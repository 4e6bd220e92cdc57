//! Commands of peers, for a program.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::Node;
use crate::engine::ops;
use crate::error::Result;
use crate::model::exec::Answer;
use crate::model::name::Address;
use crate::model::state::State;
use crate::store::db::Message;

/// What came of a command that a peer was asked to run.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The question as it stands; its `outcome` says why it failed or expired, if it did.
    pub question: Message,
    /// What the peer said; `None`: nothing in time, or the question came to nothing.
    pub answer: Option<Answer>,
}

impl Node {
    /// Has a peer run a command that its config offers to us, and waits for `patience` at most; what was not begun by then is
    /// not begun any more. `seal`: nobody else may read the arguments and the output on their way.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use std::time::Duration;
    /// use lanpost::{Config, ExecStatus, Node};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let place = |name: &str| folder.path().join(name);
    /// # std::fs::create_dir(place("share"))?;
    /// let mut office = Node::create(Config::new("office".parse()?, place("share"), place("office")))?;
    /// let lab = Node::create(Config::new("lab".parse()?, place("share"), place("lab")))?;
    /// office.look()?;
    /// let daemon = lab.start()?;
    ///
    /// let done = office.exec("lab".parse()?, "build", BTreeMap::new(), false, Duration::from_secs(60))?;
    /// let answer = done.answer.ok_or("no answer")?;
    /// assert_eq!(answer.status, ExecStatus::Refused, "the config of lab offers no such command");
    /// daemon.stop()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As of [`send`](Node::send); an answer that can't be read.
    pub fn exec(
        &mut self,
        to: Address,
        command: &str,
        args: BTreeMap<String, Value>,
        seal: bool,
        patience: Duration,
    ) -> Result<Executed> {
        let question = ops::exec(&mut self.core, to, command, args, patience, seal)?;
        let answer = self.until(patience, |core| {
            if let Some((message, answer)) = ops::answer(core, &question)? {
                if !message.state.is_final() {
                    // It was heard: nobody is to find it in the inbox.
                    ops::ack(core, &[format!("{}:{}", message.peer, message.id)], None)?;
                }
                return Ok(Some(Some(answer)));
            }
            let state = ops::state_of(core, &question)?.state;
            // Done, and the answer is on its way.
            let over = state.is_final() && state != State::Processed;
            Ok(over.then_some(None))
        })?;
        Ok(Executed { question: ops::state_of(&self.core, &question)?, answer: answer.flatten() })
    }
}
