//! Secrets where they are kept: the environment, a private file, the system's own store. The only place that reads them.
//!
//! Invariants: what is read is never logged and never part of an error; a file that others may read is refused, since
//! what lies in it is no secret. The store is Windows's Credential Manager, macOS's Keychain, Linux's kernel keyring;
//! each user has one of their own, a service's account, too.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use keyring_core::Entry;
#[allow(unused_imports, reason = "the fallback store needs no trait")]
use keyring_core::api::CredentialStoreApi;
use zeroize::Zeroizing;

use super::keyring::Store;
use super::{dirs, files, platform, private};
use crate::error::{At, Error, Kind, Result};
use crate::model::name::Name;
use crate::model::secret::{LONGEST, Secret, SecretRef};
use crate::model::text::decode_document;

const READ: &str = "read the secret";
/// Under which name the system's store lists our secrets.
const SERVICE: &str = "lanpost";
/// The largest file that is looked at: text of any encoding may take some room.
const MOST: u64 = 4 * LONGEST as u64 + 16;

/// The secret behind a reference.
///
/// # Errors
/// There is none, others may read it, or it is no text; the error names the reference and the way out.
pub fn resolve(reference: &SecretRef) -> Result<Secret> {
    let text = match reference {
        SecretRef::Env(variable) => dirs::env(variable).map(Zeroizing::new).ok_or_else(|| {
            Error::new(Kind::NotFound, READ, reference, "the variable is not set")
                .next("set it for the process that runs lanpost; a service does not have your environment")
        })?,
        SecretRef::File(path) => from_file(reference, path)?,
        SecretRef::Keyring(name) => entry(name)
            .and_then(|entry| entry.get_password())
            .map(Zeroizing::new)
            .map_err(|error| of_keyring(READ, reference, &error))?,
    };
    Secret::new(text)
        .map_err(|cause| Error::usage(READ, reference, cause).next("store it anew with `lanpost secret set`"))
}

/// Keeps a secret; one that is kept under that reference is replaced. `for_services`: a file may be read by the service
/// accounts, too, where the system has some.
///
/// # Errors
/// It can't be kept there.
pub fn store(reference: &SecretRef, secret: &Secret, for_services: bool) -> Result<()> {
    const DEED: &str = "store the secret";
    match reference {
        SecretRef::Env(_) => {
            Err(Error::usage(DEED, reference, "a process can't set another one's environment")
                .next("set the variable where lanpost is started, or use 'keyring:NAME' or 'file:PATH'"))
        }
        SecretRef::File(path) => to_file(path, secret, for_services),
        SecretRef::Keyring(name) => entry(name)
            .and_then(|entry| entry.set_password(secret.expose()))
            .map_err(|error| of_keyring(DEED, reference, &error)),
    }
}

/// Removes a secret; whether there was one.
///
/// # Errors
/// It can't be removed.
pub fn remove(reference: &SecretRef) -> Result<bool> {
    const DEED: &str = "remove the secret";
    match reference {
        SecretRef::Env(_) => {
            Err(Error::usage(DEED, reference, "a process can't change another one's environment")
                .next("take the variable out where lanpost is started"))
        }
        SecretRef::File(path) => match platform::remove(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            other => other.map(|()| true).at("remove", path),
        },
        SecretRef::Keyring(name) => match entry(name).and_then(|entry| entry.delete_credential()) {
            Ok(()) => Ok(true),
            Err(keyring_core::Error::NoEntry) => Ok(false),
            Err(error) => Err(of_keyring(DEED, reference, &error)),
        },
    }
}

fn entry(name: &Name) -> keyring_core::Result<Entry> {
    Store::new()?.build(SERVICE, name.as_str(), None)
}

/// The keyring's own words hold no secret; its `Debug` may.
fn of_keyring(deed: &str, reference: &SecretRef, error: &keyring_core::Error) -> Error {
    let (kind, cause) = match error {
        keyring_core::Error::NoEntry => {
            (Kind::NotFound, "this user's keyring has none of that name".to_owned())
        }
        error => (Kind::Denied, error.to_string()),
    };
    Error::new(kind, deed, reference, cause).next(
        "store it with `lanpost secret set` as the very user that runs lanpost; for a service of another account, and where \
         there is no keyring, keep it in a file: `lanpost secret set file:PATH`",
    )
}

fn from_file(reference: &SecretRef, path: &Path) -> Result<Zeroizing<String>> {
    if !path.is_file() && path.exists() {
        return Err(Error::usage(READ, reference, "it is not a regular file").next("name another file"));
    }
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::new(Kind::NotFound, READ, reference, "there is no such file")
                .next(format!("make it with `lanpost secret set \"{reference}\"`")));
        }
        other => other.at("open the secret", path)?,
    };
    let others = private::others_who_read(&file).at("look at the rights of", path)?;
    if !others.is_empty() {
        let cause = format!("more than its owner may read it: {}", others.join(", "));
        return Err(Error::usage(READ, reference, cause).next(private::way_out(path, &file)));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST as usize + 1));
    file.take(MOST + 1).read_to_end(&mut bytes).at("read the secret", path)?;
    let document = decode_document(&bytes).map_err(|_| {
        Error::usage(READ, reference, "it is no text").next("store it anew with `lanpost secret set`")
    })?;
    Ok(Zeroizing::new(document.text))
}

/// Whether a file may be replaced by a secret: it is none, or looks like one itself.
fn could_be_secret(path: &Path) -> std::io::Result<bool> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST as usize + 1));
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
        Ok(meta) if !meta.is_file() => return Ok(false),
        Ok(_) => File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?,
    };
    let text = decode_document(&bytes).ok().map(|document| Zeroizing::new(document.text));
    Ok(bytes.is_empty() || text.is_some_and(|text| Secret::new(text).is_ok()))
}

