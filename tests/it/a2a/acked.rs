//! An agent that got a message through its gateway acknowledges it where its lanpost never saw it.

use lanpost::engine::ops;
use lanpost::model::state::State;
use lanpost::store::db::Way;

use crate::common::pair::Pair;

fn ack_ahead(pair: &mut Pair, id: &str, failed: Option<&str>) {
    let from = pair.a.node().instance().clone();
    let (here, ahead) = ops::ack_from(pair.b.node_mut(), &from, &[id.to_owned()], failed).unwrap();
    assert_eq!((here.len(), ahead.len()), (0, 1));
}

#[test]
fn a_copy_that_comes_later_is_done_and_wakes_nobody() {
    let mut pair = Pair::with(|config| config.wake.command = vec!["agent".into()]);
    pair.settle();
    let sent = pair.a.send("b", &["twice".to_owned()]).remove(0);
    ack_ahead(&mut pair, sent.id.as_str(), None);
    pair.until("the receipt", |pair| pair.a.state_of(&sent) == State::Processed);
    pair.settle();
    assert_eq!(pair.b.wakes.len(), 0);
    let arrived = pair.b.inbox().remove(0);
    assert_eq!(arrived.state, State::Processed);
    assert_eq!(pair.b.journey(Way::In, &arrived), ["processed", "processed"]);
    // Once it is here, it is acknowledged like any other.
    let from = pair.a.node().instance().clone();
    let (here, ahead) = ops::ack_from(pair.b.node_mut(), &from, &[sent.id.to_string()], None).unwrap();
    assert_eq!((here.len(), ahead.len()), (1, 0));
}

#[test]
fn its_sender_is_told_though_no_copy_ever_comes() {
    let mut pair = Pair::new();
    pair.settle();
    pair.a.faults.away(Some(std::io::ErrorKind::TimedOut));
    let sent = pair.a.send("b", &["by another way".to_owned()]).remove(0);
    ack_ahead(&mut pair, sent.id.as_str(), Some("no such branch"));
    pair.run(std::time::Duration::from_secs(60));
    pair.a.faults.away(None);
    pair.until("the receipt", |pair| pair.a.state_of(&sent) == State::Failed);
    let reports = pair.a.reports();
    assert_eq!(reports.len(), 1, "{reports:?}");
    pair.settle();
    assert_eq!(pair.b.wakes.len(), 0);
}

#[test]
fn what_nobody_can_have_sent_is_refused() {
    let mut pair = Pair::new();
    pair.settle();
    let node = pair.b.node_mut();
    let nobody = "nobody".parse().unwrap();
    let error = ops::ack_from(node, &nobody, &["m-1".to_owned()], None).unwrap_err().to_string();
    assert!(error.contains("no instance of that name"), "{error}");
    let from = "a".parse().unwrap();
    let error = ops::ack_from(node, &from, &["m/1".to_owned()], None).unwrap_err().to_string();
    assert!(error.contains("not a message id"), "{error}");
}
