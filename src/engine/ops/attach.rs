//! Attaching files to a draft: what is attached is copied into the state folder, so that a message that was sent can be
//! delivered, whatever becomes of the files it was made of. Local disk alone; memory is bounded whatever the size.

mod secrets;

use std::fmt::Display;
use std::io::{Read, Write};
use std::path::PathBuf;

use super::broadcast::Call;
use super::recipient::{recipient, takes_files};
use super::sealing::sealing;
use super::send::Draft;
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::attachment::{self, Attachment, Folder};
use crate::model::blob::{Blob, Hash};
use crate::model::manifest::{self, File, LARGE, Manifest, Pack, ends_pack};
use crate::model::name::Address;
use crate::model::seal::SealKey;
use crate::store::db::Message;
use crate::sys::blobs::{Blobs, pour};
use crate::sys::gather::{self, Found, Gathered, Secrets};
use crate::sys::seal as crypt;

/// What is attached to a draft.
#[derive(Clone, Debug, Default)]
pub struct Attached {
    /// As the envelope says it.
    pub(super) attachments: Vec<Attachment>,
    /// All blobs that it is in, which are kept here.
    pub(super) blobs: Vec<Blob>,
}

impl Attached {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.attachments.is_empty()
    }
}

/// How often a file is read that changes meanwhile.
const TRIES: usize = 4;

/// Tells how many bytes are done, of how many.
pub type Told<'a> = dyn FnMut(u64, u64) + 'a;

/// Attaches files and folders to a draft; `told` hears how far it is. Returns what was left out of folders, in words: no
/// link is followed. Costs a copy of the files on the local disk, but for those that are kept from before.
///
/// # Errors
/// The recipient is unknown, takes no files, or nothing can be sealed to it; a file is not there, or can't be read; there is
/// no room.
pub fn attach(node: &mut Node, draft: &mut Draft, paths: &[PathBuf], told: &mut Told) -> Result<Vec<String>> {
    let (to, _) = recipient(node, &draft.to, draft.create)?;
    takes_files(node, &to)?;
    let key = sealing(node, draft, &to)?;
    keep(node, &mut draft.attached, (&to, key), paths, told)
}

/// Keeps files and folders for the copies of a broadcast, which all refer to the same; and what was left out of folders.
///
/// # Errors
/// One alone is to work on it; and as of [`attach`], but for what concerns a recipient, which is found out as it is sent.
pub fn attach_to_all(
    node: &mut Node,
    call: &Call,
    paths: &[PathBuf],
    told: &mut Told,
) -> Result<(Attached, Vec<String>)> {
    may_have_files(call)?;
    let mut attached = Attached::default();
    let left_out = keep(node, &mut attached, (&call.group, None), paths, told)?;
    Ok((attached, left_out))
}

/// Whether files may be attached to a broadcast.
///
/// # Errors
/// One alone is to work on it: all others would fetch them for nothing.
pub(super) fn may_have_files(call: &Call) -> Result<()> {
    match call.any {
        None => Ok(()),
        Some(_) => {
            let cause = "one alone works on it, and everybody would fetch the files";
            Err(Error::usage("attach files to a message for", &call.group, cause)
                .next("send them to whoever claims it, or leave out --any"))
        }
    }
}

/// Whether files that are the same for all reach a member.
///
/// # Errors
/// It takes none, or gets sealed mail alone.
pub(super) fn reaches(node: &Node, draft: &Draft, member: &Address) -> Result<()> {
    takes_files(node, member)?;
    match sealing(node, draft, member)? {
        None => Ok(()),
        Some(_) => {
            let cause = "what is for it is sealed, and files are sealed for one recipient alone";
            Err(Error::usage("attach files to a message for", member, cause)
                .next("send the files to each by a message of its own"))
        }
    }
}

