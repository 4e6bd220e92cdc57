//! The manifest of a folder that is attached: what is in it, and in which blobs.
//!
//! ```text
//! manifest := {"v": 1, "folders": [path…], "files": [{"path", "size", "blake3", "at"?}…], "packs": [pack…]}
//! pack     := {"size", "blake3", "stored"?}
//! "at"     := [pack, offset]       where a small file lies; a large one is a blob of its own, without "at"
//! ```
//! Paths have `/` between components, are sorted, and say nothing of times, owners or rights: the same files make the same
//! manifest, so that an unchanged folder is found to be on the share already and nothing of it is sent again. Small files
//! lie one behind the other in packs: a hundred thousand of them are some hundred files for the server. Where a pack ends
//! depends on what is in it ([`ends_pack`]), so that a file that changes changes its pack and not all that come after.
//! Of a sealed message, manifest and packs are encrypted, and a large file is a pack of its own.

use serde::{Deserialize, Serialize};

use super::blob::{Blob, Hash};

/// The version that this crate writes.
pub const VERSION: u64 = 1;
/// The largest manifest that is read: some hundred thousand files.
pub const LARGEST: u64 = 64 << 20;
/// Blobs that one folder may be in.
pub const BLOBS: usize = 20_000;
/// A file of so many bytes is a blob of its own.
pub const LARGE: u64 = 1 << 20;
/// Bytes of a pack before it may end, and when it must.
const PACK: (u64, u64) = (4 << 20, 32 << 20);
/// Folders in one another.
const DEPTH: usize = 64;

/// A folder's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format's version.
    pub v: u64,
    /// Folders, those that hold nothing above all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<String>,
    /// Files, by path.
    pub files: Vec<File>,
    /// Blobs that hold files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<Pack>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where it lies in the folder, as its sender calls it; anything.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Their hash.
    pub blake3: Hash,
    /// The pack that it lies in, and where it begins there; `None`: it is a blob of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<(usize, u64)>,
}

/// A blob that holds files, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    /// What it holds.
    #[serde(flatten)]
    pub plain: Blob,
    /// What is kept of it, if that is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Blob>,
}

impl Pack {
    /// The blob that is kept.
    pub fn blob(&self) -> Blob {
        self.stored.unwrap_or(self.plain)
    }
}

/// Whether a pack of so many bytes ends with the file of this hash.
pub fn ends_pack(bytes: u64, last: &Hash) -> bool {
    bytes >= PACK.1 || bytes >= PACK.0 && last.as_bytes()[0].is_multiple_of(8)
}

impl Manifest {
    /// Reads what lies on the share.
    ///
    /// # Errors
    /// It is none, or says what can't be, in words for people.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, String> {
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|error| format!("its manifest is damaged: {error}"))?;
        if manifest.v != VERSION {
            let v = manifest.v;
            return Err(format!("its manifest is of version {v}; this lanpost knows version {VERSION}"));
        }
        let paths = manifest.files.iter().map(|file| &file.path).chain(&manifest.folders);
        let shallow = |path: &String| !path.is_empty() && path.matches('/').count() < DEPTH;
        let fits = |file: &File| match file.at {
            None => true,
            Some((pack, at)) => manifest
                .packs
                .get(pack)
                .is_some_and(|pack| at.checked_add(file.size).is_some_and(|end| end <= pack.plain.size)),
        };
        match paths.into_iter().all(shallow) && manifest.files.iter().all(fits) {
            true => Ok(manifest),
            false => Err("its manifest is damaged: a path or a place in it can't be".to_owned()),
        }
    }

    /// The bytes that are kept; the same for the same content.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The blobs that its files are in.
    pub fn blobs(&self) -> impl Iterator<Item = Blob> + '_ {
        let alone = self.files.iter().filter(|file| file.at.is_none());
        let alone = alone.map(|file| Blob { size: file.size, blake3: file.blake3 });
        self.packs.iter().map(Pack::blob).chain(alone)
    }

    /// The bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn manifest() -> Manifest {
        let (small, large) = (Blob::of(b"small"), Blob { size: LARGE, blake3: Hash::of(b"large") });
        let file =
            |path: &str, blob: Blob, at| File { path: path.into(), size: blob.size, blake3: blob.blake3, at };
        Manifest {
            v: VERSION,
            folders: vec!["empty".into()],
            files: vec![file("a/small", small, Some((0, 0))), file("large", large, None)],
            packs: vec![Pack { plain: small, stored: None }],
        }
    }

    #[test]
    fn a_manifest_round_trips_and_names_its_blobs() {
        let manifest = manifest();
        assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest.clone()));
        assert_eq!(manifest.blobs().map(|blob| blob.size).collect::<Vec<_>>(), [5, LARGE]);
        assert_eq!(manifest.size(), LARGE + 5);
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let bad = |change: fn(&mut Manifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            Manifest::parse(&manifest.to_bytes()).is_err()
        };
        assert!(bad(|m| m.v = 2));
        assert!(bad(|m| m.files[0].at = Some((1, 0))));
        assert!(bad(|m| m.files[0].at = Some((0, 1))));
        assert!(bad(|m| m.files[0].at = Some((0, u64::MAX))));
        assert!(bad(|m| m.files[0].path.clear()));
        assert!(bad(|m| m.folders[0] = "x/".repeat(DEPTH + 1)));
    }

    proptest! {
        #[test]
        fn no_bytes_break_its_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let _ = Manifest::parse(&bytes);
            let whole = manifest().to_bytes();
            prop_assert_eq!(Manifest::parse(&whole[..cut.min(whole.len())]).is_ok(), cut >= whole.len());
        }
    }
}
