//! Fetching what is attached to a message that came: out of the state folder, where it lies verified, into a folder of the
//! user's. Nothing is overwritten, no name is believed, and what is written is hashed once more.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::attach::Told;
use crate::engine::contents::Contents;
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::attachment::{self, Attachment};
use crate::model::blob::Blob;
use crate::model::file_name::{self, Tree};
use crate::model::id::MessageId;
use crate::model::manifest::{self, Manifest};
use crate::model::state::State;
use crate::store::db::{Message, Way};
use crate::sys::files;
use crate::sys::place::{self, Placing};

/// What became of the attachments of a message.
#[derive(Clone, Debug, Serialize)]
pub struct Fetched {
    /// The message.
    pub id: MessageId,
    /// Each of them, in order.
    pub files: Vec<FetchedFile>,
}

/// What became of one attachment.
#[derive(Clone, Debug, Serialize)]
pub struct FetchedFile {
    /// What its sender calls it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// How many files a folder holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<u64>,
    /// It was there already, the same.
    pub already: bool,
}

/// Writes what is attached to the incoming message whose id begins with `prefix` into the folder `to`, which is made if
/// need be; `told` hears how far it is. What is there already under its name, the same, is left alone; what is there and
/// another is, too, and the new one gets a number, once.
///
/// # Errors
/// Nothing is attached; it is held; its files are on their way ([`Kind::Busy`]), or not kept any more; the folder can't be
/// written to.
pub fn fetch(node: &Node, prefix: &str, to: &Path, told: &mut Told) -> Result<Fetched> {
    let message = super::one(node, prefix, Some(Way::In), Way::In)?;
    let deed = "fetch the files of";
    if message.encoding.is_some() && message.rest.contains_key(attachment::FIELD) {
        let cause = "it speaks of files, but came through the open slot, whose senders can send none";
        return Err(Error::usage(deed, &message.id, cause)
            .next("ask its sender where they are, or to send them by lanpost"));
    }
    if message.attachments.is_empty() {
        return Err(Error::usage(deed, &message.id, "nothing is attached to it"));
    }
    if message.held {
        return Err(super::inbox::is_held(deed, &message));
    }
    super::inbox::has_files(node, deed, &message)?;
    let to = files::absolute(to);
    if files::exists(&to) && !files::is_folder(&to) {
        return Err(Error::usage("write into", to.display(), "it is no folder")
            .next("name a folder, there or not; a file in it is called as its sender calls it"));
    }
    let contents = Contents::of(node)?;
    let total = message.attachments.iter().map(|attachment| attachment.size).sum();
    let mut fetch = Fetch { contents, to, done: 0, total, told };
    let mut done = vec![];
    for attachment in &message.attachments {
        // Before a folder is made for it.
        let fetched = match fetch.contents.blobs.has(&attachment.blob()) {
            false => {
                let cause = format!("{:?} is not of the size that its sender said", attachment.name);
                Err(Error::new(Kind::Corrupt, deed, &message.id, cause))
            }
            true if attachment.folder.is_some() => fetch.folder(attachment),
            true => fetch.file(attachment),
        };
        match fetched {
            Ok(fetched) => done.push(fetched),
            Err(error) => {
                return Err(match throw_away(node, &fetch.contents, attachment)? {
                    Loss::None => error,
                    Loss::Found => is_rotten(deed, &message, attachment),
                    Loss::Known => not_kept(node, deed, &message, attachment)?,
                });
            }
        }
    }
    Ok(Fetched { id: message.id, files: done })
}

/// What is missing of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    None,
    Known,
    /// Nobody knew of it before.
    Found,
}

/// Whether the porter fetches anew what a message lacks.
fn is_wanted(message: &Message) -> bool {
    matches!(message.state, State::Delivered | State::Read)
}

fn not_kept(node: &Node, deed: &str, message: &Message, attachment: &Attachment) -> Result<Error> {
    let why = match is_wanted(message) {
        true => node.db.progress(message)?.2.map(|why| format!("; {why}")).unwrap_or_default(),
        false => String::new(),
    };
    let cause = format!("{:?} is not kept here any more{why}", attachment.name);
    Ok(Error::new(Kind::NotFound, deed, &message.id, cause)
        .next("its sender may send it again; backups of lanpost hold no files"))
}

