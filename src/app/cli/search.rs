//! `lanpost search`: finds mail by what it says, both directions. Exit codes: 0 (also if nothing was found), 2.
//!
//! It works on the local store alone and changes nothing.

use super::listing;
use super::out::Out;
use super::since::Moment;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::{self, Found, Hit};
use crate::error::Result;
use crate::model::name::Address;
use crate::store::db::{Message, Scope, Way};

/// Messages that are shown unless more are asked for.
pub const LIMIT: usize = 20;
/// Columns of any cell but the last.
const CELL: usize = 24;

/// Find mail by what it says, sent and received, the newest first; all words must be in it, anywhere
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost search deploy failed\n  \
    lanpost search '\"exit code 3\"' --from lab --since 7d\n  \
    lanpost search 部署 --json | jq -r '.hits[].id'")]
pub struct Args {
    /// Words, or parts of them, in any script; "several words" in quotes as they stand; case doesn't matter
    #[arg(required = true, value_name = "WORDS")]
    pub words: Vec<String>,
    /// Only from this INSTANCE, INSTANCE/AGENT, or stranger as it names itself
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    pub from: Option<String>,
    /// Only to this INSTANCE or INSTANCE/AGENT
    #[arg(long, value_name = "NAME")]
    pub to: Option<String>,
    /// Only what is not older: a duration (2h), or a time (2026-02-14, 2026-02-14T10:40:00Z)
    #[arg(long, value_name = "DURATION|TIME")]
    pub since: Option<Moment>,
    /// Only what is older than that
    #[arg(long, value_name = "DURATION|TIME")]
    pub until: Option<Moment>,
    /// Only mail that came
    #[arg(long = "in", conflicts_with_all = ["out", "to"])]
    pub came: bool,
    /// Only mail that was sent
    #[arg(long, conflicts_with = "from")]
    pub out: bool,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = LIMIT)]
    pub limit: usize,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let node = cx.open()?;
    let found = find(&node, &args)?;
    if cx.json {
        cx.out.json(&found)?;
        return Ok(exit::DONE);
    }
    if found.hits.is_empty() {
        cx.out.say("nothing was found");
        return Ok(exit::DONE);
    }
    let length = listing::short(found.hits.iter().map(|hit| &hit.message));
    let heading = cx.out.heading(["ID", "STATE", "WHO", "TIME", "CONTENT"]);
    let rows: Vec<_> =
        std::iter::once(heading).chain(found.hits.iter().map(|hit| row(hit, length, &cx.out))).collect();
    for line in print::table(&rows, CELL.max(length), cx.out.columns) {
        cx.out.line(line);
    }
    if found.more {
        cx.note(&format!("older ones are not shown: --limit N shows more than {}", args.limit));
    }
    Ok(exit::DONE)
}

/// What is asked for.
///
/// # Errors
/// There are no words; the local store's.
pub fn find(node: &Node, args: &Args) -> Result<Found> {
    let now = node.clock.wall_ms();
    let way = match (args.came || args.from.is_some(), args.out || args.to.is_some()) {
        (true, _) => Some(Way::In),
        (_, true) => Some(Way::Out),
        _ => None,
    };
    let peer = args.from.as_deref().or(args.to.as_deref()).map(listing::peer);
    let agent = args.from.as_deref().or(args.to.as_deref()).and_then(listing::agent);
    let (since, until) = (args.since.map(|at| at.ms(now)), args.until.map(|at| at.ms(now)));
    let scope = Scope { way, peer, since, until };
    let of_agent = |message: &Message| {
        let other = if message.way == Way::In { &message.from } else { &message.to };
        let other = || other.parse::<Address>().ok()?.agent;
        agent.as_ref().is_none_or(|agent| other().is_some_and(|other| other.same_as(agent)))
    };
    ops::search(node, &args.words.join(" "), &scope, args.limit, of_agent)
}

fn row(hit: &Hit, length: usize, out: &Out) -> [String; 5] {
    let message = &hit.message;
    let id = message.id.as_str();
    let who = match message.way {
        Way::In => listing::sender(message),
        Way::Out => out.word(&format!("to {}", print::line(&message.to))),
    };
    let text = match &hit.snippet {
        Some(part) => {
            // A line of its own: what breaks lines is a blank here.
            let plain = |text: &str| {
                print::line(&text.split(char::is_whitespace).collect::<Vec<_>>().join(" ")).into_owned()
            };
            format!("{}[{}]{}", plain(&part.before), plain(&part.hit), plain(&part.after))
        }
        None => print::summary(&message.content),
    };
    [
        id.get(..length).unwrap_or(id).to_owned(),
        listing::state(message),
        who,
        print::local_time(&message.at),
        text,
    ]
}
