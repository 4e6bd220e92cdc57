//! Taking mail back: what has not left ends here, what is unread ends there, and who works on a request is told.

use serde::Serialize;

use super::send::{Author, Draft, address};
use crate::engine::node::Node;
use crate::error::{Error, Result};
use crate::model::ask::REQUEST;
use crate::model::cancel::{FEATURE, Order};
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::state::State;
use crate::store::db::{Message, Way};

/// A message that is taken back.
#[derive(Clone, Debug)]
pub struct Withdrawal {
    /// The message.
    pub message: Message,
    /// What was sent to its recipient's lanpost about it, if anything.
    pub order: Option<Message>,
    /// Why nothing was.
    late: Option<String>,
}

/// How far taking it back has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "kebab-case")]
pub enum Taken {
    /// It is: how, in words.
    Cancelled(String),
    /// It can't be any more, and why.
    TooLate(String),
    /// The other side has not said yet.
    UnderWay,
}

/// Takes a message of ours back: `Cancel` ends a request in any case, `Recall` any message that nobody read. What has not left
/// ends at once; else the recipient's lanpost is told, and [`taken`] says what it answered.
///
/// # Errors
/// It is no message of ours, or to be cancelled and no request; or it was sealed and the order can't be.
pub fn take_back(node: &mut Node, prefix: &str, order: Order, author: Author) -> Result<Withdrawal> {
    let message = super::one(node, prefix, Some(Way::Out), Way::Out)?;
    if order == Order::Cancel && message.kind != REQUEST {
        let cause = format!("it is of type {:?}, and no request", message.kind);
        let next = format!("`lanpost recall {}` takes it back as long as nobody read it", message.id);
        return Err(Error::usage("cancel", &message.id, cause).next(next));
    }
    if Order::of(&message.kind).is_some() {
        return Err(Error::usage("take back", &message.id, "it takes another one back itself"));
    }
    let now = node.clock.wall_ms();
    if message.state == State::Cancelled {
        // The same again is the same order.
        return Ok(Withdrawal { message, order: None, late: None });
    }
    let late = match message.state.is_final() {
        true => Some(format!("it is {}", message.state)),
        false if node.db.withdraw(&message, "taken back before it left", now)? => {
            node.ring();
            return Ok(Withdrawal { message: super::find_in(node, &message)?, order: None, late: None });
        }
        false => beyond_reach(node, &message, order)?,
    };
    if late.is_some() {
        return Ok(Withdrawal { message, order: None, late });
    }
    let order = address(node, draft(&message, order, author)?)?;
    let order = node.db.order(&message, &order, now)?;
    node.ring();
    Ok(Withdrawal { message, order: Some(order), late: None })
}

/// Why there is no use in an order about a message that left, if there is none.
fn beyond_reach(node: &Node, message: &Message, order: Order) -> Result<Option<String>> {
    if node.db.errands(&message.peer)?.iter().any(|errand| errand.message.n == message.n) {
        return Ok(Some("its agent has it from its gateway, which gives nothing back".to_owned()));
    }
    if order == Order::Cancel {
        // Whoever knows no orders takes it for mail, and reads what it says.
        return Ok(None);
    }
    if message.state == State::Read {
        return Ok(Some("it was read".to_owned()));
    }
    let beat = node.db.peer(&message.peer)?.and_then(|peer| peer.heartbeat);
    Ok(match beat {
        Some(beat) if beat.has(FEATURE) => None,
        Some(_) => {
            Some("it has left, and the lanpost of its recipient is too old to give mail back".to_owned())
        }
        None => Some(
            "it has left, and its recipient speaks the plain protocol, which gives nothing back".to_owned(),
        ),
    })
}

fn draft(message: &Message, order: Order, author: Author) -> Result<Draft> {
    let cannot = |cause| Error::usage("take back", &message.id, cause);
    let [from, to] = [&message.from, &message.to].map(|text| text.parse::<Address>().map_err(cannot));
    Ok(Draft {
        kind: Some(order.as_str().to_owned()),
        agent: from?.agent,
        thread: message.thread.clone(),
        in_reply_to: Some(message.id.clone()),
        priority: message.priority,
        // However often it is given, it is one order.
        id: Some(MessageId::derived(order.as_str(), &format!("{} {}", message.to, message.id), 1)),
        create: true,
        seal: message.sealed,
        author,
        ..Draft::new(to?, order.text(&message.from))
    })
}

/// What came of taking a message back, by now.
///
/// # Errors
/// The local store's.
pub fn taken(node: &Node, withdrawal: &Withdrawal) -> Result<Taken> {
    if let Some(late) = &withdrawal.late {
        return Ok(Taken::TooLate(late.clone()));
    }
    let message = super::find_in(node, &withdrawal.message)?;
    let outcome = |of: &Message| of.outcome.clone().unwrap_or_default();
    if message.state == State::Cancelled {
        return Ok(Taken::Cancelled(outcome(&message)));
    }
    if message.state.is_final() {
        return Ok(Taken::TooLate(format!("it is {}", message.state)));
    }
    Ok(match withdrawal.order.as_ref().map(|order| super::find_in(node, order)).transpose()? {
        Some(order) if order.state == State::Processed => Taken::TooLate(outcome(&order)),
        Some(order) if order.state.is_final() => {
            Taken::TooLate(format!("the order is {}: {}", order.state, outcome(&order)))
        }
        _ => Taken::UnderWay,
    })
}
