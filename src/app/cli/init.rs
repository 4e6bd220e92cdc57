//! `lanpost init`: sets up an instance. Exit codes: 0 set up (now or before), 2 it can't be as asked, 75 share away.
//!
//! Order: what is asked is checked, the engine makes state folder, key and mailbox, the config is written last: while
//! it is missing, running init again goes on. A config that is there is left alone without --force; with it, the
//! former one is kept beside it. The key lies in the state folder and survives both. What wakes the agent can be set up
//! with it, or later: see `openclaw`.

mod asked;
mod openclaw;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use asked::{Asked, absolute, readable, reference, unmapped};
use report::{Report, report};

use super::Cx;
use crate::app::locate::{self, Place};
use crate::app::pass::Work;
use crate::app::print;
use crate::app::share::reach;
use crate::engine::login::Asks;
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::{Error, Kind, Result};
use crate::model::config::{self, Config, ShareConfig, split_command};
use crate::model::layout;
use crate::model::name::Name;
use crate::model::text;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::flock::LocalLock;
use crate::sys::root::{Choice, Root};
use crate::sys::share::Share;
use crate::sys::{dirs, files, seek};

/// Set up an instance on this PC and join the share; a second run changes nothing without --force
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost init --share /mnt/agents --instance lab --agent main\n  \
    lanpost init --share '\\\\nas\\agents' --instance office --user 'NAS\\agents' --password keyring:share-password\n  \
    lanpost init --share '\\\\nas\\agents' --instance office --wake-command \"python C:\\bots\\wake.py\"\n  \
    lanpost init --wake openclaw --apply")]
pub struct Args {
    /// The folder that all instances have in common; it must be there already
    #[arg(long, value_name = "PATH", required_unless_present = "wake")]
    share: Option<PathBuf>,
    /// The name of this PC's mailbox, unique on the share
    #[arg(long, value_name = "NAME", required_unless_present = "wake")]
    instance: Option<Name>,
    /// An agent that works behind it; may be given several times
    #[arg(long = "agent", value_name = "NAME")]
    agents: Vec<Name>,
    /// What wakes the agent when there is mail: a program and its arguments, run without a shell
    #[arg(long, value_name = "CMD")]
    wake_command: Option<String>,
    /// The user that Windows logs in to the share's server as, as in NAS\agents
    #[arg(long, value_name = "USER", requires = "password")]
    user: Option<String>,
    /// Where that user's password is kept: keyring:NAME, file:PATH or env:VARIABLE (see `lanpost secret`)
    #[arg(long, value_name = "REF", requires = "user")]
    password: Option<String>,
    /// The local folder for database and key [default: in this user's state folder]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Write the config anew, take over a name that is in use, move to another share
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    openclaw: openclaw::Waking,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let place = locate::place(cx.config.as_deref())?;
    let (share, instance) = match (args.share, args.instance) {
        (Some(share), Some(instance)) => (share, instance),
        // What wakes the agent of an instance that is there.
        (share, instance) => {
            let old = locate::read(&place.path)?.ok_or_else(|| openclaw::nothing_set_up(&place))?;
            (share.unwrap_or(old.share.path), instance.unwrap_or(old.instance))
        }
    };
    let command = args.wake_command.as_deref().map(split_command).transpose()?;
    let share = unmapped(cx, absolute(&share));
    if let Some(control) = share.to_str().and_then(|text| text.chars().find(|c| c.is_control())) {
        let cause = format!("its name holds a control character ({control:?}), which no config may hold");
        return Err(Error::usage("use the share", seek::shown(&share), cause).next("rename the folder"));
    }
    let asked = Asked {
        share: readable(&share)?,
        typed: share,
        login: args.user.zip(args.password.as_deref().map(reference).transpose()?),
        state: args.state.as_deref().map(absolute).as_deref().map(readable).transpose()?,
        instance,
        agents: args.agents,
        command,
        openclaw: args.openclaw,
    };
    match (locate::read(&place.path), args.force) {
        (Ok(None), force) => set_up(cx, &place, asked, None, force),
        (Ok(Some(old)), true) => set_up(cx, &place, asked, Some(old), true),
        (Ok(Some(old)), false) => leave(cx, &place, &asked, &old),
        // One that can't be parsed is what --force is for; but it alone knew where the state folder and the key are.
        (Err(error), true) if error.kind() == Kind::Usage && asked.state.is_some() => {
            set_up(cx, &place, asked, None, true)
        }
        (Err(error), true) if error.kind() == Kind::Usage => Err(error.next(
            "fix that line, or name its state folder too: --state DIR (it holds the key and the mail)",
        )),
        (Err(error), _) => Err(error),
    }
}