/// What is attached to a message of ours, for another one that is sent to `to` in its place.
///
/// # Errors
/// It is not kept here any more, or sealed for somebody else.
pub(super) fn attach_again(node: &mut Node, letter: &Message, to: &Address) -> Result<Attached> {
    let attachments = letter.attachments.clone();
    if attachments.is_empty() {
        return Ok(Attached::default());
    }
    let deed = "send again the files of";
    if letter.sealed && to.instance.fold() != letter.peer {
        let cause = format!("they are sealed for {}, who alone can read them", letter.to);
        return Err(
            Error::usage(deed, &letter.id, cause).next(format!("send them to {to} by a message of its own"))
        );
    }
    let (blobs, kept) = (node.db.blobs_of(letter)?, Blobs::of(&node.config.state));
    let mut whole = attachments.iter().all(|attachment| blobs.contains(&attachment.blob()));
    for blob in &blobs {
        let sound = kept.sound(&blob.blake3)? == Some(blob.size);
        // First, so that nobody who tidies up finds it unwanted.
        if sound {
            node.db.keep_blob(blob, node.clock.wall_ms())?;
        }
        whole &= sound && kept.has(blob);
    }
    match whole {
        true => Ok(Attached { attachments, blobs }),
        false => Err(Error::new(Kind::NotFound, deed, &letter.id, "they are not kept here any more")
            .next("send it anew, with `--attach`; `lanpost dead drop` takes it off the list")),
    }
}

/// Keeps what is attached to a message for `to`, sealed if there is a key.
fn keep(
    node: &mut Node,
    attached: &mut Attached,
    (to, key): (&dyn Display, Option<SealKey>),
    paths: &[PathBuf],
    told: &mut Told,
) -> Result<Vec<String>> {
    let secrets = Secrets { folder: &node.config.state, is_one: &secrets::is_one };
    let found = paths.iter().map(|path| gather::gather(path, &secrets)).collect::<Result<Vec<Gathered>>>()?;
    if attached.attachments.len() + found.len() > attachment::MOST {
        let cause =
            format!("{} files and folders; at most {} go with one message", found.len(), attachment::MOST);
        return Err(Error::usage("attach to a message for", to, cause).next("attach the folder they lie in"));
    }
    let files = found.iter().flat_map(|gathered| &gathered.files);
    let total = files.fold(0, |sum: u64, file| sum.saturating_add(file.size));
    let (kept, most) = (node.db.kept_bytes()?, node.config.files.kept);
    if kept.saturating_add(total) > most.0 {
        let cause = format!("they are {total} bytes; {kept} are kept here already, and at most {most} are");
        return Err(Error::new(Kind::Full, "attach to a message for", to, cause)
            .next("wait until others are delivered, or raise `kept` in the config's table `files`"));
    }
    let blobs = Blobs::of(&node.config.state);
    let mut packer = Packer { node, blobs, key, attached: vec![], done: 0, total, told };
    let mut left_out = vec![];
    for gathered in found {
        left_out.extend(gathered.left_out.iter().map(|what| format!("{}: {what}", gathered.name)));
        let attachment = match gathered.folder {
            true => packer.folder(gathered)?,
            false => packer.file(gathered)?,
        };
        attached.attachments.push(attachment);
    }
    attached.blobs.append(&mut packer.attached);
    Ok(left_out)
}

/// Keeps files here.
struct Packer<'a, 'b> {
    node: &'a mut Node,
    blobs: Blobs,
    key: Option<SealKey>,
    attached: Vec<Blob>,
    done: u64,
    total: u64,
    told: &'a mut Told<'b>,
}

/// A blob, and what is kept of it if that is encrypted.
type Kept = (Blob, Option<Blob>);

impl Packer<'_, '_> {
    fn file(&mut self, gathered: Gathered) -> Result<Attachment> {
        let Some(found) = gathered.files.first() else {
            return Err(Error::usage("attach", gathered.name, "it is no file"));
        };
        let (plain, stored) = self.keep_file(found)?;
        Ok(Attachment { name: gathered.name, size: plain.size, blake3: plain.blake3, folder: None, stored })
    }

