//! `lanpost secret`: keeps the secrets that the config names. Exit codes: 0 done, 2 it can't be as asked, 3 there is none.
//!
//! Needs no config, since one with a password in clear is refused. Never prints a secret.

use std::io::{self, IsTerminal};

use serde::Serialize;
use zeroize::Zeroizing;

use super::args::piped;
use super::{Cx, exit};
use crate::app::{locate, print, tongue};
use crate::error::{Error, Kind, Result};
use crate::model::name::Name;
use crate::model::secret::{LONGEST, Secret, SecretRef};
use crate::sys::{files, secret};

/// Keep a password that the config names: in the system's keyring, or in a file of its owner's
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost secret set share-password\n  \
    lanpost secret set file:C:\\ProgramData\\lanpost\\share-password --service\n  \
    lanpost secret check\n\n\
    In the config:\n  \
    [share]\n  \
    user = 'NAS\\agents'\n  \
    password = 'keyring:share-password'")]
pub struct Args {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(clap::Subcommand, Debug)]
enum Deed {
    /// Store a secret: asked for at the terminal, without echo, or read from standard input
    #[command(after_help = "Examples:\n  \
        lanpost secret set share-password\n  \
        pass show nas | lanpost secret set file:/etc/lanpost/nas")]
    Set {
        /// NAME in this user's keyring, or a reference: keyring:NAME, file:PATH
        #[arg(value_name = "NAME|REF")]
        place: String,
        /// Let Windows's service accounts (NetworkService, LocalService) read the file, too
        #[arg(long)]
        service: bool,
    },
    /// Tell whether a secret can be read, and by nobody else; it is not shown
    #[command(after_help = "Examples:\n  \
        lanpost secret check\n  \
        lanpost secret check file:/etc/lanpost/nas")]
    Check {
        /// A reference, or NAME in the keyring [default: `share.password` of the config]
        #[arg(value_name = "NAME|REF")]
        place: Option<String>,
    },
    /// Remove a secret
    #[command(after_help = "Example:\n  lanpost secret remove share-password")]
    Remove {
        /// NAME in this user's keyring, or a reference
        #[arg(value_name = "NAME|REF")]
        place: String,
    },
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    reference: String,
    /// `stored`, `readable`, `removed`.
    done: &'static str,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    match args.deed {
        Deed::Set { place, service } => {
            let place = reference(&place)?;
            let text = asked(&place)?;
            let kept = Secret::new(text).map_err(|cause| Error::usage("store the secret", &place, cause))?;
            secret::store(&place, &kept, service)?;
            if !matches!(place, SecretRef::File(_)) && service {
                cx.note("--service is for files: a keyring belongs to the one user that stored into it");
            }
            tell(cx, &place, "stored")
        }
        Deed::Check { place } => {
            let place = match place {
                Some(place) => reference(&place)?,
                None => of_config(cx)?,
            };
            secret::resolve(&place)?;
            tell(cx, &place, "readable")
        }
        Deed::Remove { place } => {
            let place = reference(&place)?;
            match secret::remove(&place)? {
                true => tell(cx, &place, "removed"),
                false => Err(Error::new(Kind::NotFound, "remove the secret", &place, "there is none")),
            }
        }
    }
}

fn tell(cx: &mut Cx, place: &SecretRef, done: &'static str) -> Result<u8> {
    let reference = place.to_string();
    if cx.json {
        cx.out.json(&Report { reference, done })?;
    } else {
        cx.out.say(print::line(&format!("{done}: {reference}")));
        if done == "stored" {
            cx.out.say(print::line(&format!("in the config: password = {}", quoted(&reference))));
        }
    }
    Ok(exit::DONE)
}

/// As TOML takes it without a thought to backslashes.
fn quoted(reference: &str) -> String {
    if reference.contains('\'') { format!("{reference:?}") } else { format!("'{reference}'") }
}

/// A plain name is one in the keyring; a file is meant from the current folder here, in the config from the config's.
/// Not parsed by clap, which repeats what it refuses: it may be the secret itself.
fn reference(text: &str) -> Result<SecretRef> {
    if let Ok(name) = Name::parse(text) {
        return Ok(SecretRef::Keyring(name));
    }
    match SecretRef::parse(text) {
        Ok(SecretRef::File(path)) => Ok(SecretRef::File(files::absolute(&path))),
        Ok(other) => Ok(other),
        Err(_) => {
            let error =
                Error::usage("use the reference", "", "it is neither a name nor a reference to a secret");
            Err(error.next(
                "give NAME, keyring:NAME, file:PATH or env:VARIABLE; a secret itself is never an argument",
            ))
        }
    }
}

fn of_config(cx: &Cx) -> Result<SecretRef> {
    let (config, path) = locate::load(cx.config.as_deref())?;
    config.share.password.ok_or_else(|| {
        Error::new(Kind::NotFound, "check the secret of", path.display(), "it has no `share.password`")
            .next("name one: `lanpost secret check keyring:NAME`")
    })
}

/// The secret, from a person or a pipe.
fn asked(place: &SecretRef) -> Result<Zeroizing<String>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return piped(&mut stdin.lock(), LONGEST as u64).map(|piped| Zeroizing::new(piped.text));
    }
    let ask = |prompt: String| {
        let answer =
            rpassword::prompt_password(tongue::said(tongue::of_terminal(), &prompt)).map(Zeroizing::new);
        answer.map_err(|error| Error::new(Kind::Io, "ask for the secret", "", error))
    };
    let first = ask(format!("secret for {place} (it is not shown): "))?;
    if first != ask("once more: ".into())? {
        return Err(Error::usage("store the secret", place, "the two differ; nothing was stored"));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_in_the_keyring_and_what_is_neither_is_not_repeated() {
        assert_eq!(reference("share-password").unwrap().to_string(), "keyring:share-password");
        assert!(matches!(reference("file:x").unwrap(), SecretRef::File(path) if path.is_absolute()));
        let said = reference("hunter2!").unwrap_err().to_string();
        assert!(!said.contains("hunter"), "{said}");
        assert_eq!(quoted(r"file:C:\x"), r"'file:C:\x'");
        assert_eq!(quoted("file:it's"), "\"file:it's\"");
    }
}