/// The config is there: all is well if it says what was asked.
fn leave(cx: &mut Cx, place: &Place, asked: &Asked, old: &Config) -> Result<u8> {
    differ(place, "instance", &old.instance, &asked.instance, old.instance == asked.instance)?;
    let (had, wanted) = (old.share.path.display(), asked.share.display());
    differ(place, "share", &had, &wanted, files::absolute(&old.share.path) == files::absolute(&asked.share))?;
    if let Some((user, password)) = &asked.login {
        let share = &old.share;
        let same = share.user.as_ref() == Some(user) && share.password.as_ref() == Some(password);
        let had = share.user.as_deref().unwrap_or("none");
        differ(place, "user or password of the share", &had, user, same)?;
    }
    if let Some(state) = &asked.state {
        differ(place, "state", &old.state.display(), &state.display(), old.state == *state)?;
    }
    if !asked.agents.is_empty() {
        differ(
            place,
            "list of agents",
            &names(&old.agents),
            &names(&asked.agents),
            old.agents == asked.agents,
        )?;
    }
    if let Some(command) = &asked.command {
        let (had, wanted) = (format!("{:?}", old.wake.command), format!("{command:?}"));
        differ(place, "wake command", &had, &wanted, old.wake.command == *command)?;
    }
    let state = seek::on_disk(&old.state)?;
    if !files::is_folder(&state) {
        let cause = "the config is there, but this folder is not";
        return Err(Error::new(Kind::NotFound, "use the state folder", old.state.display(), cause)
            .next("bring it back (it holds the key), or start anew with --force"));
    }
    // What is said to be set up has a store and a key that can be used.
    let config = Config { state: state.clone(), ..old.clone() };
    Node::open(config.clone(), Arc::new(SystemClock::new()))?;
    let key = files::read(&state.join("key.pub"))?;
    let openclaw = asked.openclaw.join(&config, place, false)?;
    let report = Report {
        changed: false,
        instance: &old.instance,
        config: seek::shown(&place.path),
        state: seek::shown(&old.state),
        share: old.share.path.display().to_string(),
        share_id: None,
        key: key.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()),
        openclaw,
    };
    if cx.json {
        cx.out.json(&report)?;
    } else {
        cx.out.say(format!("already set up: {}", print::line(&report.config)));
        report
            .openclaw
            .iter()
            .flat_map(openclaw::Report::lines)
            .for_each(|line| cx.out.say(print::line(&line)));
    }
    Ok(report.code())
}

/// Refuses to have asked for something else than the config has, naming both.
fn differ(
    place: &Place,
    what: &str,
    had: &dyn std::fmt::Display,
    wanted: &dyn std::fmt::Display,
    same: bool,
) -> Result<()> {
    if same {
        return Ok(());
    }
    let cause = format!("{} exists, with another {what}: {had}, not {wanted}", place.path.display());
    let error = Error::usage("set up", "", cause);
    Err(match what {
        "instance" if place.usual => error.next("keep several instances apart with --config FILE"),
        _ => error.next("edit it, replace it with --force, or name another file with --config"),
    })
}

