//! `lanpost ack`: finishes messages, all or none. Exit codes: 0, 2 (finished before, in the other way), 3 (no such id).

use serde_json::json;

use super::look::refresh;
use super::{Cx, exit};
use crate::engine::ops;
use crate::error::Result;
use crate::model::name::Name;
use crate::model::state::State;

/// Say that messages are processed, or with --failed that they can't be; their senders are told
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost ack 018f2b3c-4d5e\n  \
    lanpost ack 018f2b3c-4d5e 018f2b3c-9a01 --failed \"no such branch\"\n  \
    lanpost ack 018f2b3c-4d5e-7000-8000-0123456789ab --from office")]
pub struct Args {
    /// Their ids, or prefixes that only they have
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// They are mail of this instance, which need not have come yet: an agent may have got it another way. Ids in full
    #[arg(long, value_name = "INSTANCE")]
    from: Option<Name>,
    /// They can't be done, and why
    #[arg(long, value_name = "REASON")]
    failed: Option<String>,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let failed = args.failed.as_deref();
    let (done, ahead) = match &args.from {
        Some(from) => ops::ack_from(&mut node, from, &args.ids, failed)?,
        None => (ops::ack(&mut node, &args.ids, failed)?, vec![]),
    };
    if cx.json {
        let state = if failed.is_some() { State::Failed } else { State::Processed };
        let ahead =
            ahead.iter().map(|id| json!({"id": id, "peer": args.from, "state": state, "ahead": true}));
        let done = done.iter().map(|message| json!(message)).chain(ahead);
        cx.out.array(&done.collect::<Vec<_>>())?;
    } else {
        for message in &done {
            cx.out.say(format!("acknowledged {} ({})", message.id, message.state));
        }
        for id in &ahead {
            cx.out.say(format!("acknowledged {id}, which has not come yet"));
        }
    }
    refresh(cx, &mut node, "ack");
    Ok(exit::DONE)
}
