//! A node as other programs hold it: [`lanpost::Node`](crate::Node).
//!
//! Invariants: each method calls one operation of the engine and adds nothing but waiting; none but [`Node::look`] and those
//! that have patience touches the share, and these only while no daemon runs.

mod exec;
mod files;
mod groups;
mod inside;
mod keys;
mod sent;
mod tasks;
mod waiting;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::app::locate;
use crate::app::pass::{Passed, Passes, Work};
use crate::app::share::reach;
use crate::engine::login::Asks;
use crate::engine::node as core;
use crate::engine::ops::{self, Asking, Author, Draft, Found, News, PeerView, Status, Trace};
use crate::error::Result;
use crate::model::config::Config;
use crate::model::name::Name;
use crate::store::db::{Filter, Message, Scope};
use crate::sys::clock::{Clock, SystemClock};

pub use exec::Executed;
pub use inside::Daemon;
use waiting::{Glance, LOOK};

/// Who asks for a pass, as `lanpost status` names it to others.
const ROLE: &str = "library";

/// One instance on this PC, for a program: sends, asks, reads and answers its mail, shares its tasks.
///
/// Every method works on the local store and answers at once, whatever the share does; what has to wait says for how long.
/// Mail moves while a daemon of this instance runs: [`start`](Node::start) runs one within this program, `lanpost run` or the
/// service in another process. Without one, [`look`](Node::look) moves it once.
///
/// A node is for one thread at a time; [`another`](Node::another) opens one for the next thread. All calls block: from async
/// code use them in `spawn_blocking`. What a program does counts as done by a program, not by a person: see [`Author`].
///
/// ```
/// use lanpost::{Config, Draft, Filter, Node};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// std::fs::create_dir(folder.path().join("share"))?;
/// let place = |name: &str| folder.path().join(name);
/// let mut office = Node::create(Config::new("office".parse()?, place("share"), place("office")))?;
/// let mut lab = Node::create(Config::new("lab".parse()?, place("share"), place("lab")))?;
///
/// office.look()?; // sees that there is a lab
/// office.send(Draft::new("lab".parse()?, "Is the build green?"))?;
/// office.look()?; // puts it on the share
/// lab.look()?; // takes it in
/// let mail = lab.inbox(&Filter::default())?.remove(0);
/// assert_eq!(mail.content, "Is the build green?");
/// lab.reply(mail.id.as_str(), "Since noon.")?;
/// lab.ack(&[mail.id.to_string()])?;
/// # Ok(())
/// # }
/// ```
pub struct Node {
    core: core::Node,
    passes: Passes,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request as it stands; its `outcome` says why it failed, expired or was cancelled, if it did.
    pub request: Message,
    /// The answer. Without one the request is done all the same if it is `processed`.
    pub answer: Option<Message>,
}

impl Asked {
    /// Whether there may still be an answer: it comes as mail, or to [`Node::ask_again`].
    pub fn is_open(&self) -> bool {
        self.answer.is_none() && !self.request.state.is_final()
    }
}

impl Node {
    /// Sets an instance up and opens it: makes its state folder and key, and its mailbox on the share. An instance that is set
    /// up is left as it is. This touches the share; its folder must exist, and is never made.
    ///
    /// # Errors
    /// The share is missing, refuses or hangs; the name is taken by another installation.
    pub fn create(config: Config) -> Result<Node> {
        let clock = clock();
        let root = crate::sys::root::Root::new(&config.share.path);
        let share = reach(&config, root, "init", &clock, Asks::ByHand)?.share;
        let (asked, time) = (config.clone(), clock.clone());
        let work = Work::start(share, clock, move |share| ops::init(&asked, &*share, time, false))?;
        work.wait().unwrap_or_else(|| Err(work.error()))?;
        Node::open(config)
    }

    /// Opens an instance that is set up, by [`create`](Node::create) or by `lanpost init`.
    ///
    /// # Errors
    /// It is not set up ([`Kind::NotFound`](crate::Kind::NotFound)), or its store or key can't be used.
    pub fn open(config: Config) -> Result<Node> {
        Ok(Node { core: core::Node::open(config, clock())?, passes: Passes::default() })
    }

    /// Opens the instance of a config file; of `None` the one that the command line would take.
    ///
    /// # Errors
    /// There is no such file, it says something that is not allowed, or as of [`open`](Node::open).
    pub fn open_file(path: Option<&Path>) -> Result<Node> {
        Node::open(locate::load(path)?.0)
    }

    /// Another node of the same instance, for another thread.
    ///
    /// # Errors
    /// As of [`open`](Node::open).
    pub fn another(&self) -> Result<Node> {
        Node::open(self.core.config.clone())
    }

