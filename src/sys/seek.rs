//! A path as people type it, found on this machine: name by name, by the rules of [`paths`].
//!
//! Cost: one question if the path is there as it is. Only if it isn't, each folder of it is asked for, and the one in
//! which a name is missing is listed. Blocks as long as a share does: call it where that may hang.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::platform;
use crate::error::{At, Error, Kind, Result};
use crate::model::paths::{self, How, Pick};

/// Names that are listed in an error.
const FEW: usize = 4;

/// What looking for a path came to.
#[derive(Clone, Debug)]
pub enum Sought {
    /// It is there, by that very path.
    There,
    /// It is there by another one.
    Found(Found),
    /// It is not there.
    Missing(Missing),
}

/// A path that is called otherwise on disk than it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The path to use.
    pub path: PathBuf,
    /// Which name of it is which on disk, and how so, in words.
    pub how: String,
}

impl Found {
    /// What people are told: where it was found, with the bytes.
    pub fn note(&self, typed: &Path) -> String {
        format!("{} was found as {}: {}", shown(typed), shown(&self.path), self.how)
    }
}

/// How far a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The deepest folder that is there, as it is called on disk; empty if none is.
    pub folder: PathBuf,
    /// What is not there, below it.
    pub rest: PathBuf,
    /// Which name of the folder's path is which on disk, in words; empty if all are as typed.
    how: String,
    /// What is in the folder instead, in words.
    near: String,
}

impl Missing {
    /// Why it is not there.
    pub fn cause(&self) -> String {
        match (self.folder.as_os_str().is_empty(), self.rest.components().next()) {
            (false, Some(name)) => {
                format!("{} holds no {}", shown(&self.folder), quoted(name.as_os_str())) + &self.near
            }
            _ => "nothing of it is there".into(),
        }
    }

    /// What people are told, if the part that is there is called otherwise on disk.
    pub fn note(&self, typed: &Path) -> Option<String> {
        let found = Found { path: self.path(), how: self.how.clone() };
        (!self.how.is_empty()).then(|| found.note(typed))
    }

    /// The whole path, to be made: what is there under the name that it has on disk.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.rest)
    }
}

/// Looks for a path.
///
/// # Errors
/// It can't be told: several names fit equally well, or a folder on the way can't be looked into.
pub fn seek(path: &Path) -> Result<Sought> {
    if is_there(path)? {
        return Ok(Sought::There);
    }
    let (mut at, mut how) = (PathBuf::new(), vec![]);
    let mut parts = path.components();
    // Another system's path, such as `C:\x` on Linux, begins nowhere.
    while let Some(part) = parts.next().filter(|_| path.is_absolute()) {
        let rest = parts.as_path();
        match step(&at, part, rest.components().next().is_some())? {
            Step::Same => at.push(part),
            Step::Other(name, words) => {
                at.push(name);
                how.push(words);
            }
            Step::Nowhere(near) => {
                let rest = std::iter::once(part).chain(rest.components()).collect();
                return Ok(Sought::Missing(Missing { folder: at, rest, how: how.join("; "), near }));
            }
        }
    }
    if how.is_empty() {
        let (folder, how, near) = Default::default();
        return Ok(Sought::Missing(Missing { folder, rest: path.to_owned(), how, near }));
    }
    Ok(Sought::Found(Found { path: at, how: how.join("; ") }))
}

/// Where one name of a path leads.
enum Step {
    /// To what is called so.
    Same,
    /// To what is called otherwise, and how so.
    Other(OsString, String),
    /// Nowhere; what is there instead.
    Nowhere(String),
}

/// One step from the folder `at`; `more`: others follow, so that a file won't do.
fn step(at: &Path, part: Component<'_>, more: bool) -> Result<Step> {
    let Component::Normal(name) = part else { return Ok(Step::Same) };
    if is_there(&at.join(name))? {
        return Ok(Step::Same);
    }
    let names = names(at, name, more)?;
    Ok(match choose(at, name, &names)? {
        Some((found, _)) if found == name => {
            Step::Nowhere(", or one that leads nowhere, such as a broken link".into())
        }
        Some((found, how)) => {
            let words = format!("{} is {}, {how}", quoted(name), told(&found, name));
            Step::Other(found, words)
        }
        None => Step::Nowhere(nearest(name, &names)),
    })
}

/// Whether an error means that no such name is there; some file systems refuse a name that they could not hold.
pub(super) fn is_absent(error: &io::Error) -> bool {
    Kind::of(error) == Kind::NotFound
        || error.kind() == io::ErrorKind::InvalidFilename
        || error.raw_os_error().is_some_and(|number| platform::NO_NAME.contains(&number))
}

/// Whether a path leads anywhere. Cost: 1 stat.
pub fn is_there(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        // A file on the way is no folder that holds it.
        Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error).at("look at", path),
    }
}

/// The names in a folder in which `wanted` is looked for, but for files if a folder is wanted. Cost: 1 list.
fn names(folder: &Path, wanted: &OsStr, folders: bool) -> Result<Vec<OsString>> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        let of_use = |entry: &fs::DirEntry| !folders || !entry.file_type().is_ok_and(|kind| kind.is_file());
        let kept = entries.filter(|entry| entry.as_ref().map_or(true, of_use));
        kept.map(|entry| Ok(entry?.file_name())).collect()
    });
    match listed {
        Ok(names) => Ok(names),
        // Gone since, or a file, which holds nothing.
        Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::NotADirectory => Ok(vec![]),
        Err(error) => {
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            let error = Error::io(format!("look for {} in", quoted(wanted)), folder, error);
            Err(if denied { error.next("let this user list that folder, or mend the path") } else { error })
        }
    }
}