/// Throws away what is kept of an attachment and is not what its name says, so that it is fetched from the share anew, or
/// asked for.
fn throw_away(node: &Node, contents: &Contents, attachment: &Attachment) -> Result<Loss> {
    let mut rotten = vec![];
    let mut look = |blob: &Blob| -> Result<()> {
        if contents.blobs.sound(&blob.blake3)?.is_none() {
            rotten.push(blob.blake3);
        }
        Ok(())
    };
    look(&attachment.blob())?;
    // What a manifest holds is not believed before its hash is right.
    if attachment.folder.is_some()
        && let Ok(manifest) = contents.manifest(attachment)
    {
        manifest.blobs().try_for_each(|blob| look(&blob))?;
    }
    let mut loss = Loss::None;
    if !rotten.is_empty() {
        // Whoever fetches only reads, but for this.
        let mut own = Node::open(node.config.clone(), node.clock.clone())?;
        for hash in rotten {
            loss = loss.max(if own.db.lost_blob(&hash)? { Loss::Found } else { Loss::Known });
        }
    }
    Ok(loss)
}

fn is_rotten(deed: &str, message: &Message, attachment: &Attachment) -> Error {
    let cause = format!(
        "what was kept here of {:?} was damaged or removed, and what was left of it is thrown away",
        attachment.name
    );
    match is_wanted(message) {
        true => Error::new(Kind::Busy, deed, &message.id, cause).next(
            "it is fetched anew from the share, or from its sender while that still has it: try again in a minute (without a \
             daemon, after `lanpost inbox`)",
        ),
        false => Error::new(Kind::NotFound, deed, &message.id, cause).next("its sender may send it again"),
    }
}

/// How far the files of a message are, in words.
pub(super) fn on_their_way(node: &Node, message: &Message) -> Result<String> {
    let (done, all, why) = node.db.progress(message)?;
    let percent = done.saturating_mul(100).checked_div(all).unwrap_or_default();
    let why = why.map(|why| format!("; {why}")).unwrap_or_default();
    Ok(format!("its files are on their way: {percent} % of {all} bytes{why}"))
}

struct Fetch<'a, 'b> {
    contents: Contents,
    to: PathBuf,
    done: u64,
    total: u64,
    told: &'a mut Told<'b>,
}

impl Fetch<'_, '_> {
    fn file(&mut self, attachment: &Attachment) -> Result<FetchedFile> {
        let (name, plain) = (file_name::safe(&attachment.name), attachment.plain());
        let there = self.there(&name, &|path| place::holds(path, &plain));
        let already = there.is_some();
        let path = match there {
            Some(there) => {
                self.did(plain.size);
                there
            }
            None => {
                let to = self.to.clone();
                files::make_folders(&to)?;
                let mut fill = |out: &mut dyn Write| self.pour(&plain, attachment.stored.as_ref(), out);
                Placing::file(&to, &plain, &mut fill)?.finish(&names(&name))?
            }
        };
        let (name, size) = (attachment.name.clone(), attachment.size);
        Ok(FetchedFile { name, path, size, folder: None, already })
    }

    fn folder(&mut self, attachment: &Attachment) -> Result<FetchedFile> {
        let manifest = self.contents.manifest(attachment)?;
        let mut tree = Tree::default();
        let folders: Vec<String> = manifest.folders.iter().map(|path| tree.place(path, true)).collect();
        let files: Vec<String> = manifest.files.iter().map(|file| tree.place(&file.path, false)).collect();
        let name = file_name::safe(&attachment.name);
        let there = self.there(&name, &|path| is_same(path, &manifest, &folders, &files));
        let already = there.is_some();
        let path = match there {
            Some(there) => {
                self.did(attachment.size);
                there
            }
            None => {
                files::make_folders(&self.to)?;
                let placing = Placing::folder(&self.to)?;
                folders.iter().try_for_each(|folder| placing.make_folder(folder))?;
                for folder in files.iter().filter_map(|file| Some(file.rsplit_once('/')?.0)) {
                    placing.make_folder(folder)?;
                }
                self.fill(&placing, &manifest, &files)?;
                placing.finish(&names(&name))?
            }
        };
        let (name, size) = (attachment.name.clone(), manifest.size());
        Ok(FetchedFile { name, path, size, folder: Some(manifest.files.len() as u64), already })
    }

