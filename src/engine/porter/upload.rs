//! A blob on its way to the share.
//!
//! It is written aside as `<hash>.<holder>.tmp`, by this state folder alone, in slices that are each synced, and gets its
//! name when it is whole. After a crash what was synced counts, and what stands behind it does if it is the same as here:
//! a server that lost power may have the length of what was written and not the bytes. A cut costs a slice at most.
//!
//! One that is there already, in its size, is believed and touched: nothing is sent twice. If it is not what its name says,
//! those for whom it is find out, since they verify it, and say so; then it is written anew. The touch gives it a stamp of
//! ours: whoever put it there before sees that somebody else wants it, and leaves it.
//!
//! What is kept here is hashed as it is written, and does not get its name if it is rotten: then it is thrown away, and its
//! message ends, or waits for somebody who attaches the file anew, which its sender is told.
//!
//! Cost: 3 operations if it is there; else 5 and the writes, and a sync for each slice; for each step the share's identity is
//! looked at, which is 3 more.

use super::Porter;
use crate::error::{Error, Kind, Result};
use crate::model::blob::{Blob, Hash};
use crate::model::layout::{self, SharePath};
use crate::store::db::Transfer;
use crate::sys::blobs::Source;
use crate::sys::share::{Append, Share};

/// A blob that is being written, and how far it is.
pub(super) struct Upload {
    blob: Blob,
    file: Box<dyn Append>,
    from: Source,
    at: u64,
    /// Of all before `at`, as it is here.
    hasher: blake3::Hasher,
}

impl Porter {
    /// Moves a slice of a blob to the share. Returns what is wrong: here, if its bytes are not its own, or what
    /// stood there in its place.
    pub(super) fn up(&mut self, share: &dyn Share, transfer: &Transfer) -> Result<Option<Error>> {
        let blob = transfer.blob;
        let (path, aside) = self.places(&blob);
        let mut wrong = None;
        let mut upload = match self.upload.take().filter(|upload| upload.blob == blob) {
            Some(upload) => upload,
            None => {
                if transfer.doubted {
                    wrong = self.instead(share, &path, &blob)?;
                }
                if !transfer.doubted && is_there(share, &path, blob.size)? {
                    share.touch(&path)?;
                    return self.is_put(share, &path, &blob).map(|()| None);
                }
                match self.begin(share, transfer, &aside)? {
                    Some(upload) => upload,
                    None => return self.rotten(share, &blob, &aside),
                }
            }
        };
        let end = blob.size.min(upload.at.saturating_add(self.pace.slice));
        let written = upload.write(end, self.pace.piece)?;
        if written && upload.at < blob.size {
            self.node.db.moved(&blob.blake3, upload.at)?;
            self.upload = Some(upload);
            return Ok(wrong);
        }
        let right = written && Hash::finish(&upload.hasher) == blob.blake3;
        // Windows renames and removes nothing that is open.
        drop(upload);
        if !right {
            return self.rotten(share, &blob, &aside);
        }
        self.node.db.moved(&blob.blake3, blob.size)?;
        share.rename(&aside, &path, blob.size)?;
        self.is_put(share, &path, &blob).map(|()| wrong)
    }

    /// What stands on the share in the place of a blob that a recipient did not get there, if anything does.
    fn instead(&mut self, share: &dyn Share, path: &SharePath, blob: &Blob) -> Result<Option<Error>> {
        let Some(meta) = share.stat(path)? else { return Ok(None) };
        let what = match meta.regular {
            true => format!("{} bytes stood there that are not the file's", meta.len),
            false => "what stood there was no file".to_owned(),
        };
        let error = Error::new(Kind::Corrupt, "find the file at", path, what)
            .next("it is written anew; if it happens again, see who else writes there");
        self.node.db.found_instead(&blob.blake3, &error.to_string(), self.node.clock.wall_ms())?;
        Ok(Some(error))
    }

    /// What is kept of a blob is not what its name says, or gone: so is what was written of it. Who waits for it is told
    /// by what looks at the store.
    fn rotten(&mut self, share: &dyn Share, blob: &Blob, aside: &SharePath) -> Result<Option<Error>> {
        share.remove(aside)?;
        self.node.db.moved(&blob.blake3, 0)?;
        // Whoever attached it anew meanwhile put a good one in its place.
        if self.contents.blobs.sound(&blob.blake3)? == Some(blob.size) {
            return Ok(None);
        }
        self.node.db.lost_blob(&blob.blake3)?;
        let cause = "what the state folder keeps of it was damaged, or removed";
        let error = Error::new(Kind::Corrupt, "put on the share", layout::blob(&blob.blake3), cause);
        Ok(Some(error.next("attach the file again; `lanpost status` says to what")))
    }

