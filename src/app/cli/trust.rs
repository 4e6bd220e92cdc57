//! `lanpost trust`: which keys are believed. Exit codes: 0, 1, 2 (another key is pinned, or waits), 3 (no key of that name).
//!
//! Nothing here touches the share: a running daemon goes by the new decision with the next line it reads.

use std::path::PathBuf;

use clap::Subcommand;

use super::args::piped;
use super::look::refresh;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::ops::{self, Exported, TrustView};
use crate::error::{Error, Result};
use crate::model::name::Name;
use crate::model::text::decode_document;
use crate::model::trust::Standing;
use crate::store::db::PinView;
use crate::sys::files;

/// The largest list of keys that is read.
const LIST: u64 = 1 << 20;

/// See and decide which keys speak for which names
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost trust show                           # our own fingerprint, to read to others\n  \
    lanpost trust show lab\n  \
    lanpost trust accept lab 66384-52766-39727-81917-03278-56358\n  \
    lanpost trust export > keys.json; lanpost trust import keys.json")]
pub struct Args {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Subcommand, Debug)]
enum Deed {
    /// List all keys, and what each is to its name
    #[command(after_help = "Example:\n  lanpost trust list")]
    List,
    /// Show the keys of a name, what happened to them, and what was refused in its name [default: our own]
    #[command(after_help = "Examples:\n  \
        lanpost trust show --json | jq -r '.keys[0].fingerprint'\n  \
        lanpost trust show lab")]
    Show {
        /// Whose: the name of an instance
        name: Option<Name>,
    },
    /// Pin a key for a name that has none, after its owner read it to you
    #[command(after_help = "Example:\n  lanpost trust pin lab 66384-52766-39727-81917-03278-56358")]
    Pin {
        /// Whose: the name of an instance
        name: Name,
        /// Its fingerprint, if the key was seen; else the key, as in ed25519:<64 hex digits>
        key: String,
        /// Also if that key was revoked before
        #[arg(long)]
        revoked: bool,
    },
    /// Let the key that waits replace the one before, which is revoked
    #[command(after_help = "Example:\n  lanpost trust accept lab 66384-52766-39727-81917-03278-56358")]
    Accept {
        /// Whose: the name of an instance
        name: Name,
        /// The new key's fingerprint, as its owner read it to you
        fingerprint: String,
    },
    /// Believe the keys of a name no more, and what they sign from now on
    #[command(after_help = "Example:\n  lanpost trust revoke lab")]
    Revoke {
        /// Whose: the name of an instance
        name: Name,
    },
    /// Forget that a name ever had a key: it may speak unsigned again, or be seen for the first time
    #[command(after_help = "Example:\n  lanpost trust forget lab")]
    Forget {
        /// Whose: the name of an instance
        name: Name,
    },
    /// Replace our own key; peers learn it by themselves, since the old one signs the new
    #[command(after_help = "Example:\n  lanpost trust rotate")]
    Rotate,
    /// Print the pinned keys, ours among them, as JSON
    #[command(after_help = "Example:\n  lanpost trust export > keys.json")]
    Export,
    /// Pin the keys of a list that `export` printed, for names that have none
    #[command(after_help = "Example:\n  lanpost trust import keys.json")]
    Import {
        /// The list; `-` reads it from standard input
        file: PathBuf,
    },
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let shown = match args.deed {
        Deed::List => return list(cx, &ops::trust_list(&node)?),
        Deed::Export => {
            let exported = ops::trust_export(&node)?;
            cx.out.array(&exported)?;
            return Ok(exit::DONE);
        }
        Deed::Import { file } => return import(cx, &file),
        Deed::Forget { name } => {
            ops::trust_forget(&mut node, &name)?;
            if cx.json {
                cx.out.json(&serde_json::json!({"name": name, "keys": []}))?;
            } else {
                cx.out.say(format!("{name} has no key"));
            }
            return Ok(exit::DONE);
        }
        Deed::Show { name } => {
            let name = name.unwrap_or_else(|| node.instance().clone());
            ops::trust_show(&node, &name)?
        }
        Deed::Pin { name, key, revoked } => ops::trust_pin(&mut node, &name, &key, revoked)?,
        Deed::Accept { name, fingerprint } => ops::trust_accept(&mut node, &name, &fingerprint)?,
        Deed::Revoke { name } => ops::trust_revoke(&mut node, &name)?,
        Deed::Rotate => {
            let rotated = ops::trust_rotate(&mut node)?;
            // Without a daemon this announces the new key.
            refresh(cx, &mut node, "trust");
            rotated
        }
    };
    show(cx, &shown)
}