    fn folder(&mut self, gathered: Gathered) -> Result<Attachment> {
        let mut manifest =
            Manifest { v: manifest::VERSION, folders: gathered.empty, files: vec![], packs: vec![] };
        let (mut pack, mut members) = (vec![], vec![]);
        for found in &gathered.files {
            let small = if found.size < LARGE { self.read_small(found)? } else { None };
            let (blob, at) = match small {
                Some(bytes) => {
                    members.push((manifest.files.len(), pack.len() as u64));
                    pack.extend_from_slice(&bytes);
                    (Blob::of(&bytes), None)
                }
                None => match self.keep_file(found)? {
                    (plain, None) => (plain, None),
                    (plain, stored) => {
                        manifest.packs.push(Pack { plain, stored });
                        (plain, Some((manifest.packs.len() - 1, 0)))
                    }
                },
            };
            let Blob { size, blake3 } = blob;
            manifest.files.push(File { path: found.path.clone(), size, blake3, at });
            if ends_pack(pack.len() as u64, &blake3) {
                self.end_pack(&mut manifest, &mut pack, &mut members)?;
            }
        }
        self.end_pack(&mut manifest, &mut pack, &mut members)?;
        let bytes = manifest.to_bytes();
        if bytes.len() as u64 > manifest::LARGEST || manifest.blobs().count() > manifest::BLOBS {
            let cause = format!("its {} files are too many for one folder", manifest.files.len());
            return Err(
                Error::usage("attach", gathered.name, cause).next("attach the folders in it one by one")
            );
        }
        let (plain, stored) = self.keep_bytes(&bytes)?;
        let folder = Folder { files: manifest.files.len() as u64, manifest: plain.size };
        let (name, size, blake3) = (gathered.name, manifest.size(), plain.blake3);
        Ok(Attachment { name, size, blake3, folder: Some(folder), stored })
    }

    fn end_pack(
        &mut self,
        manifest: &mut Manifest,
        pack: &mut Vec<u8>,
        members: &mut Vec<(usize, u64)>,
    ) -> Result<()> {
        if members.is_empty() {
            return Ok(());
        }
        let (plain, stored) = self.keep_bytes(pack)?;
        for (file, at) in members.drain(..) {
            manifest.files[file].at = Some((manifest.packs.len(), at));
        }
        manifest.packs.push(Pack { plain, stored });
        pack.clear();
        Ok(())
    }

    /// A small file's bytes; `None` if it has become a large one since it was found.
    fn read_small(&mut self, found: &Found) -> Result<Option<Vec<u8>>> {
        self.steadily(found, |packer| {
            let (mut bytes, mut reading) = (vec![], gather::open(found)?);
            let read = (&mut reading).take(LARGE).read_to_end(&mut bytes);
            read.map_err(|error| Error::io("attach", &found.file, error))?;
            if bytes.len() as u64 == LARGE {
                return Ok(Some(None));
            }
            packer.did(bytes.len() as u64);
            Ok(reading.stayed().then_some(Some(bytes)))
        })
    }

    /// Reads a file until it stays as it is meanwhile: what is half of one version and half of another is of use to nobody.
    fn steadily<T>(
        &mut self,
        found: &Found,
        mut read: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let done = self.done;
        for _ in 0..TRIES {
            self.done = done;
            if let Some(whole) = read(self)? {
                return Ok(whole);
            }
        }
        Err(Error::new(Kind::Busy, "attach", found.file.display(), "it changes while it is read")
            .next("send it when whoever writes it is done, or send a copy of it"))
    }

    fn keep_file(&mut self, found: &Found) -> Result<Kept> {
        self.steadily(found, |packer| packer.try_file(found))
    }

