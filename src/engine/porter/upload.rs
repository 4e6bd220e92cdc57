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
//! Cost: 3 operations if it is there; else 5 and the writes, and a sync for each slice; for each step the share's identity is
//! looked at, which is 3 more.

use super::Porter;
use crate::error::{Error, Kind, Result};
use crate::model::blob::Blob;
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
}

impl Porter {
    /// Moves a slice of a blob to the share.
    pub(super) fn up(&mut self, share: &dyn Share, transfer: &Transfer) -> Result<()> {
        let blob = transfer.blob;
        let (path, aside) = self.places(&blob);
        let mut upload = match self.upload.take().filter(|upload| upload.blob == blob) {
            Some(upload) => upload,
            None => {
                if !transfer.doubted && is_there(share, &path, blob.size)? {
                    share.touch(&path)?;
                    return self.is_put(share, &path, &blob);
                }
                self.begin(share, transfer, &aside)?
            }
        };
        let end = blob.size.min(upload.at.saturating_add(self.pace.slice));
        upload.write(end, self.pace.piece)?;
        self.node.db.moved(&blob.blake3, upload.at)?;
        if upload.at < blob.size {
            self.upload = Some(upload);
            return Ok(());
        }
        // Windows renames nothing that is open.
        drop(upload);
        share.rename(&aside, &path, blob.size)?;
        self.is_put(share, &path, &blob)
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

    /// Opens what is written aside, where it can be gone on with.
    fn begin(&mut self, share: &dyn Share, transfer: &Transfer, aside: &SharePath) -> Result<Upload> {
        let blob = transfer.blob;
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
        Ok(Upload { blob, at: file.len(), file, from })
    }
}

impl Upload {
    /// Writes on until `end`, and syncs.
    fn write(&mut self, end: u64, most: usize) -> Result<()> {
        loop {
            let piece = usize::try_from(end.saturating_sub(self.at)).unwrap_or(most).min(most);
            let bytes = self.from.read_at(self.at, piece)?;
            if bytes.len() < piece {
                let cause = "what is kept of it here was cut off";
                return Err(Error::new(Kind::Corrupt, "read the file", self.blob.blake3, cause));
            }
            self.at += piece as u64;
            if self.at == end {
                return self.file.append(&bytes);
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
