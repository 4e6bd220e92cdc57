//! Claims: how one of many comes to work alone on something, and how a dead one's work comes back.
//!
//! Whoever wants it makes the next number with O_EXCL and holds it only if it is the highest then. The number before must
//! be over: ended by its holder's own word, which the caller knows, or held by an instance that is gone ([`is_gone`]). What
//! stands there without a word of its maker, or is nobody's, is stepped over when it has lain there for as long before our
//! own eyes, and by the share's clock. Of two who make a file at once on SMB each may be told that it exists: it then lies
//! there empty (Samba 4.17, one in some hundred races). An empty one is stepped over soon; if somebody wrote into it while we
//! did so, neither has it.
//!
//! Two never hold the same at one time, whatever is lost or late: a lower number that was not passed is not free, and a
//! holder looks whether it was passed before anything that it says of its work is written.

use std::collections::HashMap;
use std::time::Duration;

use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::claim::{Claim, patience};
use crate::model::envelope::format_time;
use crate::model::layout::{self, ClaimFolder, SharePath};
use crate::model::lease::TERM;
use crate::model::name::{Address, Name};
use crate::model::sign::Signer;
use crate::store::claims::{self, Found};
use crate::store::share_clock;
use crate::sys::process;
use crate::sys::share::Share;

/// For how long a claim may lie there empty: it is made and written in two operations, and a server is slow at times.
const EMPTY: Duration = Duration::from_secs(10);
/// How many odd claims are remembered.
const ODD: usize = 1_000;

/// What the caller knows of the claims of something.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The highest one that its holder spoke of; 0 if none.
    pub token: u64,
    /// Whose that is, and for how many seconds, if it is not over.
    pub holder: Option<(Address, u64)>,
}

/// A claim that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Of what.
    pub on: &'a ClaimFolder,
    /// For whom; of our own instance.
    pub by: &'a Address,
    /// For how many seconds.
    pub term: u64,
    /// By which we know it again; no other claim has it.
    pub word: &'a str,
    /// What is known of it.
    pub known: &'a Known,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is held under this number.
    Held(u64),
    /// Somebody else has it; who, in words.
    Lost(String),
}

/// Claims whose makers said nothing yet, and since when we see them. All of it may be lost.
#[derive(Debug, Default)]
pub struct Odd(HashMap<SharePath, Duration>);

impl Odd {
    /// For how long `path` has been seen so.
    fn seen(&mut self, path: &SharePath, now: Duration) -> Duration {
        if self.0.len() >= ODD && !self.0.contains_key(path) {
            self.0.clear();
        }
        now.saturating_sub(*self.0.entry(path.clone()).or_insert(now))
    }
}

/// Takes a claim, or says who has it. The share must be known to be the right one. After an error it may be called again.
/// Cost: 2 lists, 1 create; a read if somebody made a claim that nothing was heard of, a stat if it is empty, and another
/// read if that is stepped over; to take over from somebody a stat, a replace and a stat besides.
///
/// # Errors
/// The share's, and the local store's.
pub fn take(
    share: &dyn Share,
    node: &mut Node,
    signer: &Signer,
    wanted: &Wanted,
    odd: &mut Odd,
) -> Result<Outcome> {
    let Wanted { on, by, term, word, known } = *wanted;
    let highest = claims::highest(share, on)?;
    let mut over_nothing = false;
    if highest > known.token {
        match unheard(share, node, on, highest, word, odd)? {
            Unheard::Ours => return Ok(Outcome::Held(highest)),
            Unheard::Of(who) => return Ok(Outcome::Lost(who)),
            Unheard::Nobody => {}
            Unheard::Nothing => over_nothing = true,
        }
    } else if let Some((holder, term)) = &known.holder {
        let ours = holder.instance.same_as(&by.instance);
        if ours || !is_gone(share, node, &holder.instance, &on.claim(highest), patience(*term))? {
            return Ok(Outcome::Lost(format!("{holder} has it")));
        }
    }
    let number = highest.max(known.token) + 1;
    if number > layout::LAST {
        let cause = format!("number {} is given, and there is none above", layout::LAST);
        return Err(
            Error::new(Kind::Corrupt, "claim", on.path(), cause).next("somebody put it there: remove it")
        );
    }
    let claim = Claim {
        claim: on.path().as_str().to_owned(),
        number,
        by: by.clone(),
        term,
        word: word.to_owned(),
        host: process::host_name(),
        since: format_time(node.clock.wall()),
    };
    let taken = claims::take(share, on, number, &claim.to_signed_bytes(signer))?;
    if taken && !over_nothing {
        return Ok(Outcome::Held(number));
    }
    // Whoever wrote into the empty one after this look sees ours; whoever did before need not have.
    let rival = if taken { highest } else { number };
    Ok(match claims::read(share, on, rival)? {
        Found::Claim(claim, _) => Outcome::Lost(format!("{} was faster", claim.by)),
        Found::Nothing if taken => Outcome::Held(number),
        Found::Nothing => Outcome::Lost("another one was faster".to_owned()),
    })
}

