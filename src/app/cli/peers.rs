//! `lanpost peers`: who is on the share. Exit codes: 0, 1, 2, 3 (no config).

use std::time::Duration;

use super::look::refresh;
use super::out::Out;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::ops::{self, PeerView};
use crate::error::Result;
use crate::model::name::Name;

/// List who was seen on the share, and whether they are there
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost peers\n  \
    lanpost peers --json | jq -r '.[] | select(.presence == \"online\").name'")]
pub struct Args {}

pub fn run(cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    refresh(cx, &mut node, "peers");
    let peers = ops::peers(&node)?;
    match cx.json {
        true => cx.out.array(&peers)?,
        false => tell(cx, &peers),
    }
    Ok(exit::DONE)
}

/// Prints them.
pub fn tell(cx: &mut Cx, peers: &[PeerView]) {
    if peers.is_empty() {
        cx.out.say("nobody else was seen on the share");
    } else {
        let words = ["NAME", "PRESENCE", "TRUST", "SILENT", "ROUTE", "HOST", "VERSION", "AGENTS", "ROLES"];
        let rows = peers.iter().map(|peer| row(peer, &cx.out));
        let rows: Vec<_> = std::iter::once(cx.out.heading(words)).chain(rows).collect();
        let whole = print::table(&rows, usize::MAX, usize::MAX);
        // Why a route is not taken is long, and cut only where it would not fit.
        let fits = !cx.out.terminal || whole.iter().all(|line| print::width(line) <= cx.out.columns);
        for line in if fits { whole } else { print::table(&rows, 64, cx.out.columns) } {
            cx.out.line(line);
        }
    }
}

fn row(peer: &PeerView, out: &Out) -> [String; 9] {
    let agents: Vec<_> = peer.agents.iter().map(Name::as_str).collect();
    let roles: Vec<_> = peer.roles.iter().map(ToString::to_string).collect();
    let word =
        |text: &Option<String>| print::cut(&print::line(text.as_deref().unwrap_or("-")), 24).into_owned();
    let silent =
        peer.silent.map(|seconds| humantime::format_duration(Duration::from_secs(seconds)).to_string());
    [
        peer.name.to_string(),
        peer.presence.to_string(),
        peer.trust.to_owned(),
        silent.unwrap_or_else(|| "-".into()),
        out.word(&print::line(&peer.route.words)),
        word(&peer.host),
        word(&peer.version),
        print::line(&agents.join(", ")).into_owned(),
        print::line(&roles.join(", ")).into_owned(),
    ]
}