    /// The config in force.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Our own name.
    pub fn instance(&self) -> &Name {
        self.core.instance()
    }

    /// Whether a daemon of this instance runs, here or in another process.
    pub fn daemon_runs(&self) -> bool {
        self.core.daemon_runs()
    }

    /// Runs the daemon within this program, on threads of its own, until the [`Daemon`] is stopped or dropped. Returns when it
    /// is at work. Standard error and signals stay the program's; the log is in the state folder, `log/lanpost.log`.
    ///
    /// # Errors
    /// One runs already, here or in another process ([`Kind::Busy`](crate::Kind::Busy)), or the local store can't be used. A
    /// share that is away is no error: the daemon waits for it.
    pub fn start(&self) -> Result<Daemon> {
        Daemon::start(self.core.config.clone())
    }

    /// Looks at the share once: takes mail in, sends what waits. Nothing, while a daemon runs, which does so by itself.
    ///
    /// # Errors
    /// The share is away, hangs or refuses: mail waits in the local store. Or that fails.
    pub fn look(&mut self) -> Result<()> {
        match self.passes.pass(&self.core, ROLE)? {
            Passed::Done | Passed::DaemonRuns => Ok(()),
        }
    }

    /// Stores a message for sending: when this returns, it is on this PC's stable storage.
    ///
    /// # Errors
    /// The recipient was never seen ([`Kind::NotFound`](crate::Kind::NotFound), with near matches; `create` in the draft addresses
    /// it all the same), the message is over `limits.message`, another message has its id, too much waits for the recipient.
    pub fn send(&mut self, draft: Draft) -> Result<Message> {
        ops::send(&mut self.core, draft)
    }

    /// Sends a draft as a request and waits for the answer, which is finished then and no mail any more. `told` hears of what
    /// comes before: how far it is, that nobody could be woken. When `patience` is over the request stays open.
    ///
    /// # Errors
    /// As of [`send`](Node::send); the local store's.
    pub fn ask(&mut self, draft: Draft, patience: Duration, told: impl FnMut(&News)) -> Result<Asked> {
        let mut asking = Asking::new(&self.core);
        asking.ask(&mut self.core, draft)?;
        self.have_answer(asking, patience, told)
    }

    /// Waits again for the answer to a request of ours, by its id or a beginning of it that is unique.
    ///
    /// # Errors
    /// None of ours has that id; the local store's.
    pub fn ask_again(&mut self, id: &str, patience: Duration, told: impl FnMut(&News)) -> Result<Asked> {
        let mut asking = Asking::new(&self.core);
        asking.ask_again(&mut self.core, id)?;
        self.have_answer(asking, patience, told)
    }

    fn have_answer(
        &mut self,
        mut asking: Asking,
        patience: Duration,
        mut told: impl FnMut(&News),
    ) -> Result<Asked> {
        let until = self.core.clock.now().saturating_add(patience);
        let mut glance = Glance::new(&self.core)?;
        let asked = loop {
            // The time first: an answer that comes while it runs out counts.
            let now = self.core.clock.now();
            let open = asking.open().next().cloned();
            let mut ended = None;
            for news in asking.look(&mut self.core)? {
                match news {
                    News::Answered { request, answer } => {
                        ended = Some(Asked { request, answer: Some(answer) })
                    }
                    News::Ended { request } => ended = Some(Asked { request, answer: None }),
                    News::Progress { .. } | News::Note { .. } => told(&news),
                }
            }
            let open = asking.open().next().cloned().or(open).map(|request| Asked { request, answer: None });
            match ended.or(open.filter(|_| now >= until)) {
                Some(asked) => break asked,
                None => self.glance(&mut glance, now.saturating_add(LOOK).min(until))?,
            }
        };
        asking.end(&mut self.core, !asked.is_open())?;
        Ok(asked)
    }

    /// Tells whoever asked how far their request is; it wakes nobody.
    ///
    /// # Errors
    /// It is no request that came, or it is at its end.
    pub fn progress(&mut self, id: &str, content: impl Into<Value>) -> Result<Message> {
        ops::progress(&mut self.core, id, content.into(), None, Author::Program)
    }

    /// The mail that waits, the oldest first; changes nothing.
    ///
    /// # Errors
    /// The local store's.
    pub fn inbox(&self, filter: &Filter) -> Result<Vec<Message>> {
        ops::inbox(&self.core, filter)
    }

    /// Waits until there is unread mail, and lists it, the oldest first; it is empty if none came in time. Reading or
    /// acknowledging it is the caller's: until then it is unread.
    ///
    /// # Errors
    /// The local store's. A share that is away is none: nothing comes then.
    pub fn wait(&mut self, filter: &Filter, patience: Duration) -> Result<Vec<Message>> {
        let some = |core: &mut core::Node| {
            let (unread, _) = ops::unread(core, filter)?;
            Ok(Some(unread).filter(|unread| !unread.is_empty()))
        };
        Ok(self.until(patience, some)?.unwrap_or_default())
    }

