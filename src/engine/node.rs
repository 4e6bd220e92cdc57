//! A node: one instance's config, store and clock; what every operation works on.

use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::condition;
use crate::error::{Error, Kind, Result};
use crate::model::config::Config;
use crate::model::name::Name;
use crate::model::route::Route;
use crate::store::db::Db;
use crate::sys::clock::Clock;
use crate::sys::flock::LocalLock;
use crate::sys::root::Root;
use crate::sys::{files, process};

/// One instance on this PC. Open one per process and thread; they meet in the store.
pub struct Node {
    /// What the user configured.
    pub config: Config,
    /// The local store.
    pub db: Db,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
}

impl Node {
    /// Opens the store that `config` names.
    ///
    /// # Errors
    /// There is no such store (then `init` was not run), or it can't be opened.
    pub fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Node> {
        if !files::is_folder(&config.state) {
            let error = Error::new(
                Kind::NotFound,
                "open the state folder",
                config.state.display(),
                "it is not there",
            );
            return Err(error.next("run `lanpost init` first, or set `state` in the config"));
        }
        let path = store_path(&config);
        if !files::exists(&path) {
            let error = Error::new(Kind::NotFound, "open the store", path.display(), "it is not there");
            let anew = init_again(&config);
            return Err(error.next(format!("restore a backup of the state folder, or start anew: {anew}")));
        }
        let db = Db::open(&path).map_err(|error| match error.kind() {
            Kind::Corrupt => {
                let anew = init_again(&config);
                error.next(format!("move it away; then restore a backup, or start anew: {anew}"))
            }
            _ => error,
        })?;
        belongs(&db, &config)?;
        has_key(&db, &config)?;
        Ok(Node { config, db, clock })
    }

    /// Our own instance.
    pub fn instance(&self) -> &Name {
        &self.config.instance
    }

    /// The share's root, knowing by which path it was there before.
    ///
    /// # Errors
    /// The local store's.
    pub fn root(&self) -> Result<Root> {
        let choice = condition::load(&self.db)?.choice;
        Ok(Root::new(&self.config.share.path).with_choice(choice.as_ref()))
    }

    /// Whether mail for `peer` (folded) may be written on the share: the config allows it, and if its gateway is known, it
    /// was seen there; in an open slot that we would make ourselves nobody looks.
    ///
    /// # Errors
    /// The local store's.
    pub fn shares(&self, peer: &str) -> Result<bool> {
        Ok(self.config.takes(peer, Route::Share) && !self.knows_by_gateway_alone(peer)?)
    }

    /// Whether `peer` (folded) was never seen on the share, but has a gateway.
    ///
    /// # Errors
    /// The local store's.
    pub fn knows_by_gateway_alone(&self, peer: &str) -> Result<bool> {
        Ok(self.config.gateway(peer).is_some() && self.db.peer(peer)?.is_none())
    }

    /// Whether a daemon of this instance runs. Without one, what only a daemon sees to is what a killed one left.
    pub fn daemon_runs(&self) -> bool {
        LocalLock::holder(&self.config.state).is_some_and(|holder| holder.is_daemon())
    }

    /// Makes the place where a daemon hears commands.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn hang_bell(&self) -> Result<PathBuf> {
        let folder = bell_folder(&self.config);
        files::make_folders(&folder).map(|()| folder)
    }

    /// Tells a running daemon that there is something to do. It is a hint: a daemon that misses it looks by itself.
    pub fn ring(&self) {
        let _ = files::touch(&bell_path(&self.config));
    }
}

/// A state folder serves one instance: its lease, its cursors and its mail are that instance's.
///
/// # Errors
/// It belongs to another one.
pub fn belongs(db: &Db, config: &Config) -> Result<()> {
    match db.meta("instance")? {
        Some(owner) if Name::parse(&owner).is_ok_and(|owner| !owner.same_as(&config.instance)) => {
            let cause = format!("it belongs to instance {owner}, not to {}", config.instance);
            let error = Error::usage("use the state folder", config.state.display(), cause);
            Err(error.next("give each instance a state folder of its own"))
        }
        _ => Ok(()),
    }
}

/// An instance whose heartbeat named a key has it: without it peers would not know who speaks.
///
/// # Errors
/// It is gone or damaged.
fn has_key(db: &Db, config: &Config) -> Result<()> {
    if db.meta("key")?.is_none() {
        return Ok(());
    }
    let path = config.state.join("key");
    let (cause, first) = match files::read(&path)? {
        None => ("it is not there", ""),
        Some(bytes) if !is_secret(&bytes) => ("it is not 64 hex digits", "move that file away and "),
        Some(_) => return Ok(()),
    };
    let error = Error::new(Kind::Corrupt, "use the instance's key", path.display(), cause);
    Err(error.next(format!(
        "restore it from a backup of the state folder; only if there is none, {first}run {}: that makes another key, \
         which peers have to accept, and leaves the mail and all else as it is",
        init_again(config)
    )))
}

fn is_secret(bytes: &[u8]) -> bool {
    let digits = bytes.trim_ascii();
    digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit)
}

/// The command that sets this instance up anew, as it can be pasted.
pub fn init_again(config: &Config) -> String {
    format!("`{}`", process::shell().line(&config.init_again()))
}

/// Where the store of `config` lies.
pub fn store_path(config: &Config) -> PathBuf {
    config.state.join(files::STORE)
}

/// Where the local bell hangs, alone: whoever watches the folder hears it, and not each page that is written to the store.
fn bell_folder(config: &Config) -> PathBuf {
    config.state.join("doorbell")
}

/// The local bell: a command touches it after it stored something that a daemon should see at once.
fn bell_path(config: &Config) -> PathBuf {
    bell_folder(config).join("bell")
}
