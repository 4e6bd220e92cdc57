//! What is kept of attachments, as it can be read: opened if it is sealed, and never believed before its hash is right.

use std::io::{self, Write};

use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::attachment::Attachment;
use crate::model::blob::{Blob, Hash};
use crate::model::manifest::{self, Manifest};
use crate::store::seal;
use crate::sys::blobs::{Blobs, pour};
use crate::sys::seal::Identities;

/// The files that are kept for one instance.
#[derive(Debug)]
pub struct Contents {
    /// Where they are.
    pub blobs: Blobs,
    identities: Identities,
}

impl Contents {
    /// Those of this node.
    ///
    /// # Errors
    /// The sealing keys can't be read.
    pub fn of(node: &Node) -> Result<Contents> {
        let identities = seal::load(&node.config.state)?.unwrap_or_default();
        Ok(Contents { blobs: Blobs::of(&node.config.state), identities })
    }

    /// Writes what a blob says to `out`; `stored` is what is kept of it if it is sealed. What was written before an error is
    /// not to be believed.
    ///
    /// # Errors
    /// [`Kind::Corrupt`]: it is not what was said of it.
    pub fn read(&self, plain: &Blob, stored: Option<&Blob>, out: &mut dyn Write) -> Result<()> {
        let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
        let mut source = self.blobs.open(stored.unwrap_or(plain))?;
        let mut told = |bytes: &[u8]| {
            hasher.update(bytes);
            size += bytes.len() as u64;
            out.write_all(bytes)
        };
        let corrupt = |cause: String| Error::new(Kind::Corrupt, "read the file", plain.blake3, cause);
        match stored {
            None => pour(&mut source, &mut told)
                .map(drop)
                .map_err(|error| Error::new(Kind::Io, "read the file", plain.blake3, error))?,
            Some(_) => {
                self.identities.open(&mut source, plain.size, &mut Told(&mut told)).map_err(corrupt)?;
            }
        }
        let found = Blob { size, blake3: Hash::finish(&hasher) };
        match found == *plain {
            true => Ok(()),
            false => Err(corrupt(format!("it is {} bytes with the hash {}", found.size, found.blake3))),
        }
    }

    /// The same in memory, at most `most` bytes.
    pub fn bytes(&self, plain: &Blob, stored: Option<&Blob>, most: u64) -> Result<Vec<u8>> {
        if plain.size > most {
            let cause = format!("it is said to be {} bytes; at most {most} are read", plain.size);
            return Err(Error::new(Kind::Corrupt, "read the file", plain.blake3, cause));
        }
        let mut bytes = vec![];
        self.read(plain, stored, &mut bytes).map(|()| bytes)
    }

    /// What a folder holds.
    ///
    /// # Errors
    /// [`Kind::Corrupt`]: its manifest is none.
    pub fn manifest(&self, folder: &Attachment) -> Result<Manifest> {
        let bytes = self.bytes(&folder.plain(), folder.stored.as_ref(), manifest::LARGEST)?;
        Manifest::parse(&bytes)
            .map_err(|cause| Error::new(Kind::Corrupt, "open the folder", &folder.name, cause))
    }
}

/// A writer that tells what is written.
struct Told<'a>(&'a mut dyn FnMut(&[u8]) -> io::Result<()>);

impl Write for Told<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