    /// Shows a message that came, without a trace. All ids may be shortened to a beginning that no other message has.
    ///
    /// # Errors
    /// No id begins so ([`Kind::NotFound`](crate::Kind::NotFound)), or several do ([`Kind::Usage`](crate::Kind::Usage)).
    pub fn peek(&self, id: &str) -> Result<Message> {
        ops::peek(&self.core, id)
    }

    /// Marks a message that came read, which its sender sees, and shows it.
    ///
    /// # Errors
    /// As of [`peek`](Node::peek); it is held for a person.
    pub fn read(&mut self, id: &str) -> Result<Message> {
        ops::read(&mut self.core, id)
    }

    /// Answers a message, to whoever wrote it, in its thread. It stays unfinished: see [`ack`](Node::ack).
    ///
    /// # Errors
    /// As of [`peek`](Node::peek) and [`send`](Node::send); its writer's name is no instance's.
    pub fn reply(&mut self, id: &str, content: impl Into<Value>) -> Result<Message> {
        ops::reply(&mut self.core, id, content.into(), None, Author::Program, false)
    }

    /// The answer to a message, not sent yet: another agent may speak in it, it may be sealed, and files may be
    /// [attached](Node::attach). [`send`](Node::send) sends it.
    ///
    /// ```
    /// # use lanpost::{Config, Draft, Filter, Node};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let place = |name: &str| folder.path().join(name);
    /// # std::fs::create_dir(place("share"))?;
    /// # let mut office = Node::create(Config::new("office".parse()?, place("share"), place("office")))?;
    /// # let mut lab = Node::create(Config::new("lab".parse()?, place("share"), place("lab")))?;
    /// # office.look()?;
    /// # lab.look()?;
    /// # office.send(Draft::new("lab".parse()?, "Is the build green?"))?;
    /// # office.look()?;
    /// # lab.look()?;
    /// let mail = lab.inbox(&Filter::default())?.remove(0);
    /// let mut answer = lab.reply_draft(mail.id.as_str(), "Since noon.")?;
    /// answer.agent = Some("builder".parse()?);
    /// answer.seal = true;
    /// lab.send(answer)?;
    /// lab.ack(&[mail.id.to_string()])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As of [`peek`](Node::peek); its writer's name is no instance's.
    pub fn reply_draft(&self, id: &str, content: impl Into<Value>) -> Result<Draft> {
        ops::reply_draft(&self.core, id, content.into(), None, Author::Program, false)
    }

    /// Says that messages are processed, all or none; their senders are told.
    ///
    /// # Errors
    /// As of [`peek`](Node::peek); one was finished before in another way.
    pub fn ack(&mut self, ids: &[String]) -> Result<Vec<Message>> {
        ops::ack(&mut self.core, ids, None)
    }

    /// Says that messages can't be done, and why, all or none; their senders are told.
    ///
    /// # Errors
    /// As of [`ack`](Node::ack).
    pub fn fail(&mut self, ids: &[String], why: &str) -> Result<Vec<Message>> {
        ops::ack(&mut self.core, ids, Some(why))
    }

    /// The newest `limit` messages, sent and received, that hold all of the words and quoted phrases, in any script.
    ///
    /// # Errors
    /// There are no words; the local store's.
    pub fn search(&self, words: &str, scope: &Scope, limit: usize) -> Result<Found> {
        ops::search(&self.core, words, scope, limit, |_| true)
    }

    /// Everything that happened to a message, sent or received, with times.
    ///
    /// # Errors
    /// As of [`peek`](Node::peek).
    pub fn trace(&self, id: &str) -> Result<Trace> {
        ops::trace(&self.core, id)
    }

    /// Who was seen on the share, and whether they are there.
    ///
    /// # Errors
    /// The local store's.
    pub fn peers(&self) -> Result<Vec<PeerView>> {
        ops::peers(&self.core)
    }

    /// How this instance is doing: counts, the share, what needs a person.
    ///
    /// # Errors
    /// The local store's.
    pub fn status(&self) -> Result<Status> {
        ops::status(&self.core)
    }

    /// What [`engine::ops`](crate::engine::ops) takes, for all that has no method here: the log, wakes,
    /// backups.
    pub fn core(&self) -> &core::Node {
        &self.core
    }

    /// The same, for what changes something.
    pub fn core_mut(&mut self) -> &mut core::Node {
        &mut self.core
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_and_a_daemon_may_move_to_another_thread() {
        fn moves<T: Send>() {}
        moves::<Node>();
        moves::<Daemon>();
    }
}
