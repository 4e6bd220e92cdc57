//! Taking mail back: unread it disappears and wakes nobody, who works on a request is told, and what is done stays done.

use std::time::Duration;

use lanpost::engine::ops::{self, Author, Draft, Taken, Withdrawal};
use lanpost::model::cancel::Order;
use lanpost::model::state::State;
use lanpost::store::db::{Filter, Message, Way};
use serde_json::json;

use crate::common::pair::{Pair, Site};
use crate::common::process::{Lan, text_of};

const MINUTE: Duration = Duration::from_secs(60);

/// Two sites that know each other; agents are woken at once, but the second's is left alone for now.
fn pair() -> Pair {
    let mut pair = Pair::with(|config| {
        config.wake.command = vec!["agent".into()];
        config.wake.window = Duration::ZERO;
        config.ask.abandoned_after = Some(2 * MINUTE);
    });
    pair.run(MINUTE);
    ops::wake_hold(pair.b.node_mut(), None).unwrap();
    pair
}

fn request(pair: &mut Pair) -> Message {
    let request = pair.a.send_one("b", "build it", |draft| draft.kind = Some("request".into()));
    pair.until("the request", |pair| !unread(&pair.b).is_empty());
    request
}

fn unread(site: &Site) -> Vec<Message> {
    ops::inbox(site.node(), &Filter::default()).unwrap()
}

fn take_back(site: &mut Site, message: &Message, order: Order) -> Withdrawal {
    ops::take_back(site.node_mut(), message.id.as_str(), order, Author::Program).unwrap()
}

/// What comes of it in the end.
fn taken(pair: &mut Pair, withdrawal: &Withdrawal) -> Taken {
    let mut taken = Taken::UnderWay;
    pair.until("word from the other side", |pair| {
        taken = ops::taken(pair.a.node(), withdrawal).unwrap();
        taken != Taken::UnderWay
    });
    taken
}

#[track_caller]
fn assert_late(taken: &Taken, words: &str) {
    assert!(matches!(taken, Taken::TooLate(why) if why.contains(words)), "{taken:?}");
}

#[test]
fn what_has_not_left_ends_here_and_never_leaves() {
    let mut pair = pair();
    let message = pair.a.send("b", &["wrong".to_owned()]).remove(0);
    let withdrawal = take_back(&mut pair.a, &message, Order::Recall);
    assert_eq!((withdrawal.message.state, withdrawal.order.is_none()), (State::Cancelled, true));
    assert!(matches!(ops::taken(pair.a.node(), &withdrawal).unwrap(), Taken::Cancelled(_)));
    pair.run(MINUTE);
    assert_eq!(pair.b.texts(), [""; 0]);
    assert_eq!(pair.a.journey(Way::Out, &message), ["queued", "cancelled"]);
    assert_eq!(pair.a.reports().len(), 0, "its sender knows");
}

#[test]
fn what_is_unread_leaves_the_inbox_and_wakes_nobody() {
    for order in [Order::Recall, Order::Cancel] {
        let mut pair = pair();
        let message = request(&mut pair);
        let withdrawal = take_back(&mut pair.a, &message, order);
        let again = take_back(&mut pair.a, &message, order);
        assert_eq!(again.order.unwrap().id, withdrawal.order.as_ref().unwrap().id, "it is one order");
        assert!(
            matches!(taken(&mut pair, &withdrawal), Taken::Cancelled(how) if how.contains("nobody had read it"))
        );
        assert_eq!(pair.a.state_of(&message), State::Cancelled);
        assert_eq!(unread(&pair.b).len(), 0);
        ops::wake_resume(pair.b.node_mut()).unwrap();
        pair.run(10 * MINUTE);
        assert_eq!(pair.b.wakes.len(), 0);
        assert_eq!(pair.a.reports().len(), 0);
        let log = pair.b.journey(Way::In, &message);
        assert_eq!(log, ["delivered", "cancelled"]);
        let late = ops::take_back(pair.a.node_mut(), message.id.as_str(), order, Author::Program).unwrap();
        let taken = ops::taken(pair.a.node(), &late).unwrap();
        assert!(matches!(taken, Taken::Cancelled(_)), "the same again is no trouble: {taken:?}");
    }
}

#[test]
fn mail_of_which_an_agent_was_told_is_taken_back_and_said_to_be_known() {
    let mut pair = pair();
    ops::wake_resume(pair.b.node_mut()).unwrap();
    let recalled = request(&mut pair);
    pair.until("the wake", |pair| pair.b.wakes.len() == 1);
    let withdrawal = take_back(&mut pair.a, &recalled, Order::Recall);
    assert!(matches!(taken(&mut pair, &withdrawal), Taken::Cancelled(how) if how.contains("may know of it")));
    let cancelled = request(&mut pair);
    pair.until("the wake", |pair| pair.b.wakes.len() == 2);
    let withdrawal = take_back(&mut pair.a, &cancelled, Order::Cancel);
    assert!(matches!(taken(&mut pair, &withdrawal), Taken::Cancelled(how) if how.contains("is told")));
    pair.until("the agent to be told", |pair| pair.b.wakes.len() == 3);
    assert_eq!(pair.b.wakes[2].messages[0].kind, "cancel");
}