fn set_up(cx: &mut Cx, place: &Place, asked: Asked, old: Option<Config>, force: bool) -> Result<u8> {
    // What is not said again stays, as long as it is the same instance.
    let old = old.filter(|old| old.instance == asked.instance);
    let former = match old {
        Some(_) => files::read(&place.path)?.and_then(|bytes| text::decode_document(&bytes).ok()),
        None => None,
    };
    let former = former.map(|document| document.text.to_string()).unwrap_or_default();
    let default = || {
        dirs::state_folder(asked.instance.as_str()).ok_or_else(|| {
            Error::usage("find the state folder", "", "this user has none").next("name it with --state")
        })
    };
    let state = match (asked.state, &old) {
        (Some(state), _) => state,
        (None, Some(old)) => old.state.clone(),
        (None, None) => default()?,
    };
    // Another server has other users.
    let known = old.as_ref().filter(|old| old.share.path == asked.share).map(|old| old.share.clone());
    let known = known.and_then(|share| share.user.zip(share.password));
    let (user, password) = asked.login.or(known).unzip();
    let share = ShareConfig { path: asked.share.clone(), user, password };
    let old = old.map(|old| (old.agents, old.wake.command)).unwrap_or_default();
    let agents = if asked.agents.is_empty() { old.0 } else { asked.agents };
    let command = asked.command.unwrap_or(old.1);
    let text = config::template_after(&former, &asked.instance, &agents, &state, &share, &command)?;
    // Parsed back: nothing is made that the daemon would refuse to read.
    let mut config = config::parse(&text, &place.path)?;
    if state.starts_with(&asked.share) {
        let cause = "it lies on the share; database and key belong on a local disk";
        return Err(
            Error::usage("use the state folder", state.display(), cause).next("name another with --state")
        );
    }
    config.state = seek::on_disk(&config.state)?;
    if let Some(holder) = LocalLock::holder(&config.state).filter(|holder| holder.is_daemon()) {
        let cause = format!("its daemon runs (process {})", holder.pid);
        return Err(Error::new(Kind::Busy, "set up", &config.instance, cause).next("stop it first"));
    }
    let made = join(&config, asked.typed, force)?;
    let kept = write(&place.path, &text)?;
    let openclaw = asked.openclaw.join(&config, place, force)?;
    let notes = place.note.clone().into_iter().chain(made.choice.as_ref().map(Choice::note));
    notes.for_each(|note| cx.note(&note));
    report(cx, place, &config, made, kept.as_deref(), openclaw)
}

/// The engine's part, given up when the share hangs: running init again goes on.
fn join(config: &Config, typed: PathBuf, force: bool) -> Result<ops::Init> {
    let root = Root::new(&config.share.path);
    // What was given as bytes that are there needs no guess.
    let exact = (typed != root.typed()).then(|| Choice::exact(root.typed(), &typed));
    let root = root.with_choice(exact.as_ref());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let share = reach(config, root.clone(), "init", &clock, Asks::ByHand)?.share;
    let config = config.clone();
    let work = Work::start(share, clock.clone(), move |share| {
        if typed != root.typed() {
            same(&*share, &root, &typed)?;
        }
        ops::init(&config, &*share, clock, force)
    })?;
    work.wait().unwrap_or_else(|| Err(work.error()))
}

/// Refuses a path that is no text if the text which the config would hold leads to another folder.
fn same(share: &dyn Share, root: &Root, typed: &Path) -> Result<()> {
    share.names(&layout::root())?;
    if root.path() == typed || !seek::is_there(typed)? {
        return Ok(());
    }
    let cause = format!("a config is UTF-8, and {} is there, too", root.typed().display());
    Err(Error::usage("name the share", seek::shown(typed), cause).next("rename one of the two"))
}

/// Writes the config; a former one that says something else is kept beside it.
fn write(path: &Path, text: &str) -> Result<Option<PathBuf>> {
    let former = files::read(path)?.filter(|former| former != text.as_bytes());
    let kept = former.map(|former| {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".old");
        let aside = PathBuf::from(aside);
        files::replace(&aside, &former).map(|()| aside)
    });
    let kept = kept.transpose()?;
    files::replace(path, text.as_bytes())?;
    Ok(kept)
}

fn names(names: &[Name]) -> String {
    if names.is_empty() {
        "none".into()
    } else {
        names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
    }
}