    /// Where a blob lies on the share, and where it is written before.
    pub(super) fn places(&self, blob: &Blob) -> (SharePath, SharePath) {
        let path = layout::blob(&blob.blake3);
        let aside = path.aside(&self.holder);
        (path, aside)
    }

    fn is_put(&mut self, share: &dyn Share, path: &SharePath, blob: &Blob) -> Result<()> {
        match share.stat(path)?.filter(|meta| meta.regular && meta.len == blob.size) {
            Some(meta) => self.node.db.blob_put(&blob.blake3, meta.stamp, self.node.clock.wall_ms()),
            None => Err(Error::new(Kind::Io, "put on the share", path, "it is not there as it was written")),
        }
    }

    /// Opens what is written aside, where it can be gone on with; `None` if the blob is not kept here in its size.
    fn begin(&mut self, share: &dyn Share, transfer: &Transfer, aside: &SharePath) -> Result<Option<Upload>> {
        let blob = transfer.blob;
        if !self.contents.blobs.has(&blob) {
            return Ok(None);
        }
        let mut from = self.contents.blobs.open(&blob)?;
        let mut file = match share.open_append(aside) {
            Err(error) if error.is_not_found() => {
                share.make_folder(&layout::files())?;
                share.make_folder(&layout::blobs(&blob.blake3))?;
                share.open_append(aside)?
            }
            // A link or a pipe has our name there: whoever put it, it is ours to remove.
            Err(_) if share.stat(aside)?.is_some_and(|meta| !meta.regular) => {
                share.remove(aside)?;
                share.open_append(aside)?
            }
            opened => opened?,
        };
        if !is_beginning(share, aside, file.len(), transfer, &mut from, self.pace.piece)? {
            drop(file);
            share.remove(aside)?;
            self.node.db.moved(&blob.blake3, 0)?;
            file = share.open_append(aside)?;
        }
        let len = file.len();
        let mut upload = Upload { blob, file, from, at: 0, hasher: blake3::Hasher::new() };
        while upload.at < len {
            let most = self.pace.piece;
            let bytes =
                upload.from.read_at(upload.at, usize::try_from(len - upload.at).unwrap_or(most).min(most))?;
            if bytes.is_empty() {
                return Ok(None);
            }
            upload.hasher.update(&bytes);
            upload.at += bytes.len() as u64;
        }
        Ok(Some(upload))
    }
}

impl Upload {
    /// Writes on until `end`, and syncs; `false` if what is kept of it here ends before.
    fn write(&mut self, end: u64, most: usize) -> Result<bool> {
        loop {
            let piece = usize::try_from(end.saturating_sub(self.at)).unwrap_or(most).min(most);
            let bytes = self.from.read_at(self.at, piece)?;
            if bytes.len() < piece {
                return Ok(false);
            }
            self.hasher.update(&bytes);
            self.at += piece as u64;
            if self.at == end {
                return self.file.append(&bytes).map(|()| true);
            }
            self.file.write(&bytes)?;
        }
    }
}

/// Whether a file of this size stands there. What else does is replaced, if it can be.
fn is_there(share: &dyn Share, path: &SharePath, size: u64) -> Result<bool> {
    Ok(share.stat(path)?.is_some_and(|meta| meta.regular && meta.len == size))
}

/// Whether the `len` bytes that were written aside begin the blob.
fn is_beginning(
    share: &dyn Share,
    aside: &SharePath,
    len: u64,
    transfer: &Transfer,
    from: &mut Source,
    most: usize,
) -> Result<bool> {
    if len < transfer.done || len > transfer.blob.size {
        return Ok(false);
    }
    let mut at = transfer.done;
    while at < len {
        let piece = usize::try_from(len - at).unwrap_or(most).min(most);
        let written = share.read(aside, at, piece)?.unwrap_or_default();
        if written.is_empty() || written != from.read_at(at, written.len())? {
            return Ok(false);
        }
        at += written.len() as u64;
    }
    Ok(true)
}