/// Whose a claim is that nobody spoke of yet.
enum Unheard {
    /// We made it, and were stopped before we said so.
    Ours,
    /// Somebody else's, in words.
    Of(String),
    /// Nobody's any more.
    Nobody,
    /// Nobody's, since nothing was ever written there.
    Nothing,
}

fn unheard(
    share: &dyn Share,
    node: &mut Node,
    on: &ClaimFolder,
    number: u64,
    word: &str,
    odd: &mut Odd,
) -> Result<Unheard> {
    let (path, now) = (on.claim(number), node.clock.now());
    let found = match claims::read(share, on, number)? {
        Found::Claim(claim, object) => {
            let keys = node.db.keys(&claim.by.instance.fold(), node.clock.wall_ms())?;
            Some(claim).filter(|_| keys.judge(&object).is_ok())
        }
        Found::Nothing => None,
    };
    let patience = match &found {
        Some(claim) if claim.word == word => return Ok(Unheard::Ours),
        // Made by this instance, which has forgotten it: its state folder is another one by now.
        Some(claim) if claim.by.instance.same_as(node.instance()) => return Ok(Unheard::Nobody),
        Some(claim) => {
            if is_gone(share, node, &claim.by.instance, &path, claim.term())? {
                return Ok(Unheard::Nobody);
            }
            claim.term()
        }
        None => TERM,
    };
    let lay = odd.seen(&path, now);
    if let Some(claim) = found.as_ref().filter(|_| lay < patience) {
        return Ok(Unheard::Of(format!("{} has just claimed it", claim.by)));
    }
    let meta = share.stat(&path)?;
    let (patience, over) = match found {
        None if meta.is_some_and(|meta| meta.len == 0) => (EMPTY, Unheard::Nothing),
        _ => (patience, Unheard::Nobody),
    };
    if lay >= patience {
        // What is not there any more was made by nobody who is at work.
        let Some(meta) = meta else { return Ok(over) };
        if share_clock::age(share, node.instance(), &meta)? >= patience {
            return Ok(over);
        }
    }
    let seconds = patience.as_secs();
    Ok(Unheard::Of(match found {
        Some(claim) => format!("{} has just claimed it", claim.by),
        None => format!(
            "{path} is no claim of anybody's; it is stepped over when it has lain there for {seconds} s"
        ),
    }))
}

/// Whether an instance stood still for so long in our own time and in the share's. Cost: nothing while it did not in ours;
/// else a stat or two, a replace and a stat.
fn is_gone(
    share: &dyn Share,
    node: &mut Node,
    instance: &Name,
    claim: &SharePath,
    patience: Duration,
) -> Result<bool> {
    let Some(peer) = node.db.peer(&instance.fold())? else { return Ok(false) };
    if peer.silent(node.clock.wall_ms()) < patience {
        return Ok(false);
    }
    // A heartbeat may be missing for a moment while it is replaced (SMB); then the claim itself must be old.
    let meta = match share.stat(&layout::status(&peer.name))? {
        Some(meta) => Some(meta),
        None => share.stat(claim)?,
    };
    let Some(meta) = meta else { return Ok(false) };
    Ok(share_clock::age(share, node.instance(), &meta)? >= patience)
}
