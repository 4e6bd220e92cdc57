//! The porter: carries what is attached to messages to the share and from there, beside the engine, so that a large file
//! holds up no mail.
//!
//! A step moves one slice of one blob, the smallest that waits, and returns; it blocks on the share and may hang with it.
//! - To the share (`upload`): written aside, synced, renamed. One that is there already is only touched.
//! - From the share (`download`): into the state folder, hashed as it is written.
//! - A message of ours is queued when all its blobs are there; one that came is delivered when all are here, verified, and
//!   nobody is woken for it before.
//! - What nobody needs any more is removed (`tidy`), here and on the share, there only what we put.
//!
//! How far each blob is, is in the store: a step that follows a crash goes on where the last one ended.

mod download;
mod tidy;
mod upload;

use std::collections::BTreeSet;
use std::time::Duration;

use self::download::Download;
use self::upload::Upload;
use crate::engine::contents::Contents;
use crate::engine::gate::{Gate, Verdict};
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::blob::{Blob, Hash};
use crate::model::exec::{EXEC, RESULT};
use crate::model::manifest::{BLOBS, Manifest};
use crate::store::db::{Message, Parcel, Way};
use crate::sys::share::Share;

/// The longest rest: what nobody announced is found by then.
const IDLE: Duration = Duration::from_secs(30);
/// How much of a blob is moved at once.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes of one read or write.
    pub piece: usize,
    /// Bytes of one step, which are then synced.
    pub slice: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { piece: 4 << 20, slice: 64 << 20 }
    }
}

/// Moves the files of one instance.
pub struct Porter {
    node: Node,
    contents: Contents,
    gate: Gate,
    /// Names us in what is written aside.
    holder: String,
    upload: Option<Upload>,
    download: Option<Download>,
    /// Blobs that were hashed since a message waits for them, and right. The next message has them hashed anew: its
    /// recipient is told that they were verified.
    sound: BTreeSet<Hash>,
    next_tidy: Duration,
    pace: Pace,
}

/// What a step came to.
#[derive(Debug, Default)]
pub struct PorterStep {
    /// How long to rest, unless told that a message was stored or came.
    pub rest: Duration,
    /// What went wrong, for the log.
    pub problems: Vec<Error>,
    /// There is something new to be sent: mail whose files are on the share, or a receipt.
    pub ready: bool,
    /// Mail came that nobody was woken for yet.
    pub arrived: bool,
}

impl Porter {
    /// Takes `node`. Whoever calls holds the local lock of the state folder.
    ///
    /// # Errors
    /// The local store's.
    pub fn new(mut node: Node) -> Result<Porter> {
        let contents = Contents::of(&node)?;
        // A restored backup has no files.
        for blob in node.db.blobs()?.1.iter().filter(|blob| !contents.blobs.has(blob)) {
            node.db.lost_blob(&blob.blake3)?;
        }
        let holder = node.db.meta("holder")?.unwrap_or_default();
        let next_tidy = node.clock.now() + tidy::SETTLED;
        let (gate, pace) = (Gate::default(), Pace::default());
        let (upload, download, sound) = (None, None, BTreeSet::new());
        Ok(Porter { node, contents, gate, holder, upload, download, sound, next_tidy, pace })
    }

    /// The same at another pace.
    #[must_use]
    pub fn at(self, pace: Pace) -> Porter {
        Porter { pace, ..self }
    }

    /// The node at work, for looking at it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// One step.
    ///
    /// # Errors
    /// The local store's.
    pub fn step(&mut self, share: &dyn Share) -> Result<PorterStep> {
        let mut step = PorterStep { rest: IDLE, ..PorterStep::default() };
        let (now, wall) = (self.node.clock.now(), self.node.clock.wall_ms());
        // Who has no files is asked nothing more.
        if (now < self.next_tidy && !self.node.db.knows_blobs()?) || self.node.db.is_to_recall()? {
            return Ok(step);
        }
        step.arrived |= self.node.db.fail_attaching(wall)? > 0;
        self.hand_on(&mut step)?;
        let transfer = self.node.db.next_transfer(wall)?;
        if transfer.is_none() && now < self.next_tidy {
            (self.upload, self.download) = (None, None);
            step.rest = step.rest.min(self.next_tidy - now);
            if let Some(at) = self.node.db.next_retry(wall)? {
                let left = u64::try_from(at.saturating_sub(wall)).unwrap_or_default();
                step.rest = step.rest.min(Duration::from_millis(left));
            }
            return Ok(step);
        }
        let unneeded = if transfer.is_none() { self.unneeded(wall)? } else { vec![] };
        // An instance without files asks the share nothing.
        let asks = transfer.is_some() || !unneeded.is_empty();
        // Nothing is written on a share that was not just seen to be ours; what is read is known by its hash.
        let writes = transfer.as_ref().is_none_or(|transfer| transfer.up);
        if asks && let Verdict::Closed(why) = self.gate.judge(share, &mut self.node, now, writes)? {
            (self.upload, self.download) = (None, None);
            step.rest = step.rest.min(self.gate.due(now).unwrap_or(now).saturating_sub(now));
            step.problems.extend(why);
            return Ok(step);
        }
        let moved = match &transfer {
            Some(transfer) if transfer.up => self.up(share, transfer),
            Some(transfer) => self.down(share, transfer),
            None => self.tidy(share, &unneeded, now, wall).map(|()| None),
        };
        step.rest = Duration::ZERO;
        match moved {
            Ok(found) => step.problems.extend(found),
            Err(error) => {
                (self.upload, self.download) = (None, None);
                if error.is_in_store() {
                    return Err(error);
                }
                self.gate.doubt();
                match transfer {
                    Some(transfer) => {
                        self.node.db.not_moved(&transfer.blob.blake3, &error.to_string(), false, wall)?;
                    }
                    None => self.next_tidy = now + tidy::EVERY,
                }
                step.problems.push(error);
            }
        }
        Ok(step)
    }