#[test]
fn what_was_read_is_not_recalled_and_who_works_on_a_request_is_told_that_it_is_cancelled() {
    let mut pair = pair();
    let message = request(&mut pair);
    ops::read(pair.b.node_mut(), message.id.as_str()).unwrap();
    let late = take_back(&mut pair.a, &message, Order::Recall);
    assert_late(&taken(&mut pair, &late), "it was read");
    assert_eq!(unread(&pair.b).len(), 1, "such an order is no mail for anybody");
    pair.until("the receipt", |pair| pair.a.state_of(&message) == State::Read);

    let withdrawal = take_back(&mut pair.a, &message, Order::Cancel);
    assert!(matches!(taken(&mut pair, &withdrawal), Taken::Cancelled(how) if how.contains("is told")));
    let again = take_back(&mut pair.a, &message, Order::Cancel);
    assert!(matches!(taken(&mut pair, &again), Taken::Cancelled(_)), "the same again is the same order");
    ops::wake_resume(pair.b.node_mut()).unwrap();
    pair.until("the agent to be told", |pair| !pair.b.wakes.is_empty());
    let told = &pair.b.wakes[0].messages;
    assert_eq!((told.len(), told[0].kind.as_str()), (1, "cancel"));
    assert_eq!(told[0].in_reply_to.as_ref(), Some(&message.id));
    let node = pair.b.node_mut();
    let id = message.id.as_str();
    let progress = ops::progress(node, id, "half of it".into(), None, Author::Program).unwrap_err();
    assert!(progress.to_string().contains("cancelled already"), "{progress}");
    pair.run(10 * MINUTE);
    assert_eq!(pair.a.reports().len(), 0, "it is not abandoned");
}

#[test]
fn what_is_done_stays_done() {
    for order in [Order::Recall, Order::Cancel] {
        let mut pair = pair();
        let message = request(&mut pair);
        let node = pair.b.node_mut();
        ops::ack(node, &[message.id.to_string()], None).unwrap();
        let late = take_back(&mut pair.a, &message, order);
        assert_late(&taken(&mut pair, &late), "processed");
        pair.settle();
        assert_eq!(pair.a.state_of(&message), State::Processed);
    }
}

#[test]
fn only_what_is_ones_own_is_taken_back_and_only_a_request_cancelled() {
    let mut pair = pair();
    let message = pair.a.send("b", &["no request".to_owned()]).remove(0);
    let cancelled = ops::take_back(pair.a.node_mut(), message.id.as_str(), Order::Cancel, Author::Program);
    assert!(cancelled.unwrap_err().to_string().contains("lanpost recall"));
    pair.until("the message", |pair| !unread(&pair.b).is_empty());
    let foreign = ops::take_back(pair.b.node_mut(), message.id.as_str(), Order::Recall, Author::Program);
    assert!(foreign.unwrap_err().is_not_found());
}

#[test]
fn a_plain_peer_gives_nothing_back_and_reads_that_a_request_is_cancelled() {
    let mut pair = pair();
    let draft = |text: &str| Draft {
        create: true,
        kind: Some("request".into()),
        ..Draft::new("oldie".parse().unwrap(), text)
    };
    let message = ops::send(pair.a.node_mut(), draft("build it")).unwrap();
    pair.until("it to be sent", |pair| pair.a.state_of(&message) == State::Sent);
    let late = take_back(&mut pair.a, &message, Order::Recall);
    assert_late(&taken(&mut pair, &late), "plain protocol");
    let withdrawal = take_back(&mut pair.a, &message, Order::Cancel);
    let order = withdrawal.order.clone().unwrap();
    pair.until("the order to be sent", |pair| pair.a.state_of(&order) == State::Sent);
    assert_eq!(ops::taken(pair.a.node(), &withdrawal).unwrap(), Taken::UnderWay);
}

#[test]
fn the_commands_tell_by_their_exit_codes_what_became_of_it() {
    let lan = Lan::new();
    let (lab, office) = (lan.join("lab"), lan.join("office"));
    let _daemon = lab.daemon();
    let id = office.send("lab", "wrong");
    lab.receives("wrong");
    let done = office.run(&["--json", "recall", &id]).exits(0).json();
    assert_eq!((&done["result"], &done["message"]["state"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(lab.json(&["inbox"]), json!([]));
    let id = office.send("lab", "right");
    lab.receives("right");
    lab.ok(&["read", &id]);
    office.run(&["recall", &id]).exits(5).says(&["too late", "it was read"]);
    office.run(&["cancel", &id]).exits(2).says(&["lanpost recall"]);
    let late = office.run(&["--json", "ask", "lab", "build it", "--timeout", "100ms"]).exits(4);
    let id = text_of(&late.json()["request"], "id");
    lab.receives("build it");
    drop(_daemon);
    office.run(&["cancel", &id, "--wait", "100ms"]).exits(4).says(&["under way", "lanpost trace"]);
    let _daemon = lab.daemon();
    office.sees(&id, "cancelled");
    office.run(&["ask", "--wait", &id]).exits(5).says(&["cancelled"]);
}