/// Written aside under the rights that it is to have, then renamed: there is no moment in which others may read it.
fn to_file(path: &Path, secret: &Secret, for_services: bool) -> Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.tmp", std::process::id()));
    let aside = PathBuf::from(aside);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::make_folders(folder)?;
    }
    if !could_be_secret(path).at("look at", path)? {
        let cause = match path.is_dir() {
            true => "a folder is there",
            false => "a file is there that holds something else than one line of text",
        };
        return Err(Error::usage("write the secret to", path.display(), cause).next("name another file"));
    }
    let _ = std::fs::remove_file(&aside);
    let done = private::create(&aside, for_services)
        .and_then(|mut file| file.write_all(secret.expose().as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| platform::rename(&aside, path));
    if done.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    done.at("write the secret to", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::{Encoding, encode};

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned()).unwrap()
    }

    #[test]
    fn a_file_keeps_a_secret_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let reference = SecretRef::File(folder.path().join("new/密码"));
        assert_eq!(resolve(&reference).unwrap_err().kind(), Kind::NotFound);
        for text in ["hunter2", "密码 with a blank"] {
            store(&reference, &secret(text), true).unwrap();
            assert_eq!(resolve(&reference).unwrap().expose(), text);
        }
        assert_eq!(
            std::fs::read_dir(folder.path().join("new")).unwrap().count(),
            1,
            "nothing lies beside it"
        );
        assert!(remove(&reference).unwrap() && !remove(&reference).unwrap());
    }

    #[test]
    fn a_file_may_have_been_saved_by_any_editor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        for encoding in Encoding::ALL {
            store(&SecretRef::File(path.clone()), &secret("x"), false).unwrap();
            // The rights stay, the content changes.
            std::fs::write(&path, encode("密码\r\n", encoding, true)).unwrap();
            assert_eq!(resolve(&SecretRef::File(path.clone())).unwrap().expose(), "密码", "{encoding:?}");
        }
        std::fs::write(&path, "hunter2\nhunter3\n").unwrap();
        let said = resolve(&SecretRef::File(path.clone())).unwrap_err().to_string();
        assert!(said.contains("several lines") && !said.contains("hunter"), "{said}");
        std::fs::write(&path, [0xff, 0x00, 0xfe, 0x81, 0x20]).unwrap();
        assert!(resolve(&SecretRef::File(path.clone())).is_err());
        let folder = SecretRef::File(folder.path().to_owned());
        assert!(resolve(&folder).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    #[cfg(all(test, unix))]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        let reference = SecretRef::File(path.clone());
        store(&reference, &secret("hunter2"), false).unwrap();
        for (mode, who) in [(0o640, "its group"), (0o604, "everybody"), (0o620, "its group")] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let said = resolve(&reference).unwrap_err().to_string();
            assert!(said.contains(who) && said.contains("chmod 600") && !said.contains("hunter"), "{said}");
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
        assert!(resolve(&reference).is_ok());
    }

    /// The folder of all users hands rights to all of them down; what we make there has none of them.
    #[test]
    #[cfg(all(test, windows))]
    fn a_file_that_others_may_read_is_refused() {
        let path = PathBuf::from(format!(r"C:\Users\Public\lanpost-test-{}", std::process::id()));
        let reference = SecretRef::File(path.clone());
        std::fs::write(&path, "hunter2").unwrap();
        let said = resolve(&reference).unwrap_err().to_string();
        assert!(said.contains("icacls") && !said.contains("hunter"), "{said}");
        store(&reference, &secret("hunter2"), true).unwrap();
        assert_eq!(resolve(&reference).unwrap().expose(), "hunter2");
        assert!(remove(&reference).unwrap());
    }

    #[test]
    fn a_file_that_holds_something_else_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let reference = SecretRef::File(path.clone());
        std::fs::write(&path, "instance = \"lab\"\nstate = \"x\"\n").unwrap();
        let said = store(&reference, &secret("hunter2"), false).unwrap_err().to_string();
        assert!(said.contains("something else") && !said.contains("hunter"), "{said}");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("instance"));
        assert!(store(&SecretRef::File(folder.path().to_owned()), &secret("x"), false).is_err(), "a folder");
        std::fs::write(&path, "").unwrap();
        store(&reference, &secret("hunter2"), false).unwrap();
    }

    #[test]
    fn a_variable_is_read_and_not_set() {
        let none = SecretRef::Env("LANPOST_TEST_NO_SUCH_VARIABLE".into());
        assert_eq!(resolve(&none).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(store(&none, &secret("x"), false).unwrap_err().kind(), Kind::Usage);
        assert_eq!(remove(&none).unwrap_err().kind(), Kind::Usage);
        assert!(!resolve(&SecretRef::Env("PATH".into())).unwrap().expose().is_empty());
    }

    /// A container or a session may be without a keyring; then that is what the error says.
    #[test]
    fn a_keyring_keeps_a_secret_or_says_why_not() {
        let reference = SecretRef::Keyring(Name::parse(&format!("test-{}", std::process::id())).unwrap());
        match store(&reference, &secret("密码"), false) {
            Ok(()) => {
                assert_eq!(resolve(&reference).unwrap().expose(), "密码");
                assert!(remove(&reference).unwrap() && !remove(&reference).unwrap());
                assert_eq!(resolve(&reference).unwrap_err().kind(), Kind::NotFound);
            }
            Err(error) => {
                let said = error.to_string();
                assert!(said.contains("secret set file:PATH") && !said.contains("密码"), "{said}");
            }
        }
    }
}
