//! What `init` is asked for, as a config can hold it: paths that are absolute and text, no drives of one login.

use std::path::{Path, PathBuf};

use super::openclaw;
use crate::app::cli::Cx;
use crate::error::{Error, Result};
use crate::model::name::Name;
use crate::model::secret::SecretRef;
use crate::sys::{files, login, seek};

/// What the arguments say.
pub(super) struct Asked {
    /// As the config can hold it.
    pub share: PathBuf,
    /// As it was typed, which may be no text.
    pub typed: PathBuf,
    pub login: Option<(String, SecretRef)>,
    pub state: Option<PathBuf>,
    pub instance: Name,
    pub agents: Vec<Name>,
    pub command: Option<Vec<String>>,
    pub openclaw: openclaw::Waking,
}

/// A path as the config can hold it.
pub(super) fn readable(path: &Path) -> Result<PathBuf> {
    seek::readable(path).ok_or_else(|| {
        Error::usage("write the config for", seek::shown(path), "it is text in no encoding that is known")
            .next("rename it")
    })
}

/// A path against the current folder; a UNC path or one with a drive is absolute on every system.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    let drive = matches!(text.as_bytes(), [d, b':', b'\\' | b'/', ..] if d.is_ascii_alphabetic());
    if text.starts_with(r"\\") || drive { path.to_owned() } else { files::absolute(path) }
}

/// A drive letter of the network as the server that it stands for: a service has none of a person's drives.
pub(super) fn unmapped(cx: &mut Cx, path: PathBuf) -> PathBuf {
    let Some(unc) = login::behind_drive(&path) else { return path };
    cx.note(&format!(
        "{} is a drive of your login alone, which a service does not see; the config gets {}",
        path.display(),
        unc.display()
    ));
    unc
}

/// Where the password is; a file is named from the current folder here, from the config's there. Parsed here and not by
/// clap, which repeats what it refuses.
pub(super) fn reference(text: &str) -> Result<SecretRef> {
    match SecretRef::parse(text) {
        Ok(SecretRef::File(path)) => Ok(SecretRef::File(absolute(&path))),
        Ok(other) => Ok(other),
        Err(cause) => Err(Error::usage("take the password from", "--password", cause).next(
            "store it with `lanpost secret set share-password`, and give --password keyring:share-password",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unc_path_stays() {
        assert_eq!(absolute(Path::new(r"\\nas\agents")), Path::new(r"\\nas\agents"));
        assert_eq!(absolute(Path::new(r"C:\x")), Path::new(r"C:\x"));
        assert!(absolute(Path::new("share")).is_absolute());
    }
}
