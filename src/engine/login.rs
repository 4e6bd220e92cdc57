//! A share whose server wants a login first: each verb logs in when that is due, and notices when the login is gone.
//!
//! When a login is due, `model/reconnect` decides; this keeps what it decides by: what was tried last, and, in the store, the
//! last refusal, so that commands that follow each other don't lock the account. A login blocks as a verb does, and is
//! seen to hang as one. Nothing may touch the share before [`LoginShare::ensure`]: Windows would connect as somebody else,
//! and refuse the right user then (error 1219).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::model::layout::SharePath;
use crate::model::reconnect::{Failure, REFUSED, Reconnect};
use crate::model::secret::Secret;
use crate::store::db::Db;
use crate::sys::clock::Clock;
use crate::sys::root::Choice;
use crate::sys::share::{Append, Census, Entry, Meta, Share};

const KEY: &str = "login-refused";

/// Who asks, and so how long a refusal of another process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A person, who may have mended the password: the daemon's start, `doctor`.
    ByHand,
    /// A command's pass, of which a script may run many.
    Automatically,
}

impl Asks {
    fn hold(self) -> Duration {
        match self {
            Asks::ByHand => Duration::from_secs(60),
            Asks::Automatically => REFUSED.0,
        }
    }
}

/// What logs in; an error is the number of Windows.
pub type LogIn = dyn Fn(&Secret) -> Result<(), i32> + Send + Sync;

/// Where a login goes, and how.
pub struct Way {
    /// `\\server\share`.
    pub resource: String,
    /// The user.
    pub user: String,
    /// Reads the password; asked before each try, so that a mended one is taken up.
    pub secret: Box<dyn Fn() -> Result<Secret> + Send + Sync>,
    /// Logs in.
    pub log_in: Box<LogIn>,
}

/// A share behind a login.
pub struct LoginShare {
    share: Arc<dyn Share>,
    way: Way,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    login: Reconnect,
    /// The password that was tried last.
    tried: Option<Secret>,
    /// The number of the last failure; `None` while there was none.
    failed: Option<i32>,
    /// Where refusals are remembered.
    memory: Option<Db>,
}

/// A refusal as the store remembers it.
#[derive(Serialize, Deserialize)]
struct Refusal {
    code: i32,
    /// Wall clock of this PC, in milliseconds.
    at: i64,
    user: String,
}

impl LoginShare {
    /// `share`, reached by `way`. `memory` is a connection of its own to the store, if there is one yet.
    pub fn new(
        share: Arc<dyn Share>,
        way: Way,
        clock: Arc<dyn Clock>,
        memory: Option<Db>,
        asks: Asks,
    ) -> LoginShare {
        let known = memory.as_ref().and_then(|db| recall(db, &way.user));
        let held = known.as_ref().and_then(|refusal| {
            // A clock that was set back makes the refusal lie in the future; then it holds in full.
            let past = u64::try_from(clock.wall_ms() - refusal.at).unwrap_or(0);
            asks.hold().checked_sub(Duration::from_millis(past)).filter(|left| !left.is_zero())
        });
        let state = State {
            login: Reconnect::new(clock.now(), held),
            tried: None,
            failed: known.filter(|_| held.is_some()).map(|refusal| refusal.code),
            memory,
        };
        LoginShare { share, way, clock, state: Mutex::new(state) }
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.way.user
    }

    /// Logs in, if that is due and not done. Blocks as long as the network does.
    ///
    /// # Errors
    /// The login does not stand, in words, with what to do.
    pub fn ensure(&self) -> Result<()> {
        let mut state = self.state();
        if state.login.stands(self.clock.now()) {
            return Ok(());
        }
        // To read it again harms nobody, so there is no pause after a failure of that.
        let secret = (self.way.secret)().map_err(|error| error.with_kind(Kind::Denied))?;
        let other = state.tried.as_ref().is_some_and(|tried| *tried != secret);
        if state.login.is_due(self.clock.now(), other) {
            let result = (self.way.log_in)(&secret);
            state.tried = Some(secret);
            self.note(&mut state, result.err());
        }
        match state.failed {
            Some(code) => {
                let deed = format!("log in to {} as", self.way.resource);
                Err(Error::login(deed, &self.way.user, code))
            }
            None => Ok(()),
        }
    }

    fn note(&self, state: &mut State, failed: Option<i32>) {
        let now = self.clock.now();
        match failed {
            None => state.login.accepted(now),
            Some(code) => state.login.failed(now, Failure::of(code)),
        }
        state.failed = failed;
        let Some(db) = &mut state.memory else { return };
        match failed {
            Some(code) if Failure::of(code).is_refusal() => {
                let refusal = Refusal { code, at: self.clock.wall_ms(), user: self.way.user.clone() };
                remember(db, Some(&refusal));
            }
            None => remember(db, None),
            // The network says nothing of the password.
            Some(_) => {}
        }
    }

    /// Passes an answer on; one that says that the connection or the login is gone is taken note of.
    fn answer<T>(&self, answer: Result<T>) -> Result<T> {
        if answer.as_ref().is_err_and(|error| matches!(error.kind(), Kind::Away | Kind::Denied)) {
            self.state().login.doubt();
        }
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn recall(db: &Db, user: &str) -> Option<Refusal> {
    let refusal: Refusal = serde_json::from_str(&db.meta(KEY).ok()??).ok()?;
    (refusal.user == user).then_some(refusal)
}

/// A store that can't be written is told by whoever needs it; here it costs a try more at most.
fn remember(db: &mut Db, refusal: Option<&Refusal>) {
    let text = refusal.and_then(|refusal| serde_json::to_string(refusal).ok()).unwrap_or_default();
    if db.meta(KEY).ok().flatten().unwrap_or_default() != text {
        let _ = db.set_meta(KEY, &text);
    }
}

impl Share for LoginShare {
    fn describe(&self) -> String {
        self.share.describe()
    }

    fn choice(&self) -> Option<Choice> {
        self.share.choice()
    }

    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        self.ensure()?;
        self.answer(self.share.stat(path))
    }

    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        self.ensure()?;
        self.answer(self.share.list(folder))
    }

    fn list_those(
        &self,
        folder: &SharePath,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Option<Vec<Entry>>> {
        self.ensure()?;
        self.answer(self.share.list_those(folder, wanted))
    }

    fn names(&self, folder: &SharePath) -> Result<Vec<String>> {
        self.ensure()?;
        self.answer(self.share.names(folder))
    }

    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        self.ensure()?;
        self.answer(self.share.read(path, from, max))
    }

    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        self.ensure()?;
        // What fails in the file later has the share looked at again, through this.
        self.answer(self.share.open_append(path))
    }

    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        self.ensure()?;
        self.answer(self.share.create_new(path, bytes))
    }

    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        self.ensure()?;
        self.answer(self.share.replace(path, bytes))
    }

    fn rename(&self, aside: &SharePath, path: &SharePath, len: u64) -> Result<()> {
        self.ensure()?;
        self.answer(self.share.rename(aside, path, len))
    }

    fn touch(&self, path: &SharePath) -> Result<()> {
        self.ensure()?;
        self.answer(self.share.touch(path))
    }

    fn remove(&self, path: &SharePath) -> Result<()> {
        self.ensure()?;
        self.answer(self.share.remove(path))
    }

    fn make_folder(&self, path: &SharePath) -> Result<()> {
        self.ensure()?;
        self.answer(self.share.make_folder(path))
    }

    fn walk(&self, limit: usize) -> Result<Census> {
        self.ensure()?;
        self.answer(self.share.walk(limit))
    }
}

#[cfg(test)]
mod tests;
