//! Whose turn it is: mail that wakes are due for, by agent, and by sender where each sender is woken for by itself.
//!
//! Invariant: there are no more agents than the config names; mail to any other is the instance's own. So nobody makes up
//! agents that are woken for by themselves.

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::config::Config;
use crate::model::name::Address;
use crate::model::wake::sender_of;
use crate::store::db::{Due, Pile};

/// Mail that goes into one wake.
#[derive(Debug)]
pub(super) struct Turn {
    /// For whom; empty: the instance itself.
    pub agent: String,
    /// By whom ([`sender_of`]); empty: by anybody.
    pub sender: String,
    /// Which mail.
    pub pile: Pile,
    /// How much it is.
    pub count: u64,
    /// Some of it wants attention at once.
    pub urgent: bool,
    /// Some of that is by who it says it is by.
    pub verified_urgent: bool,
    /// Some of it is.
    pub verified: bool,
}

/// What waits at `now`, in the order of the oldest. Where anybody could make up many senders, those that are known to be
/// who they are come first.
pub(super) fn turns(node: &Node, now: i64) -> Result<Vec<Turn>> {
    let by_sender = node.config.wake.by_sender();
    let mut turns = by_whom(&node.config, node.db.wakes_due(by_sender, now)?, by_sender);
    if by_sender {
        turns.sort_by_key(|turn| !turn.verified);
    }
    Ok(turns)
}

/// One agent may be written in several ways, and so may one sender.
fn by_whom(config: &Config, due: Vec<Due>, by_sender: bool) -> Vec<Turn> {
    let mut turns: Vec<Turn> = vec![];
    let mut places = std::collections::HashMap::new();
    for Due { recipient, sender: written, count, urgent, verified_urgent, verified, .. } in due {
        let to = recipient.parse::<Address>().ok();
        let agent = to.and_then(|to| config.agent(&to.agent?)).unwrap_or_default();
        let sender = if by_sender { sender_of(&written) } else { String::new() };
        let place = *places.entry((agent.clone(), sender.clone())).or_insert_with(|| {
            let pile = Pile::default();
            let (urgent, verified_urgent, verified) = (false, false, false);
            turns.push(Turn { agent, sender, pile, count: 0, urgent, verified_urgent, verified });
            turns.len() - 1
        });
        let Some(turn) = turns.get_mut(place) else { continue };
        turn.count += count;
        turn.urgent |= urgent;
        turn.verified_urgent |= verified_urgent;
        turn.verified |= verified;
        if !turn.pile.recipients.contains(&recipient) {
            turn.pile.recipients.push(recipient);
        }
        if by_sender {
            turn.pile.senders.push(written);
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(recipient: &str, sender: &str, verified: bool) -> Due {
        Due {
            recipient: recipient.into(),
            sender: sender.into(),
            first: 0,
            count: 2,
            urgent: false,
            verified_urgent: false,
            verified,
        }
    }

    #[test]
    fn mail_is_gathered_by_agent_and_by_sender_however_they_are_written() {
        let text = "instance = 'lab'\nagents = ['main']\nstate = 's'\nshare.path = 's'\n\
                    [wake.openclaw]\nagents = { Scout = 'ops' }\n";
        let config = crate::model::config::parse(text, std::path::Path::new("/x/config.toml")).unwrap();
        let all = vec![
            due("lab/main", "office", false),
            due("lab", "nas/x", true),
            due("lab/main", "Office", true),
            due("lab/main", "not a name", false),
            due("lab/Main", "", false),
            due("lab/made-up", "office", false),
            due("lab/scout", "office", false),
        ];
        let shown = |turns: Vec<Turn>| -> Vec<_> {
            turns.into_iter().map(|turn| (turn.agent, turn.sender, turn.count, turn.verified)).collect()
        };
        let turn = |agent: &str, sender: &str, count, verified| {
            (agent.to_owned(), sender.to_owned(), count, verified)
        };
        assert_eq!(
            shown(by_whom(&config, all.clone(), true)),
            [
                turn("main", "office", 4, true),
                turn("", "nas/x", 2, true),
                turn("main", "unknown", 4, false),
                turn("", "office", 2, false),
                turn("scout", "office", 2, false),
            ]
        );
        assert_eq!(
            shown(by_whom(&config, all, false)),
            [turn("main", "", 8, true), turn("", "", 4, true), turn("scout", "", 2, false)]
        );
    }
}
