//! What becomes of mail, for a program: waiting for a state, taking back, putting off, letting in, dead letters.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Node;
use crate::engine::ops::{self, Author, Conversation, DeadLetter, Taken};
use crate::error::Result;
use crate::model::cancel::Order;
use crate::model::name::Address;
use crate::model::state::State;
use crate::store::db::Message;

/// Mail on its way, and mail that did not get there. Ids may be shortened to a beginning that no other message has.
impl Node {
    /// Waits until a message is as far as `state`, or at its end, for `patience` at most; returns it as it is then.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lanpost::{Config, Draft, Node, State, Taken};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let place = |name: &str| folder.path().join(name);
    /// # std::fs::create_dir(place("share"))?;
    /// let mut office = Node::create(Config::new("office".parse()?, place("share"), place("office")))?;
    /// let draft = |text| Ok::<_, lanpost::Error>(Draft { create: true, ..Draft::new(lab()?, text) });
    /// # fn lab() -> Result<lanpost::Address, lanpost::Error> {
    /// #     Ok("lab".parse().expect("it is a name"))
    /// # }
    ///
    /// let sent = office.send(draft("Is the build green?")?)?;
    /// let sent = office.wait_for(sent.id.as_str(), State::Sent, Duration::from_secs(60))?;
    /// assert!(sent.state.reached(State::Sent));
    ///
    /// // What is to go later waits here, and can be taken back.
    /// let tomorrow = chrono::Utc::now() + chrono::TimeDelta::days(1);
    /// let later = office.send(Draft { not_before: Some(tomorrow), ..draft("Good morning.")? })?;
    /// assert_eq!(office.scheduled()?.len(), 1);
    /// let taken = office.recall(later.id.as_str(), Duration::ZERO)?;
    /// assert!(matches!(taken, Taken::Cancelled(_)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As of [`trace`](Node::trace).
    pub fn wait_for(&mut self, id: &str, state: State, patience: Duration) -> Result<Message> {
        let message = ops::trace(&self.core, id)?.message;
        let there = |message: &Message| message.state.reached(state) || message.state.is_final();
        let found = self.until(patience, |core| Ok(Some(ops::state_of(core, &message)?).filter(&there)))?;
        found.map_or_else(|| ops::state_of(&self.core, &message), Ok)
    }

    /// Takes a message of ours back, as long as nobody read it; waits for its recipient's word, if it had left, for `patience`
    /// at most: [`Taken::UnderWay`] then, and [`trace`](Node::trace) tells later.
    ///
    /// # Errors
    /// None of ours has that id; the local store's. That it is too late is none.
    pub fn recall(&mut self, id: &str, patience: Duration) -> Result<Taken> {
        self.take_back(id, Order::Recall, patience)
    }

    /// Cancels a request of ours, even if it is being worked on; otherwise as [`recall`](Node::recall).
    ///
    /// # Errors
    /// None of ours has that id, or it is no request; the local store's.
    pub fn cancel(&mut self, id: &str, patience: Duration) -> Result<Taken> {
        self.take_back(id, Order::Cancel, patience)
    }

    fn take_back(&mut self, id: &str, order: Order, patience: Duration) -> Result<Taken> {
        let withdrawal = ops::take_back(&mut self.core, id, order, Author::Program)?;
        let settled = |core: &_| Ok(Some(ops::taken(core, &withdrawal)?).filter(|it| *it != Taken::UnderWay));
        Ok(self.until(patience, |core| settled(core))?.unwrap_or(Taken::UnderWay))
    }

    /// The conversation that a message belongs to, sent and received: its newest `most` messages.
    ///
    /// # Errors
    /// As of [`peek`](Node::peek).
    pub fn thread(&self, id: &str, most: usize) -> Result<Conversation> {
        ops::thread(&self.core, id, most)
    }

    /// Mail of ours that is to go later, the soonest first. What was put off is in the [`inbox`](Node::inbox) with `snoozed` in
    /// the filter.
    ///
    /// # Errors
    /// The local store's.
    pub fn scheduled(&self) -> Result<Vec<Message>> {
        ops::scheduled(&self.core)
    }

    /// Puts a message that came off until then: it is out of the inbox, and nobody is woken for it before.
    ///
    /// # Errors
    /// As of [`peek`](Node::peek); it is finished, or the time is over.
    pub fn snooze(&mut self, id: &str, until: DateTime<Utc>) -> Result<Message> {
        ops::snooze(&mut self.core, id, until)
    }

    /// Lets a message in that the config's policy holds for a person, who has looked at it. Its agent is woken.
    ///
    /// # Errors
    /// As of [`peek`](Node::peek); it is not held.
    pub fn release(&mut self, id: &str) -> Result<Message> {
        ops::release(&mut self.core, id)
    }

    /// Mail that came to nothing, the oldest first: ours that failed, expired or was refused, and mail that nobody could be
    /// woken for.
    ///
    /// # Errors
    /// The local store's.
    pub fn dead(&self) -> Result<Vec<DeadLetter>> {
        ops::dead(&self.core)
    }

    /// Sends dead letters of ours again, to `to` if that is given, and has agents woken again for those that came; all or none.
    /// A letter is sent again once: the second time this returns what was sent the first time.
    ///
    /// # Errors
    /// One is no dead letter, or was dropped; mail that came can't go to somebody else; and as of [`send`](Node::send).
    pub fn redrive(&mut self, ids: &[String], to: Option<&Address>) -> Result<Vec<Message>> {
        ops::redrive(&mut self.core, ids, to, Author::Program)
    }

    /// Drops dead letters: they are listed no more.
    ///
    /// # Errors
    /// One is no dead letter.
    pub fn drop_dead(&mut self, ids: &[String]) -> Result<Vec<Message>> {
        ops::drop_dead(&mut self.core, ids)
    }
}
