//! `lanpost dead`: lists, sends again and drops what came to nothing. Exit codes: 0, 2 (it is none), 3 (no such message or
//! recipient), 75 (too much waits for its recipient).

use clap::Subcommand;

use super::args::Speaker;
use super::look::refresh;
use super::{Cx, exit, listing};
use crate::app::print;
use crate::engine::ops::{self, DeadLetter};
use crate::error::Result;
use crate::model::name::Address;
use crate::store::db::{Message, Way};

/// Columns of any cell but the last.
const CELL: usize = 32;

/// List mail that came to nothing: ours that failed or expired, and what nobody could be woken for; send it again, or drop it
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost dead\n  \
    lanpost dead redrive 018f2b3c-4d5e --to lab2\n  \
    lanpost dead redrive --all\n  \
    lanpost dead drop 018f2b3c-4d5e")]
pub struct Args {
    #[command(subcommand)]
    deed: Option<Deed>,
}

#[derive(Subcommand, Debug)]
enum Deed {
    /// List dead letters, the oldest first: with why, and since when (the same as `dead` alone)
    #[command(after_help = "Example:\n  lanpost dead list --json | jq -r '.[].id'")]
    List,
    /// Send dead letters again, each once, as new messages; for mail that came, wake its agent again
    #[command(after_help = "Examples:\n  \
        lanpost dead redrive 018f2b3c-4d5e --to lab2\n  \
        lanpost dead redrive --all")]
    Redrive {
        #[command(flatten)]
        which: Which,
        /// To somebody else: INSTANCE or INSTANCE/AGENT
        #[arg(long, value_name = "NAME")]
        to: Option<Address>,
        #[command(flatten)]
        speaker: Speaker,
    },
    /// List dead letters no more, and finish the reports on them
    #[command(after_help = "Example:\n  lanpost dead drop 018f2b3c-4d5e")]
    Drop(Which),
}

/// Which of them.
#[derive(clap::Args, Debug)]
struct Which {
    /// Their ids, or prefixes that only they have
    #[arg(required_unless_present = "all", value_name = "ID")]
    ids: Vec<String>,
    /// All of ours
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    match args.deed {
        None | Some(Deed::List) => {
            refresh(cx, &mut node, "dead");
            list(cx, &ops::dead(&node)?)
        }
        Some(Deed::Redrive { which, to, speaker }) => {
            let author = speaker.author(&node);
            let ids = which.ids(&node)?;
            let sent = ops::redrive(&mut node, &ids, to.as_ref(), author)?;
            refresh(cx, &mut node, "dead");
            let sent =
                sent.iter().map(|message| ops::state_of(&node, message)).collect::<Result<Vec<_>>>()?;
            tell(cx, &sent, |message| match message.way {
                Way::Out => {
                    format!("sent {} to {} ({})", message.id, print::line(&message.to), message.state)
                }
                Way::In => format!("{} wakes again", message.id),
            })
        }
        Some(Deed::Drop(which)) => {
            let ids = which.ids(&node)?;
            let dropped = ops::drop_dead(&mut node, &ids)?;
            tell(cx, &dropped, |message| format!("dropped {}", message.id))
        }
    }
}

impl Which {
    /// The ids that are meant; all: of ours, each with its peer, since two may have the same.
    fn ids(self, node: &crate::engine::node::Node) -> Result<Vec<String>> {
        if !self.all {
            return Ok(self.ids);
        }
        let ours =
            ops::dead(node)?.into_iter().map(|letter| letter.message).filter(|letter| letter.way == Way::Out);
        Ok(ours.map(|letter| format!("{}:{}", letter.peer, letter.id)).collect())
    }
}

fn tell(cx: &mut Cx, messages: &[Message], words: impl Fn(&Message) -> String) -> Result<u8> {
    if cx.json {
        cx.out.array(messages)?;
    } else if messages.is_empty() {
        cx.out.say("there are no dead letters");
    } else {
        messages.iter().for_each(|message| cx.out.say(words(message)));
    }
    Ok(exit::DONE)
}

fn list(cx: &mut Cx, dead: &[DeadLetter]) -> Result<u8> {
    if cx.json {
        cx.out.array(dead)?;
        return Ok(exit::DONE);
    }
    if dead.is_empty() {
        cx.out.say("there are no dead letters");
        return Ok(exit::DONE);
    }
    let length = listing::short(dead.iter().map(|letter| &letter.message));
    let heading = cx.out.heading(["ID", "WHO", "CAUSE", "SINCE", "WHY", "CONTENT"]);
    let rows = dead.iter().map(|letter| {
        let message = &letter.message;
        let who = match message.way {
            Way::In => listing::sender(message),
            Way::Out => cx.out.word(&format!("to {}", print::line(&message.to))),
        };
        [
            message.id.as_str().get(..length).unwrap_or(message.id.as_str()).to_owned(),
            who,
            print::line(&letter.cause).into_owned(),
            print::local_time(&letter.since),
            cx.out.word(&print::line(message.outcome.as_deref().unwrap_or_default())),
            print::summary(&message.content),
        ]
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    for line in print::table(&rows, CELL.max(length), cx.out.columns) {
        cx.out.line(line);
    }
    Ok(exit::DONE)
}
