//! `lanpost task`: what is to be done, who does it, what came of it. Exit codes: 0; 5 somebody else has the task, or took
//! it over; 3 no such task, or nothing to do; 75 the share is away, so a claim is not known to be made; 2 and 1.
//!
//! What is said of a task is stored at once and goes out by itself; `claim` and the words of a holder wait for the share,
//! since they count only if nobody was faster.

mod add;
pub mod claim;
pub mod list;
pub mod say;

use std::time::Duration;

use clap::Subcommand;

use super::look::refresh;
use super::{Cx, exit, out};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::{self, TaskView};
use crate::error::{Error, Kind, Result};
use crate::sys::clock;

/// How long to wait for the daemon's look at what others did.
const LOOK: Duration = Duration::from_secs(3);
/// The time between two glances at the local store.
const STEP: Duration = Duration::from_millis(20);

/// Add, claim and end tasks that all instances of the share see
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost task add \"Build the release\" --to lab/main --priority high\n  \
    lanpost task claim --next && lanpost task list --mine\n  \
    lanpost task done 3f2a1c --result \"see /builds/7\"")]
pub struct Args {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Subcommand, Debug)]
enum Deed {
    Add(add::AddArgs),
    Edit(add::EditArgs),
    List(list::ListArgs),
    Show(list::ShowArgs),
    Claim(claim::ClaimArgs),
    Renew(claim::RenewArgs),
    Progress(say::ProgressArgs),
    Done(say::DoneArgs),
    Fail(say::FailArgs),
    Release(say::ReleaseArgs),
    Block(say::BlockArgs),
    Unblock(say::OneArgs),
    Depend(say::DependArgs),
    Cancel(say::CancelArgs),
    Reopen(say::ReopenArgs),
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let ended = match args.deed {
        Deed::Add(args) => add::add(args, cx, &mut node),
        Deed::Edit(args) => add::edit(args, cx, &mut node),
        Deed::List(args) => list::list(args, cx, &mut node),
        Deed::Show(args) => list::show(&args, cx, &mut node),
        Deed::Claim(args) => claim::claim(args, cx, &mut node),
        Deed::Renew(args) => claim::renew(args, cx, &mut node),
        Deed::Progress(args) => say::progress(args, cx, &mut node),
        Deed::Done(args) => say::done(args, cx, &mut node),
        Deed::Fail(args) => say::fail(args, cx, &mut node),
        Deed::Release(args) => say::release(args, cx, &mut node),
        Deed::Block(args) => say::block(args, cx, &mut node),
        Deed::Unblock(args) => say::unblock(args, cx, &mut node),
        Deed::Depend(args) => say::depend(args, cx, &mut node),
        Deed::Cancel(args) => say::cancel(args, cx, &mut node),
        Deed::Reopen(args) => say::reopen(args, cx, &mut node),
    };
    match ended {
        // Whoever does not hold the task is told so as one who lost it.
        Err(error) if error.kind() == Kind::LeaseLost => {
            cx.out.flush();
            out::complain(cx.json, "ended", &error.to_string());
            Ok(exit::ENDED)
        }
        ended => ended,
    }
}

/// Sees what others did: by a pass, or by the daemon's look. What keeps it is told, and the answer is from the store.
pub fn fresh(cx: &mut Cx, node: &mut Node) -> Result<()> {
    if !node.daemon_runs() {
        refresh(cx, node, "task");
        return Ok(());
    }
    let (ticket, since) = (ops::request_task_look(node)?, node.clock.now());
    while !ops::task_look_done(node, ticket)? {
        if node.clock.now().saturating_sub(since) >= LOOK {
            cx.note("the daemon did not look at the share in time; this is what was known before");
            break;
        }
        clock::pause(STEP);
    }
    Ok(())
}

/// Does something with a task; if it is not known, after a look at what others did.
pub fn known<T>(cx: &mut Cx, node: &mut Node, deed: impl Fn(&mut Node) -> Result<T>) -> Result<T> {
    match deed(node) {
        Err(error) if error.is_not_found() => {
            fresh(cx, node)?;
            deed(node)
        }
        other => other,
    }
}

/// Prints one task after something was done to it, which `what` says.
pub fn tell(cx: &mut Cx, what: &str, task: &TaskView) -> Result<()> {
    if cx.json {
        return cx.out.json(task);
    }
    let (id, title) = (task.task.id.short(), print::line(&task.task.title));
    let (what, standing) = (cx.out.word(what), list::standing(task, |word| cx.out.word(word)));
    cx.out.line(format!("{what} {id}: {title} ({standing})"));
    Ok(())
}

/// A task is somebody else's.
fn lost(deed: &str, id: &str, why: &str) -> Error {
    Error::new(Kind::LeaseLost, deed, id, print::line(why))
        .next(format!("`lanpost task show {id}` tells more"))
}