fn list(cx: &mut Cx, pins: &[PinView]) -> Result<u8> {
    if cx.json {
        cx.out.array(pins)?;
        return Ok(exit::DONE);
    }
    let heading = cx.out.heading(["NAME", "STATE", "HOW", "SINCE", "FINGERPRINT"]);
    let row = |pin: &PinView| {
        [
            print::line(&pin.name).into_owned(),
            pin.state.to_string(),
            pin.how.clone(),
            print::local_time(&pin.since),
            pin.fingerprint.clone(),
        ]
    };
    let rows: Vec<_> = std::iter::once(heading).chain(pins.iter().map(row)).collect();
    for line in print::table(&rows, 64, usize::MAX) {
        cx.out.line(line);
    }
    Ok(exit::DONE)
}

fn show(cx: &mut Cx, view: &TrustView) -> Result<u8> {
    if cx.json {
        cx.out.json(view)?;
        return Ok(exit::DONE);
    }
    let own = if view.own { cx.out.word(" (this instance)") } else { String::new() };
    cx.out.line(format!("{}{own}", view.name));
    for pin in &view.keys {
        let since = print::local_time(&pin.since);
        cx.out.say(format!("  {:<8}  {}  since {since} ({})", pin.state, pin.fingerprint, pin.how));
        cx.out.line(format!("            {}", pin.key));
        if let Some(seal) = &pin.seal {
            let used = pin.state == Standing::Pinned;
            let use_of_it = if used { cx.out.word(" (mail is sealed to it)") } else { String::new() };
            cx.out.line(format!("            {seal}{use_of_it}"));
        }
    }
    for refused in &view.refused {
        let (first, last) = (print::local_time(&refused.first), print::local_time(&refused.last));
        cx.out.say(format!("  refused   {} ({}), from {first} to {last}", refused.count, refused.cause));
    }
    for step in &view.history {
        let what = step.what.trim_start_matches("key-");
        let detail = print::line(step.detail.as_deref().unwrap_or_default());
        cx.out.line(format!("  {}  {what} ({detail})", print::local_time(&step.at)));
    }
    if view.keys.iter().any(|pin| pin.state == Standing::Pending) {
        let known = view.keys.iter().any(|pin| pin.state != Standing::Pending);
        let deed = if known { "accept" } else { "pin" };
        // The fingerprint is not put into the line: it is to be the one that the owner reads.
        cx.note(&format!(
            "compare the fingerprint with the one that {0}'s owner reads to you, then: lanpost trust {deed} {0} FINGERPRINT",
            view.name
        ));
    }
    Ok(exit::DONE)
}

fn import(cx: &mut Cx, file: &std::path::Path) -> Result<u8> {
    let deed = "import keys from";
    let text = if file.as_os_str() == "-" {
        piped(&mut std::io::stdin().lock(), LIST)?.text
    } else {
        let bytes = files::read(file)?.ok_or_else(|| {
            Error::new(crate::error::Kind::NotFound, deed, file.display(), "there is no such file")
        })?;
        // What PowerShell's `>` writes is UTF-16.
        decode_document(&bytes).map_err(|damage| Error::usage(deed, file.display(), damage))?.text
    };
    let list: Vec<Exported> = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|cause| {
        Error::usage(deed, file.display(), cause).next("give what `lanpost trust export` printed")
    })?;
    let mut node = cx.open()?;
    let imported = ops::trust_import(&mut node, &list)?;
    if cx.json {
        cx.out.array(&imported)?;
    } else {
        for one in &imported {
            cx.out.line(format!("{:<8}  {}  {}", one.result, one.key.fingerprint(), one.name));
        }
    }
    let refused = imported.iter().filter(|one| one.result == "refused").count();
    if refused > 0 {
        cx.note(&format!("{refused} not pinned: another key is, or was; `lanpost trust show NAME` tells"));
        return Ok(exit::FAILED);
    }
    Ok(exit::DONE)
}