    /// Where the same is already, under its name or one with a number that it got before.
    fn there(&self, name: &str, is_same: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
        let names = names(name);
        let mut taken =
            (1..=place::NAMES).map(|n| self.to.join(names(n))).take_while(|path| place::is_taken(path));
        taken.find(|path| is_same(path))
    }

    /// Writes a folder's files, pack by pack, so that each is read once.
    fn fill(&mut self, placing: &Placing, manifest: &Manifest, paths: &[String]) -> Result<()> {
        let mut in_packs: Vec<Vec<usize>> = vec![vec![]; manifest.packs.len()];
        for (i, (file, path)) in manifest.files.iter().zip(paths).enumerate() {
            let plain = Blob { size: file.size, blake3: file.blake3 };
            match file.at {
                Some((pack, _)) => in_packs[pack].push(i),
                None => placing.make_file(path, &plain, &mut |out| self.pour(&plain, None, out))?,
            }
        }
        for (pack, members) in manifest.packs.iter().zip(in_packs) {
            let alone = |i: &usize| manifest.files[*i].size == pack.plain.size;
            if let Some(i) = members.first().filter(|i| members.len() == 1 && alone(i)) {
                let mut fill = |out: &mut dyn Write| self.pour(&pack.plain, pack.stored.as_ref(), out);
                placing.make_file(&paths[*i], &pack.plain, &mut fill)?;
                continue;
            }
            let bytes = self.contents.bytes(&pack.plain, pack.stored.as_ref(), manifest::LARGEST)?;
            for i in members {
                let file = &manifest.files[i];
                let from = usize::try_from(file.at.map_or(0, |(_, at)| at)).unwrap_or(usize::MAX);
                let end = from.saturating_add(usize::try_from(file.size).unwrap_or(usize::MAX));
                let plain = Blob { size: file.size, blake3: file.blake3 };
                let own = bytes.get(from..end).unwrap_or_default();
                let mut fill = |out: &mut dyn Write| {
                    out.write_all(own).map_err(|error| Error::io("write", Path::new(&paths[i]), error))
                };
                placing.make_file(&paths[i], &plain, &mut fill)?;
                self.did(file.size);
            }
        }
        Ok(())
    }

    fn pour(&mut self, plain: &Blob, stored: Option<&Blob>, out: &mut dyn Write) -> Result<()> {
        let (told, total, before) = (&mut self.told, self.total, self.done);
        let mut counted = Counted { out, told: &mut **told, done: before, total };
        self.contents.read(plain, stored, &mut counted)?;
        self.done = counted.done;
        Ok(())
    }

    fn did(&mut self, bytes: u64) {
        self.done += bytes;
        (self.told)(self.done, self.total);
    }
}

/// The names that are tried: its own first.
fn names(name: &str) -> impl Fn(u32) -> String + '_ {
    move |n| if n == 1 { name.to_owned() } else { file_name::numbered(name, n) }
}

/// Whether a folder holds just this.
fn is_same(there: &Path, manifest: &Manifest, folders: &[String], files: &[String]) -> bool {
    let mut all: Vec<&str> = files.iter().chain(folders).map(String::as_str).collect();
    let above: Vec<&str> =
        all.iter().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at])).collect();
    all.extend(above);
    all.sort_unstable();
    all.dedup();
    if !files::is_folder(there) {
        return false;
    }
    let Some(mut inside) = place::inside(there, all.len()) else { return false };
    inside.sort_unstable();
    let same = |(path, file): (&String, &manifest::File)| {
        place::holds(&there.join(path), &Blob { size: file.size, blake3: file.blake3 })
    };
    inside == all && files.iter().zip(&manifest.files).all(same)
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    told: &'a mut dyn FnMut(u64, u64),
    done: u64,
    total: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.done += written as u64;
        (self.told)(self.done, self.total);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
