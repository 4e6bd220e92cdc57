//! `lanpost service install`: sets the service up, or up anew after a change of its program, config path or account.

use super::{Target, printed, take};
use crate::adapt::service;
use crate::app::cli::{Cx, exit};
use crate::app::tongue;
use crate::engine::node;
use crate::error::{Error, Kind, Result};
use crate::model::mount::Protocol;
use crate::model::secret::{Secret, SecretRef};
use crate::sys::{files, mount, secret};

/// Set the service up: it starts with the PC from then on, and now with --now; safe to repeat
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost service install --print\n  \
    lanpost service install --account agents --now")]
pub struct Args {
    /// Show what would be done, and touch nothing
    #[arg(long)]
    print: bool,
    /// Start it at once, or anew if it runs
    #[arg(long)]
    now: bool,
    /// The account it runs as [default: the owner of the state folder; on Windows NetworkService]
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Where the account's password is kept: env:VARIABLE, file:PATH, keyring:NAME [default: it is asked for]
    #[arg(long, value_name = "REF", requires = "account")]
    password: Option<String>,
}

pub fn run(args: Args, cx: &mut Cx, target: &Target) -> Result<u8> {
    let Some(plan) = target.plan(args.account, args.now) else {
        let cause = "the config is not this instance's";
        return Err(
            Error::usage("set up", target.service.name(), cause).next("name its config with --config")
        );
    };
    if let Some(path) =
        [&plan.program, &plan.config, &plan.state].into_iter().find(|path| path.to_str().is_none())
    {
        // A definition is text.
        let error =
            Error::usage("set up a service with", path.display(), "its name on this disk is not Unicode");
        return Err(
            error.next("rename it, or make a link of another name and use that with --config and in `state`")
        );
    }
    if let Some((config, _)) = &target.config {
        if !files::exists(&node::store_path(config)) {
            let error =
                Error::new(Kind::NotFound, "set up", target.service.name(), "the instance is not set up");
            return Err(error.next("run `lanpost init` first"));
        }
        let share = config.share.path.to_string_lossy();
        if is_lettered(&share) && mount::of(&config.share.path).protocol == Protocol::Smb {
            let cause = format!("a service has no drive {}", share.chars().take(2).collect::<String>());
            let error = Error::usage("set up", target.service.name(), cause);
            return Err(
                error.next("write the share's own path, as in '\\\\server\\share\\folder', into the config")
            );
        }
    }
    let steps = service::install(&plan)?;
    if args.print {
        return printed(cx, target, &steps);
    }
    let ran = service::condition(&target.service, None).is_ok_and(|condition| condition.running);
    let password = password(plan.account.as_deref(), args.password.as_deref())?;
    let password = password.as_ref().map(Secret::expose);
    if let Err(error) = take(cx, target, &steps, password) {
        if service::condition(&target.service, None).is_ok_and(|condition| condition.installed) {
            cx.note("the service is there, but not all of it is set up: `lanpost service install` again goes on, `lanpost service uninstall` removes it");
        }
        return Err(error);
    }
    if ran && !plan.now {
        cx.note("it still runs as it was; `lanpost service restart` starts it anew");
    } else if !plan.now {
        cx.note("it starts with the PC; now: `lanpost service start`");
    }
    service::advice(&plan).iter().for_each(|advice| cx.note(advice));
    Ok(exit::DONE)
}

/// Whether a path begins with a drive letter of Windows.
fn is_lettered(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// The password of the account, from where it is kept or from the terminal; `None` for one that has none. Not parsed by
/// clap, which repeats what it refuses: it may be the password itself.
fn password(account: Option<&str>, place: Option<&str>) -> Result<Option<Secret>> {
    let Some(account) = account.filter(|account| service::wants_password(account)) else { return Ok(None) };
    let fail = |cause: String| Error::usage("take the password of", account, cause);
    if let Some(place) = place {
        let place =
            SecretRef::parse(place).map_err(|cause| fail(cause).next("name the place where it is kept"))?;
        return secret::resolve(&place).map(Some);
    }
    let prompt = format!("Password of {account} (it is not shown): ");
    let asked = rpassword::prompt_password(tongue::said(tongue::of_terminal(), &prompt));
    let asked =
        asked.map_err(|error| fail(error.to_string()).next("run it in a terminal, or use --password REF"))?;
    Secret::new(asked).map(Some).map_err(|cause| fail(cause.into()))
}