/// The name that is meant, and how it is.
fn choose(folder: &Path, name: &OsStr, names: &[OsString]) -> Result<Option<(OsString, How)>> {
    let bytes: Vec<&[u8]> = names.iter().map(|name| name.as_encoded_bytes()).collect();
    match paths::pick(name.as_encoded_bytes(), &bytes) {
        Pick::None => Ok(None),
        Pick::One(at, how) => Ok(Some((names[at].clone(), how))),
        Pick::Several(how, at) => {
            let all: Vec<String> = at.iter().map(|at| told(&names[*at], name)).collect();
            let cause = format!("each of {} is {how}", all.join(" and "));
            let deed = format!("tell which {} in", quoted(name));
            Err(Error::usage(deed, folder.display(), cause)
                .next("rename the wrong one, or the right one to exactly what the config or command says"))
        }
    }
}

/// What there is instead of `name`.
fn nearest(name: &OsStr, names: &[OsString]) -> String {
    let bytes: Vec<&[u8]> = names.iter().map(|name| name.as_encoded_bytes()).collect();
    let near = paths::near(name.as_encoded_bytes(), &bytes);
    if !near.is_empty() {
        return format!("; the nearest there: {}", near.join(", "));
    }
    let mut few: Vec<String> = names.iter().map(|there| told(there, name)).collect();
    few.sort();
    let more = few.len().saturating_sub(FEW);
    few.truncate(FEW);
    match (few.len(), more) {
        (0, _) => "; nothing is in it".into(),
        (_, 0) => format!("; what is there: {}", few.join(", ")),
        (_, more) => format!("; what is there: {} and {more} more", few.join(", ")),
    }
}

/// A path on this PC's own disk as it is there; what is not there yet stays as it was typed.
///
/// # Errors
/// It can't be told, see [`seek`].
pub fn on_disk(path: &Path) -> Result<PathBuf> {
    Ok(match seek(path)? {
        Sought::There => path.to_owned(),
        Sought::Found(found) => found.path,
        Sought::Missing(missing) => missing.path(),
    })
}

/// A path as text that a config can hold, and under which [`seek`] finds it again; `None` if it is no text at all.
pub fn readable(path: &Path) -> Option<PathBuf> {
    let name = |part: Component<'_>| paths::readable(part.as_os_str().as_encoded_bytes());
    match path.to_str() {
        Some(_) => Some(path.to_owned()),
        None => path.components().map(name).collect(),
    }
}

/// A path with the bytes of what is no text.
pub fn shown(path: &Path) -> String {
    paths::shown(path.as_os_str().as_encoded_bytes())
}

fn told(name: &OsStr, typed: &OsStr) -> String {
    paths::told(name.as_encoded_bytes(), typed.as_encoded_bytes())
}

fn quoted(name: &OsStr) -> String {
    format!("\"{}\"", paths::shown(name.as_encoded_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_name_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        let stored = top.join("浣犲ソ/a/Bu\u{308}ro");
        std::fs::create_dir_all(&stored).unwrap();
        std::fs::write(top.join("浣犲ソ/a/file"), "").unwrap();
        assert!(matches!(seek(&stored).unwrap(), Sought::There));
        let Sought::Found(found) = seek(&top.join("你好/a/./Büro")).unwrap() else { panic!("not found") };
        // A Mac takes the second name for the same.
        assert!(is_there(&found.path).unwrap() && found.path.starts_with(top.join("浣犲ソ/a")));
        assert!(found.how.contains("\"你好\" is \"浣犲ソ\""), "{}", found.how);
        let missing = |path: &str| match seek(&top.join(path)).unwrap() {
            Sought::Missing(missing) => missing,
            other => panic!("{path}: {other:?}"),
        };
        let none = missing("你好/b/c/d");
        assert_eq!((none.folder.clone(), none.path()), (top.join("浣犲ソ"), top.join("浣犲ソ/b/c/d")));
        assert!(none.cause().ends_with("holds no \"b\"; what is there: \"a\""), "{}", none.cause());
        assert!(none.note(&top.join("你好/b")).is_some() && missing("b").note(top).is_none());
        assert!(missing("浣犲ソ/a/file/x").cause().contains("file holds no \"x\""), "a file holds nothing");
        for other in ["c", "d", "e", "资料", "图片"] {
            std::fs::create_dir(stored.parent().unwrap().join(other)).unwrap();
        }
        let cause = missing("浣犲ソ/a/zzz").cause();
        assert!(cause.contains("what is there: \"Bu") && cause.ends_with(" and 3 more"), "{cause}");
        assert!(missing("浣犲ソ/a/资科").cause().contains("the nearest there: \"资料\""));
        let long = "长".repeat(100);
        assert!(missing(&long).cause().contains(&long), "longer than a name may be in UTF-8");
        for foreign in ["C:\\x\\y", "relative/none"] {
            let Sought::Missing(none) = seek(Path::new(foreign)).unwrap() else { panic!("{foreign}") };
            assert!(Path::new(foreign).is_absolute() || none.path() == Path::new(foreign), "{foreign}");
            assert!(!none.cause().is_empty());
        }
    }
}
