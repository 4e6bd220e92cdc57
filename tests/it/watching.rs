//! How far the engine believes watchers: by what each of them announced.

use std::time::Duration;

use lanpost::sys::clock::Clock;

use crate::common::Pair;

const SECOND: Duration = Duration::from_secs(1);

/// Sends a text from a to b, whose mailbox's watcher announces it or not. Returns how long it took to arrive, while
/// `meanwhile` happens every half a second.
fn takes(pair: &mut Pair, text: &str, announced: bool, mut meanwhile: impl FnMut(&mut Pair)) -> Duration {
    pair.a.send("b", &[text.to_owned()]);
    pair.a.step();
    let from = pair.b.clock.now();
    if announced {
        pair.b.hint(|hints| hints.mailbox = true);
        pair.b.step();
    }
    while !pair.b.texts().contains(&text.to_owned()) {
        meanwhile(pair);
        pair.run(SECOND / 2);
        assert!(pair.b.clock.now() - from < SECOND * 120, "{text} never came");
    }
    pair.b.clock.now() - from
}

#[test]
fn other_peoples_slots_do_not_vouch_for_a_mailbox_whose_watcher_died() {
    let mut pair = Pair::new();
    pair.run(SECOND * 10);
    takes(&mut pair, "announced", true, |_| {});
    assert_eq!(pair.b.status().watching, "notifications");
    pair.run(SECOND * 60);
    assert_eq!(pair.b.status().watching, "notifications", "nothing was missed");
    // An SMB server tells of every file in `messages/`, so each lockfile of anybody is an event.
    let slots = |pair: &mut Pair| pair.b.hint(|hints| hints.slot = true);
    let first = takes(&mut pair, "unannounced", false, slots);
    assert!(first < SECOND * 25, "two looks at the rest interval at most, not {first:?}");
    for n in 0..5 {
        for _ in 0..20 {
            slots(&mut pair);
            pair.run(SECOND / 2);
        }
        let later = takes(&mut pair, &format!("polled for {n}"), false, slots);
        assert!(later <= SECOND * 5, "two looks at the idle interval at most, not {later:?}");
    }
    assert_eq!(pair.b.status().watching, "polling");
}