    /// `None` if the file changed while it was read.
    fn try_file(&mut self, found: &Found) -> Result<Option<Kept>> {
        if self.key.is_none() && self.node.db.keeps_size(found.size)? {
            // It may be here: reading both costs less than writing one does.
            let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
            let mut hash = |bytes: &[u8]| {
                hasher.update(bytes);
                size += bytes.len() as u64;
                Ok(())
            };
            let mut reading = gather::open(found)?;
            pour(&mut reading, &mut hash).map_err(|error| Error::io("attach", &found.file, error))?;
            let blob = Blob { size, blake3: Hash::finish(&hasher) };
            if !reading.stayed() {
                return Ok(None);
            }
            if self.is_kept(&blob)? {
                self.did(size);
                return Ok(Some((blob, None)));
            }
        }
        let mut from = gather::open(found)?;
        self.keep(&mut from)
            .map_err(|error| error.or_next(format!("while attaching {}", found.file.display())))
    }

    fn keep_bytes(&mut self, bytes: &[u8]) -> Result<Kept> {
        let blob = Blob::of(bytes);
        if self.key.is_none() && self.is_kept(&blob)? {
            return Ok((blob, None));
        }
        // They were counted as they were read.
        let done = self.done;
        let kept = self.keep(&mut &*bytes)?;
        self.done = done;
        // Nobody writes to what is in memory.
        kept.ok_or_else(|| Error::new(Kind::Io, "copy into", "the state folder", "it changed meanwhile"))
    }

    /// Keeps what is read, in one pass, sealed if it is to be; `None`, and nothing is kept, if it changed meanwhile.
    fn keep(&mut self, from: &mut impl Steady) -> Result<Option<Kept>> {
        let mut new = self.blobs.begin()?;
        let Some(key) = self.key.clone() else {
            let mut copy = |bytes: &[u8]| {
                new.write_all(bytes)?;
                self.did(bytes.len() as u64);
                Ok(())
            };
            pour(from, &mut copy)
                .map_err(|error| Error::new(Kind::Io, "copy into", "the state folder", error))?;
            if !from.stayed() {
                return Ok(None);
            }
            // First, so that nobody who tidies up finds it unwanted.
            self.wanted(&new.blob())?;
            return Ok(Some((new.finish()?, None)));
        };
        let mut heard = Heard { from, hasher: blake3::Hasher::new(), size: 0 };
        crypt::seal(&key, &mut heard, &mut new)?;
        let plain = Blob { size: heard.size, blake3: Hash::finish(&heard.hasher) };
        self.did(plain.size);
        if !from.stayed() {
            return Ok(None);
        }
        self.wanted(&new.blob())?;
        Ok(Some((plain, Some(new.finish()?))))
    }

    fn wanted(&mut self, blob: &Blob) -> Result<()> {
        self.attached.push(*blob);
        self.node.db.keep_blob(blob, self.node.clock.wall_ms())
    }

    /// Whether a blob is here already, and not rotten; then it stays.
    fn is_kept(&mut self, blob: &Blob) -> Result<bool> {
        if self.blobs.sound(&blob.blake3)? != Some(blob.size) {
            return Ok(false);
        }
        self.node.db.keep_blob(blob, self.node.clock.wall_ms())?;
        let kept = self.blobs.has(blob);
        self.attached.extend(kept.then_some(*blob));
        Ok(kept)
    }

    fn did(&mut self, bytes: u64) {
        self.done += bytes;
        (self.told)(self.done, self.total);
    }
}

/// What can be read, and may change meanwhile.
trait Steady: Read {
    /// Whether it stayed as it was.
    fn stayed(&self) -> bool;
}

impl Steady for gather::Reading {
    fn stayed(&self) -> bool {
        gather::Reading::stayed(self)
    }
}

impl Steady for &[u8] {
    fn stayed(&self) -> bool {
        true
    }
}

/// A reader that hears what is read.
struct Heard<'a> {
    from: &'a mut dyn Read,
    hasher: blake3::Hasher,
    size: u64,
}

impl Read for Heard<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}
