//! `lanpost cancel` and `lanpost recall`: take mail back. Exit codes: 0 taken back, 4 no word from there yet, 5 too late,
//! 2 and 3.

use std::time::Duration;

use serde::Serialize;

use super::args::Speaker;
use super::look::{Watch, refresh};
use super::{Cx, exit, out};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::{self, Taken, Withdrawal};
use crate::error::Result;
use crate::model::cancel::Order;
use crate::model::config::parse_duration;
use crate::model::state::State;
use crate::store::db::Message;

/// The time between two glances at the local store.
const STEP: Duration = Duration::from_millis(20);

/// End a request that you asked: unread it disappears there, else whoever works on it is told
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost cancel 018f2b3c-4d5e")]
pub struct Cancel {
    #[command(flatten)]
    what: What,
}

/// Take back a message that you sent, as long as nobody read it
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost recall 018f2b3c-4d5e --wait 1m || echo \"too late\"")]
pub struct Recall {
    #[command(flatten)]
    what: What,
}

#[derive(clap::Args, Debug)]
struct What {
    /// Its id, or a prefix that only it has; of one to several, each copy
    id: String,
    /// How long to wait for the word of the other side; it goes on by itself after that
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "5s")]
    wait: Duration,
}

/// What came of it.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    taken: &'a Taken,
    message: &'a Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a Message>,
}

pub fn cancel(args: &Cancel, cx: &mut Cx) -> Result<u8> {
    run(&args.what, Order::Cancel, "cancel", cx)
}

pub fn recall(args: &Recall, cx: &mut Cx) -> Result<u8> {
    run(&args.what, Order::Recall, "recall", cx)
}

fn run(what: &What, order: Order, role: &'static str, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let author = Speaker::default().author(&node);
    let until = node.clock.now().saturating_add(what.wait);
    // Of one to several, each copy; those that came to their end are left out.
    let mut withdrawals = match ops::find_broadcast(&node, &what.id)? {
        None => vec![ops::take_back(&mut node, &what.id, order, author)?],
        Some(sent) => {
            let open = sent.members.iter();
            let open = open.filter(|copy| !copy.state.is_final() || copy.state == State::Cancelled);
            open.map(|copy| ops::take_back(&mut node, &format!("{}:{}", copy.peer, copy.id), order, author))
                .collect::<Result<Vec<_>>>()?
        }
    };
    let orders = withdrawals.iter().any(|withdrawal| withdrawal.order.is_some());
    let told = orders.then(|| refresh(cx, &mut node, role)).flatten();
    let mut code = exit::DONE;
    if withdrawals.is_empty() {
        out::complain(cx.json, "ended", &format!("too late for {}: all of it has come to an end", what.id));
        return Ok(exit::ENDED);
    }
    for withdrawal in &mut withdrawals {
        let watch = Watch::new(&node, role, STEP)?.told(told.clone()).until(until, Duration::ZERO);
        let taken = wait(cx, &mut node, withdrawal, watch, until)?;
        withdrawal.message = ops::state_of(&node, &withdrawal.message)?;
        code = code.max(tell(cx, withdrawal, &taken)?);
    }
    Ok(code)
}

fn wait(
    cx: &mut Cx,
    node: &mut Node,
    withdrawal: &Withdrawal,
    mut watch: Watch,
    until: Duration,
) -> Result<Taken> {
    loop {
        let now = node.clock.now();
        let taken = ops::taken(node, withdrawal)?;
        if taken != Taken::UnderWay || now >= until {
            return Ok(taken);
        }
        while !watch.step(cx, node)? && node.clock.now() < until {}
    }
}

fn tell(cx: &mut Cx, withdrawal: &Withdrawal, taken: &Taken) -> Result<u8> {
    let message = &withdrawal.message;
    if cx.json {
        cx.out.json(&Report { taken, message, order: withdrawal.order.as_ref() })?;
    }
    Ok(match taken {
        Taken::Cancelled(how) => {
            if !cx.json {
                cx.out.say(format!("cancelled {}: {}", message.id, print::line(how)));
            }
            exit::DONE
        }
        Taken::TooLate(why) => {
            cx.out.flush();
            out::complain(cx.json, "ended", &format!("too late for {}: {why}", message.id));
            exit::ENDED
        }
        Taken::UnderWay => {
            cx.note(&format!(
                "under way: {} has not said yet what became of {1}; `lanpost trace {1}` will tell",
                message.to, message.id
            ));
            exit::TIMEOUT
        }
    })
}
