//! The config: where it lies, and what it says.
//!
//! Looked for at `--config`, else at `LANPOST_CONFIG`, else in the platform's usual folder; the first that is named is
//! the one that counts, there or not. It may be UTF-8 with or without BOM, UTF-16 or GBK, as editors left it. It and
//! the state folder are looked for as [`seek()`] does; the share is looked for by whoever works on it, since it may hang.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::model::config::{self, Config};
use crate::model::text::decode_document;
use crate::sys::seek::{self, Sought, seek};
use crate::sys::{dirs, files};

/// The environment variable that names the config.
pub const VARIABLE: &str = "LANPOST_CONFIG";

/// Where the config lies, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, absolute.
    pub path: PathBuf,
    /// Whether it is the usual place, which nobody named.
    pub usual: bool,
    /// What people are told, if it is called otherwise on disk than it was named.
    pub note: Option<String>,
    /// Why there is no file, if it can be said.
    missing: Option<String>,
}

/// A config, and where it was found.
#[derive(Clone, Debug)]
pub struct Located {
    /// The config in force.
    pub config: Config,
    /// Its file.
    pub path: PathBuf,
    /// What people are told of paths that are called otherwise on disk.
    pub notes: Vec<String>,
}

/// The place of the config, whether or not a file is there.
///
/// # Errors
/// None is named, and this user has no home.
pub fn place(flag: Option<&Path>) -> Result<Place> {
    let place = choose(flag, dirs::env_path(VARIABLE), dirs::config_file())?;
    let path = files::absolute(&place.path);
    let (path, note, missing) = match seek(&path)? {
        Sought::There => (path, None, None),
        Sought::Found(found) => (found.path.clone(), Some(found.note(&path)), None),
        Sought::Missing(missing) => (missing.path(), missing.note(&path), Some(missing.cause())),
    };
    Ok(Place { path, note, missing, ..place })
}

fn choose(flag: Option<&Path>, variable: Option<PathBuf>, usual: Option<PathBuf>) -> Result<Place> {
    let place = |path, usual| Ok(Place { path, usual, note: None, missing: None });
    match (flag.map(Path::to_owned).or(variable), usual) {
        (Some(path), _) => place(path, false),
        (None, Some(path)) => place(path, true),
        (None, None) => Err(Error::usage("find the config", "", "this user has no config folder")
            .next(format!("name the file with --config or {VARIABLE}"))),
    }
}

/// The config in force and its file.
///
/// # Errors
/// There is none (the error says where it was looked for), or it says something that is not allowed.
pub fn load(flag: Option<&Path>) -> Result<(Config, PathBuf)> {
    locate(flag).map(|located| (located.config, located.path))
}

/// The same, with what there is to tell about where things lie.
///
/// # Errors
/// As [`load`].
pub fn locate(flag: Option<&Path>) -> Result<Located> {
    let place = place(flag)?;
    let Some(mut config) = read(&place.path)? else { return Err(missing(flag, &place)) };
    let mut notes: Vec<String> = place.note.into_iter().collect();
    if let Sought::Found(found) = seek(&config.state)? {
        notes.push(found.note(&config.state));
        config.state = found.path;
    }
    Ok(Located { config, path: place.path, notes })
}

/// The config at `path`, as it is written; `None` if no file is there.
pub fn read(path: &Path) -> Result<Option<Config>> {
    files::read(path)?.map(|bytes| parse(&bytes, path)).transpose()
}

/// The config in `bytes`, which lie at `path`.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Config> {
    let document = decode_document(bytes).map_err(|damage| {
        Error::usage("read the config", seek::shown(path), damage).next("save it as UTF-8")
    })?;
    config::parse(&document.text, path)
}

fn missing(flag: Option<&Path>, place: &Place) -> Error {
    let named = match (flag, place.usual) {
        (Some(_), _) => "--config names no file",
        (None, false) => "LANPOST_CONFIG names no file",
        (None, true) => "there is no such file, and neither --config nor LANPOST_CONFIG names another",
    };
    let cause = match place.missing.as_ref().filter(|_| !place.usual) {
        Some(cause) => format!("{named}: {cause}"),
        None => named.to_owned(),
    };
    Error::new(Kind::NotFound, "find the config", seek::shown(&place.path), cause)
        .next("make one with `lanpost init --share PATH --instance NAME`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_that_is_named_counts() {
        let (flag, usual) = (Path::new("a.toml"), Some(PathBuf::from("c.toml")));
        let chosen = |flag, variable: Option<&str>| {
            let place = choose(flag, variable.map(PathBuf::from), usual.clone()).unwrap();
            (place.path.display().to_string(), place.usual)
        };
        assert_eq!(chosen(Some(flag), Some("b.toml")), ("a.toml".into(), false));
        assert_eq!(chosen(None, Some("b.toml")), ("b.toml".into(), false));
        assert_eq!(chosen(None, None), ("c.toml".into(), true));
        assert_eq!(choose(None, None, None).unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn a_missing_config_names_the_place_and_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.toml");
        let error = load(Some(&path)).unwrap_err();
        assert!(error.is_not_found());
        let text = error.to_string();
        assert!(text.contains("none.toml") && text.contains("lanpost init --share"), "{text}");
    }

    #[test]
    fn a_config_may_be_utf_16_or_gbk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = "instance = \"实验室\"\nstate = \"s\"\n[share]\npath = \"/mnt/共享\"\n";
        use crate::model::text::{Encoding, encode};
        for encoding in Encoding::ALL {
            files::replace(&path, &encode(text, encoding, true)).unwrap();
            assert_eq!(read(&path).unwrap().unwrap().instance.as_str(), "实验室", "{encoding:?}");
        }
    }
}
