//! Every verb of the share fails, in every way, in the middle of an exchange of fifty messages each way. Afterwards
//! everything is delivered exactly once, in order, and both senders know it.

use std::io::ErrorKind;
use std::time::Duration;

use lanpost::model::state::State;

use crate::common::{Fault, Pair, Verb, texts};

/// What shares answer when they don't: no room, no right, a broken disk, no connection, nobody there, a dead handle.
const KINDS: [ErrorKind; 7] = [
    ErrorKind::StorageFull,
    ErrorKind::PermissionDenied,
    ErrorKind::Other,
    ErrorKind::NotConnected,
    ErrorKind::TimedOut,
    ErrorKind::HostUnreachable,
    ErrorKind::StaleNetworkFileHandle,
];

/// Messages each way, handed over in portions of this many.
const MESSAGES: usize = 50;
const PORTION: usize = 10;

/// An exchange during which both sides meet `fault` at `verb`, `times` times. The verb may come rarely: then it meets
/// it when it comes. Returns how many faults were met.
fn exchange(verb: Verb, skip: u64, times: u64, fault: Fault) -> u64 {
    let mut pair = Pair::new();
    let (to_b, to_a) = (texts("a", MESSAGES), texts("b", MESSAGES));
    let mut sent = (vec![], vec![]);
    for (n, (to_b, to_a)) in to_b.chunks(PORTION).zip(to_a.chunks(PORTION)).enumerate() {
        if n == 1 {
            pair.a.faults.plan(verb, skip, times, fault);
            pair.b.faults.plan(verb, skip, times, fault);
        }
        sent.0.extend(pair.a.send("b", to_b));
        sent.1.extend(pair.b.send("a", to_a));
        if n == 2 {
            // A restart: the lease is looked at, the share's identity, everything is read.
            pair.a.start();
            pair.b.start();
        }
        pair.run(Duration::from_secs(7));
    }
    let what = format!("{verb:?} met {fault:?} {times} times after {skip}");
    pair.until(&what, |pair| {
        let there = pair.a.texts().len() >= MESSAGES && pair.b.texts().len() >= MESSAGES;
        let told = |site: &crate::common::Site, sent: &[_]| {
            sent.iter().all(|it| site.state_of(it) == State::Delivered)
        };
        there && told(&pair.a, &sent.0) && told(&pair.b, &sent.1)
    });
    pair.a.faults.clear();
    pair.b.faults.clear();
    pair.settle();
    assert_eq!(pair.b.texts(), to_b, "{what}");
    assert_eq!(pair.a.texts(), to_a, "{what}");
    assert_eq!(pair.a.status().spooled + pair.b.status().spooled, 0, "{what}");
    assert!(pair.a.status().share.available && pair.b.status().share.available, "{what}");
    pair.a.faults.fired().0 + pair.b.faults.fired().0
}

/// The verbs that every exchange uses; the others are met only at times (a folder that is missing, the slot).
fn is_common(verb: Verb) -> bool {
    !matches!(verb, Verb::CreateNew | Verb::Remove | Verb::Walk)
}

fn refused(verb: Verb) {
    for kind in KINDS {
        for (skip, times) in [(0, 1), (2, 1), (0, 10)] {
            let met = exchange(verb, skip, times, Fault::Refuse(kind));
            assert!(met > 0 || !is_common(verb) || skip > 0, "{verb:?} was never called");
        }
    }
}

/// One test a verb, so that they run side by side and a failure names its verb.
macro_rules! refused {
    ($($name:ident: $verb:ident,)*) => {$(
        #[test]
        fn $name() {
            refused(Verb::$verb);
        }
    )*};
}

refused! {
    a_refused_stat: Stat,
    a_refused_list: List,
    a_refused_read: Read,
    a_refused_open: OpenAppend,
    a_refused_append: Append,
    a_refused_create: CreateNew,
    a_refused_replace: Replace,
    a_refused_touch: Touch,
    a_refused_remove: Remove,
    a_refused_folder: MakeFolder,
    a_refused_walk: Walk,
}

#[test]
fn a_lost_answer_repeats_nothing() {
    for verb in
        [Verb::OpenAppend, Verb::Append, Verb::CreateNew, Verb::Replace, Verb::Touch, Verb::MakeFolder]
    {
        for times in [1, 10] {
            exchange(verb, 0, times, Fault::LoseAnswer(ErrorKind::TimedOut));
        }
    }
    exchange(Verb::CreateNew, 0, 10, Fault::LoseAnswer(ErrorKind::AlreadyExists));
}

#[test]
fn a_torn_append_loses_nothing_wherever_it_tears() {
    for (bytes, times) in [(0, 3), (1, 1), (1, 5), (170, 3), (500, 3), (1_700, 2), (usize::MAX, 5)] {
        let met = exchange(Verb::Append, 0, times, Fault::Torn(bytes, ErrorKind::StorageFull));
        assert!(met > 0, "{bytes} {times}");
    }
}

#[test]
fn a_stale_listing_and_a_lost_connection_together() {
    let mut pair = Pair::new();
    for (n, (to_b, to_a)) in texts("a", MESSAGES).chunks(5).zip(texts("b", MESSAGES).chunks(5)).enumerate() {
        pair.a.send("b", to_b);
        pair.b.send("a", to_a);
        pair.a.faults.stale(n % 3 == 1);
        pair.b.faults.stale(n % 3 == 2);
        pair.a.faults.away((n % 4 == 2).then_some(ErrorKind::NotConnected));
        pair.b.faults.away((n % 4 == 3).then_some(ErrorKind::NotConnected));
        pair.run(Duration::from_secs(9));
    }
    pair.a.faults.away(None);
    pair.b.faults.away(None);
    // Listings stay as they are: full looks read on without them.
    pair.until("all of it", |pair| pair.a.texts().len() + pair.b.texts().len() >= 2 * MESSAGES);
    assert_eq!((pair.b.texts(), pair.a.texts()), (texts("a", MESSAGES), texts("b", MESSAGES)));
}
