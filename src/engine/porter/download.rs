//! A blob on its way from the share into the state folder.
//!
//! It is hashed as it is written; after a crash what is here of it is hashed again, which asks nobody. Nothing on the share
//! is believed: one that is no regular file is not read, one that grows is read to where it ended, and what has another
//! hash than its name is thrown away. Then, and if it is not there at all, its sender is told after a while, who has it,
//! and puts it there again.
//!
//! Cost: 1 stat, and 3 operations for each piece.

use super::Porter;
use crate::error::{Error, Kind, Result};
use crate::model::blob::Blob;
use crate::model::layout;
use crate::store::db::Transfer;
use crate::sys::blobs::NewBlob;
use crate::sys::share::Share;

/// A blob that is being fetched, and where it ends on the share.
pub(super) struct Download {
    blob: Blob,
    part: NewBlob,
}

impl Porter {
    /// Moves a slice of a blob from the share. Returns what is wrong there, if its bytes are not its own.
    pub(super) fn down(&mut self, share: &dyn Share, transfer: &Transfer) -> Result<Option<Error>> {
        let hash = transfer.blob.blake3;
        let path = layout::blob(&hash);
        let mut download = match self.download.take().filter(|download| download.blob.blake3 == hash) {
            Some(download) => download,
            None => match self.find(share, transfer)? {
                Some(download) => download,
                None => return Ok(None),
            },
        };
        let (size, part) = (download.blob.size, &mut download.part);
        let end = size.min(part.len().saturating_add(self.pace.slice));
        while part.len() < end {
            let most = self.pace.piece;
            let piece = usize::try_from(end - part.len()).unwrap_or(most).min(most);
            let bytes = share.read(&path, part.len(), piece)?.unwrap_or_default();
            if bytes.is_empty() {
                return self.absent(transfer, "it was cut off, or removed, while it was read").map(|()| None);
            }
            part.add(&bytes)?;
        }
        if part.len() < size {
            self.node.db.moved(&hash, part.len())?;
            self.download = Some(download);
            return Ok(None);
        }
        if part.blob().blake3 != hash {
            let why = format!("what stands there has the hash {}", part.blob().blake3);
            drop(download);
            self.contents.blobs.abandon(&hash)?;
            self.absent(transfer, &why)?;
            let next =
                "its sender is told, and puts it there again; if it stays so, see who else writes there";
            return Ok(Some(Error::new(Kind::Corrupt, "take from the share", &path, why).next(next)));
        }
        download.part.finish()?;
        self.sound.insert(hash);
        self.node.db.blob_here(&hash).map(|()| None)
    }

    /// Looks at a blob, and goes on with what is here of it; `None` if it is to be tried again later.
    fn find(&mut self, share: &dyn Share, transfer: &Transfer) -> Result<Option<Download>> {
        let Transfer { blob, .. } = transfer;
        if self.contents.blobs.sound(&blob.blake3)?.is_some() {
            // A crash came before this was noted.
            self.sound.insert(blob.blake3);
            return self.node.db.blob_here(&blob.blake3).map(|()| None);
        }
        let path = layout::blob(&blob.blake3);
        let Some(meta) = share.stat(&path)? else {
            return self.absent(transfer, "it is not on the share").map(|()| None);
        };
        if !meta.regular {
            return self.absent(transfer, "what stands in its place is no file").map(|()| None);
        }
        let files = &self.node.config.files;
        if meta.len > files.message.0 {
            let why = format!("{} bytes stand in its place; at most {} are taken", meta.len, files.message);
            return self.absent(transfer, &why).map(|()| None);
        }
        let kept = self.node.db.kept_bytes()?;
        if kept.saturating_add(meta.len) > files.kept.0 {
            let cause =
                format!("{kept} bytes of files are kept here; at most {} are (`files.kept`)", files.kept);
            return Err(Error::new(Kind::Full, "fetch from the share", &path, cause).next(
                "acknowledge and let age what is done with, or raise `kept` in the config's table `files`",
            ));
        }
        if meta.len != blob.size {
            // Whoever named it may have been wrong about its size, but not about its hash.
            self.node.db.resized(&blob.blake3, meta.len)?;
        }
        let blob = Blob { size: meta.len, ..*blob };
        let mut part = self.contents.blobs.resume(&blob.blake3)?;
        if part.len() > blob.size {
            drop(part);
            self.contents.blobs.abandon(&blob.blake3)?;
            part = self.contents.blobs.resume(&blob.blake3)?;
        }
        Ok(Some(Download { blob, part }))
    }

    /// A blob is not where its sender put it, or is none: that is tried again.
    fn absent(&mut self, transfer: &Transfer, why: &str) -> Result<()> {
        self.node.db.not_moved(&transfer.blob.blake3, why, true, self.node.clock.wall_ms())
    }
}
