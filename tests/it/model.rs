//! Random life against a model of one line: the inbox is what was sent to it, in that order, each once.
//!
//! Actions come in any order: messages both ways, reading, acknowledging, steps of either side alone, restarts, torn
//! appends, lost answers, a share that goes, time that passes. At every moment each inbox is a beginning of what was
//! sent; in the end, when nothing goes wrong any more, it is all of it, and the senders know how far each one came.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::time::Duration;

use lanpost::engine::ops;
use lanpost::model::state::State;
use lanpost::store::db::Message;
use proptest::prelude::*;

use crate::common::{Fault, Pair, Site, Verb};

#[derive(Clone, Copy, Debug)]
enum Side {
    A,
    B,
}

#[derive(Clone, Debug)]
enum Action {
    Send(Side, usize),
    Read(Side, usize),
    Ack(Side, usize, bool),
    Step(Side),
    Restart(Side),
    Tear(Side, usize),
    LoseAnswer(Side, Verb),
    Refuse(Side, Verb),
    Away(Side, bool),
    Pass(u64),
}

/// What must be: the texts sent to each side, and what was last done to each message there.
#[derive(Default)]
struct Model {
    sent: [Vec<String>; 2],
    messages: [Vec<Message>; 2],
    done: [HashMap<usize, State>; 2],
}

impl Model {
    fn act(&mut self, pair: &mut Pair, action: &Action) {
        match *action {
            Action::Send(from, count) => {
                let (index, to) = match from {
                    Side::A => (1, "b"),
                    Side::B => (0, "a"),
                };
                let first = self.sent[index].len();
                let texts: Vec<String> = (first..first + count).map(|n| format!("to {to} {n}")).collect();
                self.messages[index].extend(site(pair, from).send(to, &texts));
                self.sent[index].extend(texts);
            }
            Action::Read(at, which) => self.mark(pair, at, which, State::Read),
            Action::Ack(at, which, true) => self.mark(pair, at, which, State::Processed),
            Action::Ack(at, which, false) => self.mark(pair, at, which, State::Failed),
            Action::Step(side) => site(pair, side).step(),
            Action::Restart(side) => site(pair, side).start(),
            Action::Tear(side, bytes) => {
                plan(pair, side, Verb::Append, Fault::Torn(bytes, ErrorKind::StorageFull))
            }
            Action::LoseAnswer(side, verb) => plan(pair, side, verb, Fault::LoseAnswer(ErrorKind::TimedOut)),
            Action::Refuse(side, verb) => plan(pair, side, verb, Fault::Refuse(ErrorKind::NotConnected)),
            Action::Away(side, away) => site(pair, side).faults.away(away.then_some(ErrorKind::NotConnected)),
            Action::Pass(ms) => pair.run(Duration::from_millis(ms)),
        }
    }

    /// Reads or acknowledges what arrived at a side, if it is open.
    fn mark(&mut self, pair: &mut Pair, at: Side, which: usize, state: State) {
        let site = site(pair, at);
        let inbox = site.inbox();
        let Some(message) = inbox.get(which % inbox.len().max(1)).filter(|it| it.state.may_become(state))
        else {
            return;
        };
        let id = message.id.to_string();
        match state {
            State::Read => drop(ops::read(site.node_mut(), &id).unwrap()),
            _ => {
                let failed = (state == State::Failed).then_some("no");
                drop(ops::ack(site.node_mut(), &[id], failed).unwrap());
            }
        }
        self.done[at as usize].insert(which % inbox.len(), state);
    }

    fn check(&self, pair: &Pair) {
        for (site, sent) in [&pair.a, &pair.b].into_iter().zip(&self.sent) {
            let found = site.texts();
            assert!(
                sent.starts_with(&found),
                "an inbox is no beginning of what was sent: {found:?} of {sent:?}"
            );
        }
    }

    /// Nothing goes wrong any more: all of it is there, and known to be.
    fn end(&self, pair: &mut Pair) {
        for side in [Side::A, Side::B] {
            site(pair, side).faults.clear();
            site(pair, side).faults.away(None);
        }
        pair.until("everything", |pair| pair.a.texts() == self.sent[0] && pair.b.texts() == self.sent[1]);
        pair.run(Duration::from_secs(300));
        self.check(pair);
        for (index, sender) in [(0, &pair.b), (1, &pair.a)] {
            for (n, message) in self.messages[index].iter().enumerate() {
                let wanted = self.done[index].get(&n).copied().unwrap_or(State::Delivered);
                assert_eq!(sender.state_of(message), wanted, "{}", message.content);
            }
        }
        assert!(pair.a.status().share.available && pair.b.status().share.available);
    }
}

fn site(pair: &mut Pair, side: Side) -> &mut Site {
    match side {
        Side::A => &mut pair.a,
        Side::B => &mut pair.b,
    }
}

fn plan(pair: &mut Pair, side: Side, verb: Verb, fault: Fault) {
    site(pair, side).faults.plan(verb, 0, 1, fault);
}

fn action() -> impl Strategy<Value = Action> {
    let side = || prop_oneof![Just(Side::A), Just(Side::B)];
    let verb = || proptest::sample::select(Verb::ALL.to_vec());
    prop_oneof![
        6 => (side(), 1..4_usize).prop_map(|(side, count)| Action::Send(side, count)),
        2 => (side(), any::<usize>()).prop_map(|(side, which)| Action::Read(side, which)),
        2 => (side(), any::<usize>(), any::<bool>()).prop_map(|(side, n, done)| Action::Ack(side, n, done)),
        6 => side().prop_map(Action::Step),
        2 => side().prop_map(Action::Restart),
        2 => (side(), 0..700_usize).prop_map(|(side, bytes)| Action::Tear(side, bytes)),
        2 => (side(), verb()).prop_map(|(side, verb)| Action::LoseAnswer(side, verb)),
        2 => (side(), verb()).prop_map(|(side, verb)| Action::Refuse(side, verb)),
        1 => (side(), any::<bool>()).prop_map(|(side, away)| Action::Away(side, away)),
        4 => (1..20_000_u64).prop_map(Action::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.min(48),
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_inbox_is_what_was_sent_in_order_and_once(actions in proptest::collection::vec(action(), 1..60)) {
        // Small segments, so that they roll in every run.
        let mut pair = Pair::with(|config| config.limits.segment.0 = 1_500);
        let mut model = Model::default();
        for action in &actions {
            model.act(&mut pair, action);
            model.check(&pair);
        }
        model.end(&mut pair);
    }
}