    /// Hands on the messages whose blobs are where they belong.
    fn hand_on(&mut self, step: &mut PorterStep) -> Result<()> {
        let wall = self.node.clock.wall_ms();
        for Parcel { message, .. } in self.node.db.parcels(Way::Out)?.iter().filter(|it| it.complete) {
            self.node.db.complete(message, false, wall)?;
            step.ready = true;
        }
        let coming = self.node.db.parcels(Way::In)?;
        if coming.is_empty() {
            self.sound.clear();
        }
        for Parcel { message, .. } in coming.iter().filter(|it| it.complete) {
            match self.is_whole(message, wall) {
                Ok(false) => continue,
                Ok(true) => {
                    let own = [EXEC, RESULT].contains(&message.kind.as_str());
                    self.node.db.complete(message, self.node.config.wake.is_on() && !own, wall)?;
                    step.arrived = true;
                    for blob in self.node.db.blobs_of(message)? {
                        self.sound.remove(&blob.blake3);
                    }
                }
                // No other copy of it can be better: its name is its hash.
                Err(error) if error.kind() == Kind::Corrupt && !error.is_in_store() => {
                    self.node.db.refuse_files(message, &error.what(), wall)?;
                }
                Err(error) => return Err(error.in_store()),
            }
            step.ready = true;
        }
        Ok(())
    }

    /// Whether all that is attached to a message is here and can be read. Of a folder it is known then what it holds.
    ///
    /// # Errors
    /// [`Kind::Corrupt`]: it can't be what its sender says, or is not taken.
    fn is_whole(&mut self, message: &Message, wall: i64) -> Result<bool> {
        let mut whole = true;
        for attachment in &message.attachments {
            if !self.is_here(&attachment.blob())? {
                whole = false;
                continue;
            }
            if attachment.folder.is_none() {
                if let Some(stored) = &attachment.stored {
                    self.contents.read(&attachment.plain(), Some(stored), &mut std::io::sink())?;
                }
                continue;
            }
            let manifest = self.contents.manifest(attachment)?;
            self.admit(&attachment.name, &manifest)?;
            let blobs: Vec<_> = manifest.blobs().collect();
            let more = self.node.db.attach_more(message, &blobs, wall)?;
            // What nobody said is here is not looked at.
            whole &= more == 0;
            for blob in blobs.iter().filter(|_| more == 0) {
                whole &= self.is_here(blob)?;
            }
            for pack in manifest.packs.iter().filter(|pack| whole && pack.stored.is_some()) {
                self.contents.read(&pack.plain, pack.stored.as_ref(), &mut std::io::sink())?;
            }
        }
        Ok(whole)
    }

    /// Whether a blob is kept here and what its name says. If it is not, it is to be fetched anew.
    fn is_here(&mut self, blob: &Blob) -> Result<bool> {
        let hash = &blob.blake3;
        if self.sound.contains(hash) && self.contents.blobs.has(blob) {
            return Ok(true);
        }
        match self.contents.blobs.sound(hash)? {
            Some(size) if size == blob.size => {
                self.sound.insert(*hash);
                Ok(true)
            }
            Some(size) => {
                let cause = format!("it is {size} bytes, and its sender said {}", blob.size);
                Err(Error::new(Kind::Corrupt, "take the file", hash, cause))
            }
            None => self.node.db.lost_blob(hash).map(|_| false),
        }
    }

    /// What the config says of a folder, now that it is known what is in it.
    fn admit(&self, name: &str, manifest: &Manifest) -> Result<()> {
        let files = &self.node.config.files;
        let refusal = || manifest.files.iter().find_map(|file| files.refusal_of(&file.path));
        let blobs = manifest.blobs();
        let bytes =
            manifest.packs.iter().fold(manifest.size(), |sum, pack| sum.saturating_add(pack.blob().size));
        let cause = match manifest.files.len() {
            _ if bytes > files.message.0.saturating_mul(2) || manifest.size() > files.message.0 => {
                Some(format!("it holds {bytes} bytes; at most {} are taken there", files.message))
            }
            _ if blobs.take(BLOBS + 1).count() > BLOBS => Some(format!("it is in more than {BLOBS} pieces")),
            _ => refusal(),
        };
        cause.map_or(Ok(()), |cause| Err(Error::new(Kind::Corrupt, "take the folder", name, cause)))
    }
}
