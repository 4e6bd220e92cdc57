//! Setting up an instance: state folder, key, the share's folders, the mailbox. The config file is the caller's.
//!
//! Every step may be repeated: a crash in the middle is mended by running it again.

use crate::engine::beat;
use crate::engine::condition::{self, Condition};
use crate::engine::node::{self, Node, store_path};
use crate::error::{Error, Kind, Result};
use crate::model::config::Config;
use crate::model::envelope::format_time;
use crate::model::heartbeat::{Activity, Heartbeat};
use crate::model::identity::{FORMAT, Identity};
use crate::model::layout;
use crate::store::db::Db;
use crate::store::{identity, key};
use crate::sys::clock::{Clock, secret};
use crate::sys::files;
use crate::sys::root::Choice;
use crate::sys::share::Share;

use std::sync::Arc;

/// What `init` found and made.
#[derive(Clone, Debug)]
pub struct Init {
    /// The share's id.
    pub share: String,
    /// Whether this run made the share's identity.
    pub first: bool,
    /// The public key.
    pub key: String,
    /// By which path the share is there, if not by the one that was asked for.
    pub choice: Option<Choice>,
}

/// Makes the state folder and joins the share. `force` takes a name over that another state folder used, and
/// accepts another share than the one this state folder knows.
///
/// # Errors
/// The share is missing, read-only or not a folder; the name is taken, or differs from a taken one only in case or
/// in the composition of its characters.
pub fn init(config: &Config, share: &dyn Share, clock: Arc<dyn Clock>, force: bool) -> Result<Init> {
    share_is_there(share, config)?;
    if !files::is_folder(&config.state) {
        // Refused before anything is made.
        name_is_free(share, config, &[], force)?;
    }
    files::private_folder(&config.state)?;
    let signer = key::load_or_make(&config.state, secret)?;
    let key = signer.key().to_string();
    let former = key::past(&config.state)?.into_iter().map(|link| link.key);
    let keys: Vec<String> = std::iter::once(key.clone()).chain(former).collect();
    let mut db = Db::open_or_make(&store_path(config))?;
    node::belongs(&db, config)?;
    name_is_free(share, config, &keys, force)?;
    let fresh = Identity {
        share: uuid::Builder::from_random_bytes(secret()?).into_uuid().to_string(),
        format: FORMAT,
        created: format_time(clock.wall()),
        rest: serde_json::Map::new(),
    };
    let refused = |error: Error| match error.kind() {
        Kind::Io => error.or_next("let this user write to the share"),
        _ => error,
    };
    let in_force = identity::establish(share, &fresh).map_err(refused)?;
    join(&mut db, &in_force, force, share)?;
    let mailbox = share.make_folder(&layout::mailbox(&config.instance));
    mailbox.and_then(|()| share.touch(&layout::bell(&config.instance))).map_err(refused)?;
    let first_beat = share.stat(&layout::status(&config.instance))?.is_none();
    let mut node = Node { config: config.clone(), db, clock };
    let events = match node.db.meta("key")? {
        Some(known) if known == key && !force => vec![],
        known => {
            let what = if known.is_none() { "set-up" } else { "set-up-again" };
            vec![(what, format!("instance {}, key {key}, share {}", config.instance, in_force.share))]
        }
    };
    node.db.set_meta("instance", config.instance.as_str())?;
    super::own_key(&mut node)?;
    super::own_seal(&mut node)?;
    node.db.set_meta_and_log("key", &key, &events, node.clock.wall_ms())?;
    node.db.set_meta_once("holder", &hex(&secret::<8>()?))?;
    if first_beat || force {
        // Peers learn from it that we speak lanpost, before a daemon ever ran.
        beat::write(share, &mut node, &signer, Activity::Stopped, Some("init"), 0)?;
    }
    let choice = share.choice();
    let known = condition::load(&node.db)?;
    if known.choice != choice {
        condition::store(&mut node.db, &Condition { choice: choice.clone(), ..known })?;
    }
    Ok(Init { first: in_force == fresh, share: in_force.share, key, choice })
}

fn share_is_there(share: &dyn Share, config: &Config) -> Result<()> {
    let place = config.share.path.display();
    match share.list(&layout::root()) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Error::new(Kind::Away, "use the share", place, "there is no such folder").next(
            "mount it, or make the folder; lanpost does not make it, so that an unmounted share is noticed",
        )),
        Err(error) if error.kind() == Kind::Io => {
            Err(error.next("the share must be a folder that this user may list"))
        }
        Err(error) => Err(error),
    }
}

/// A status file of our name must be ours; one that a file server may confuse with it must not exist.
fn name_is_free(share: &dyn Share, config: &Config, keys: &[String], force: bool) -> Result<()> {
    let (wanted, deed) = (&config.instance, "take the name");
    for entry in share.list(&layout::status_folder())?.unwrap_or_default() {
        let Some(name) = layout::parse_status(&entry.name).filter(|name| name.same_as(wanted)) else {
            continue;
        };
        if name != *wanted {
            let cause = format!(
                "{name} is on the share; the two differ only in case or in how characters are composed"
            );
            return Err(Error::usage(deed, wanted, cause).next(format!("use {name}, or another name")));
        }
        let bytes = share.read(&layout::status(&name), 0, beat::MAX)?.unwrap_or_default();
        let taken = Heartbeat::parse(&bytes).filter(|beat| !keys.contains(&beat.key));
        if let Some(beat) = taken.filter(|_| !force) {
            let cause = format!("it is in use by {} (last seen {})", beat.host, beat.timestamp);
            return Err(Error::usage(deed, wanted, cause)
                .next("choose another name, or take it over with --force if that installation is gone"));
        }
    }
    Ok(())
}

/// Remembers the share's id; another share than the known one needs `force`, and starts with new cursors.
fn join(db: &mut Db, identity: &Identity, force: bool, share: &dyn Share) -> Result<()> {
    match db.meta("share")? {
        Some(known) if known == identity.share => Ok(()),
        Some(_) if !force => {
            let cause = "it is another share than the one this state folder belongs to";
            Err(Error::new(Kind::Away, "join", share.describe(), cause)
                .next("mount the right one, name another --state folder, or move over with --force"))
        }
        Some(_) => db.move_to_share(&identity.share),
        None => db.set_meta("share", &identity.share),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
