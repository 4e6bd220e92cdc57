//! One sender that sends without measure: its mail waits in its own lane, nobody else's does, and none is lost.

use std::time::Duration;

use lanpost::engine::ops;
use lanpost::model::layout;

use crate::common::pair::{Pair, Site, name, texts};

#[test]
fn mail_over_its_senders_hourly_quota_waits_for_the_next_hour_and_nobody_elses_does() {
    let mut pair = Pair::with(|config| config.limits.sender_messages = 100);
    let mut other = Site::new(&pair.share, "c", 3, false);
    other.step();
    pair.settle();
    let mut all = texts("a", 120);
    pair.a.send("b", &all);
    pair.until("what one read brings", |pair| pair.b.texts().len() == 120);
    all.push("over it".into());
    let late = pair.a.send("b", &all[120..]);
    pair.run(Duration::from_secs(120));
    assert_eq!(pair.b.texts().len(), 120);
    assert_eq!(pair.a.state_of(&late[0]).to_string(), "sent", "it waits on the share");
    let said = pair.b.status().problems.join("\n");
    assert!(said.contains("mail of a waits") && said.contains("limits.sender_messages"), "{said}");
    // The open slot is a source of its own, and so is another sender, which the quota of one does not touch.
    let line = b"{\"from\":\"script\",\"content\":\"by hand\"}\n";
    pair.share.open_append(&layout::open_slot(&name("b"))).unwrap().append(line).unwrap();
    other.send("b", &["from c".into()]);
    other.run(Duration::from_secs(5));
    pair.until("the others' mail", |pair| {
        let texts = pair.b.texts();
        texts.contains(&"from c".into()) && texts.contains(&"by hand".into())
    });
    // Receipts for b's own mail lie behind what waits; so they wait, too, and are not lost.
    let sent = pair.b.send("a", &["one back".into()]);
    pair.run(Duration::from_secs(3_700));
    let mut arrived = pair.b.texts();
    arrived.retain(|text| !["from c", "by hand"].contains(&text.as_str()));
    assert_eq!(arrived, all, "all of it, once, in order");
    assert_eq!(pair.b.state_of(&sent[0]).to_string(), "delivered");
    assert!(!pair.b.status().problems.join("\n").contains("waits"));
}

#[test]
fn unread_mail_of_one_sender_fills_no_disk() {
    let mut pair = Pair::with(|config| config.limits.sender_unread.0 = 1 << 20);
    pair.settle();
    let big = |n: usize| vec![format!("{n}{}", "x".repeat(600_000))];
    for n in 0..2 {
        pair.a.send("b", &big(n));
        pair.until("what there is room for", |pair| pair.b.texts().len() == n + 1);
    }
    pair.a.send("b", &big(2));
    pair.run(Duration::from_secs(200));
    assert_eq!(pair.b.texts().len(), 2);
    let said = pair.b.status().problems.join("\n");
    assert!(said.contains("limits.sender_unread"), "{said}");
    // A restart forgets nothing of it.
    pair.b.start();
    pair.run(Duration::from_secs(100));
    assert_eq!(pair.b.texts().len(), 2);
    let id = pair.b.inbox()[0].id.to_string();
    ops::read(pair.b.node_mut(), &id).unwrap();
    pair.until("the rest", |pair| pair.b.texts().len() == 3);
}
