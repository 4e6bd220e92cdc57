//! The share's root: the path as the config says it, and the one by which it is there.
//!
//! The two differ only where nothing is there by the first, and a name of it is stored otherwise (see [`seek`]). What
//! was chosen then is kept by the caller, so that the next start neither searches nor chooses differently; it counts
//! as long as it is there, and nothing is there by the config's own path.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::platform;
use super::seek::{self, Found, Missing, Sought};
use crate::error::{Error, Kind, Result};

/// A share's root; clones know the same.
#[derive(Clone, Debug)]
pub struct Root {
    typed: Arc<Path>,
    now: Arc<Mutex<Now>>,
}

#[derive(Debug, Default)]
struct Now {
    found: Option<Found>,
    kept: Option<Found>,
}

impl Root {
    /// The root at this path; nothing is asked yet.
    pub fn new(typed: impl Into<PathBuf>) -> Root {
        Root { typed: typed.into().into(), now: Arc::default() }
    }

    /// The same, knowing what was chosen at an earlier time.
    #[must_use]
    pub fn with_choice(self, kept: Option<&Choice>) -> Root {
        self.now().kept = kept.filter(|kept| kept.typed == seek::shown(&self.typed)).and_then(Choice::recall);
        self
    }

    /// The path as the config says it.
    pub fn typed(&self) -> &Path {
        &self.typed
    }

    /// The path to use.
    pub fn path(&self) -> PathBuf {
        self.now().found.as_ref().map_or_else(|| self.typed.to_path_buf(), |found| found.path.clone())
    }

    /// Where it was found, if not by the config's own path.
    pub fn found(&self) -> Option<Found> {
        self.now().found.clone()
    }

    /// What was chosen, to be kept; `None`: nothing had to be.
    pub fn choice(&self) -> Option<Choice> {
        self.found().map(|found| Choice::of(&self.typed, &found))
    }

    /// Looks for the root, which was not there by [`Root::path`]. Whether it is to be used by another path now.
    /// Cost: 1 stat if it is there by the config's path, 2 if it is where it was before, else a search.
    ///
    /// # Errors
    /// It is not there, or it can't be told which one it is.
    pub fn seek(&self) -> Result<bool> {
        let before = self.path();
        let kept = self.now().kept.clone();
        let found = match kept {
            Some(kept) if !seek::is_there(&self.typed)? && seek::is_there(&kept.path)? => Some(kept),
            _ => match seek::seek(&self.typed)? {
                Sought::There => None,
                Sought::Found(found) => Some(found),
                Sought::Missing(missing) => return Err(self.away(&missing)),
            },
        };
        let mut now = self.now();
        now.kept.clone_from(&found);
        now.found = found;
        let path = now.found.as_ref().map_or(&*self.typed, |found| &found.path);
        Ok(path != before)
    }

    /// Looks whether what was chosen before still holds; does nothing if nothing was.
    pub fn settle(&self) {
        let unsettled = {
            let now = self.now();
            now.kept.is_some() && now.found.is_none()
        };
        if unsettled {
            // What fails here is found out by whoever uses the share.
            let _ = self.seek();
        }
    }

    fn away(&self, missing: &Missing) -> Error {
        let cause = format!("there is no such folder, or it is not mounted: {}", missing.cause());
        Error::new(Kind::Away, "use the share", seek::shown(&self.typed), cause)
            .next("mount it, or mend the path; lanpost never makes it, so that an unmounted share is noticed")
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Into<PathBuf>> From<P> for Root {
    fn from(typed: P) -> Root {
        Root::new(typed)
    }
}

/// A choice that was made, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The path that was looked for.
    pub typed: String,
    /// Where it was found, for people.
    pub shown: String,
    /// In which way the two are the same, in words.
    pub how: String,
    /// Where it was found, its bytes in hex.
    path: String,
}

impl Choice {
    /// That the folder with these very bytes is meant where `typed`, which is text, may mean several.
    pub fn exact(typed: &Path, path: &Path) -> Choice {
        Choice::of(
            typed,
            &Found { path: path.to_owned(), how: "its name is no text; so it was given".into() },
        )
    }

    fn of(typed: &Path, found: &Found) -> Choice {
        let bytes = found.path.as_os_str().as_encoded_bytes();
        Choice {
            typed: seek::shown(typed),
            shown: seek::shown(&found.path),
            how: found.how.clone(),
            path: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// What people are told.
    pub fn note(&self) -> String {
        format!("{} was found as {}: {}", self.typed, self.shown, self.how)
    }

    fn recall(&self) -> Option<Found> {
        let byte = |at: usize| u8::from_str_radix(self.path.get(at..at + 2)?, 16).ok();
        let bytes: Vec<u8> = (0..self.path.len()).step_by(2).map(byte).collect::<Option<_>>()?;
        let path = PathBuf::from(platform::os_string(bytes)?);
        Some(Found { path, how: self.how.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder, the path `Büro` in it, and a folder in it that is called as `stored` says.
    fn with(stored: &[u8]) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let typed = folder.path().join("Büro");
        let found = folder.path().join(platform::os_string(stored.to_vec()).unwrap());
        std::fs::create_dir(&found).unwrap();
        (folder, typed, found)
    }

    #[test]
    fn a_choice_is_kept_as_long_as_it_holds() {
        let (folder, typed, found) = with("Bu\u{308}ro".as_bytes());
        let root = Root::new(&typed);
        assert_eq!((root.path(), root.choice()), (typed.clone(), None), "nobody asked yet");
        if seek::is_there(&typed).unwrap() {
            return; // A disk on which the two are one name.
        }
        assert!(root.seek().unwrap());
        assert_eq!((root.path(), root.seek().unwrap()), (found.clone(), false));
        let choice = root.choice().unwrap();
        assert!(choice.note().contains("NFC") && choice.note().contains("cc\\x88"), "{}", choice.note());

        let kept = || Root::new(&typed).with_choice(Some(&choice));
        let again = kept();
        again.settle();
        assert_eq!(again.path(), found);
        assert!(
            Root::new(folder.path().join("other")).with_choice(Some(&choice)).seek().is_err(),
            "of another path"
        );

        // The exact one wins as soon as it is there, and what is gone is not believed.
        std::fs::create_dir(&typed).unwrap();
        let again = kept();
        again.settle();
        assert_eq!((again.path(), again.choice()), (typed.clone(), None));
        std::fs::remove_dir(&typed).unwrap();
        std::fs::remove_dir(&found).unwrap();
        let error = kept().seek().unwrap_err();
        assert!(
            error.is_away() && error.to_string().contains("holds no \"Büro\"; nothing is in it"),
            "{error}"
        );
    }
}
