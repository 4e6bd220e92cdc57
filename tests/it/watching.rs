//! How far the engine believes watchers and looks: by what each watcher announced, and by the mount's options.

use std::time::Duration;

use lanpost::engine::Mounted;
use lanpost::model::mount::{self, Announcer};
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

fn mounted(kind: &str, options: &str) -> Mounted {
    let mount = mount::table(&format!("1 2 0:3 / /m rw - {kind} src {options}")).remove(0);
    Mounted { announcer: mount.announcer, mount, deaf: vec![] }
}

/// A daemon that watched its own store would be woken by each of its own writes.
#[test]
fn what_is_written_to_the_store_rings_no_bell() {
    let mut pair = Pair::new();
    let bells = pair.a.node().hang_bell().unwrap();
    pair.a.node().ring();
    pair.a.send("b", &["x".to_owned()]);
    pair.run(SECOND * 10);
    let hung: Vec<_> = std::fs::read_dir(bells).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(hung, ["bell"]);
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

#[test]
fn options_that_harm_mail_stand_in_status_until_they_are_gone() {
    let mut pair = Pair::new();
    let problems = |pair: &mut Pair, mounted: Mounted| {
        pair.b.hint(|hints| hints.mount = Some(mounted));
        pair.step();
        let problems = pair.b.status().problems;
        problems.into_iter().filter(|it| it.contains("mounted")).collect::<Vec<_>>()
    };
    for (kind, options, word) in [
        ("cifs", "rw,cache=loose", Some("cache=strict")),
        ("nfs4", "rw,nocto", Some("without nocto")),
        ("cifs", "ro", Some("with rw")),
        ("nfs", "rw,soft", None),
        ("cifs", "rw,cache=strict", None),
    ] {
        let said = problems(&mut pair, mounted(kind, options));
        assert_eq!(said.len(), usize::from(word.is_some()), "{options}: {said:?}");
        assert!(said.iter().all(|said| said.contains(word.unwrap_or_default())), "{said:?}");
    }
    let deaf = Mounted { deaf: vec!["no notifications of x: y".into()], ..mounted("cifs", "rw") };
    assert_eq!((deaf.announcer, problems(&mut pair, deaf)), (Announcer::ChangeNotify, vec![]));
    let words = pair.b.status().share.mount;
    assert_eq!(
        words,
        "SMB of src; events: asked of the server, if they prove true; no notifications of x: y"
    );
}

#[test]
fn what_is_logged_of_the_options_is_logged_once_a_mount() {
    let mut pair = Pair::new();
    let mut notes = |options: &str| {
        let hints = lanpost::engine::Hints { mount: Some(mounted("nfs", options)), ..Default::default() };
        pair.b.engine().step(&hints).unwrap().notes
    };
    let first = notes("rw,soft,nocto");
    assert!(first.len() == 2 && first[0].contains("nocto") && first[1].contains("soft"), "{first:?}");
    assert!(notes("rw,soft,nocto").is_empty() && notes("rw").is_empty());
    assert_eq!(notes("rw,soft").len(), 1, "it was mounted otherwise in between");
}

#[test]
fn where_a_look_may_show_what_was_the_engine_goes_on_looking() {
    let mut pair = Pair::new();
    pair.run(SECOND * 10);
    pair.b.hint(|hints| hints.mount = Some(mounted("cifs", "rw,cache=loose")));
    for n in 0..3 {
        takes(&mut pair, &format!("announced {n}"), true, |_| {});
    }
    assert_eq!(
        pair.b.status().watching,
        "polling",
        "an event is worth no rest if a look may not show its cause"
    );
    pair.run(SECOND * 30);
    let took = takes(&mut pair, "unannounced", false, |_| {});
    assert!(took <= SECOND * 5, "{took:?}");
    pair.b.hint(|hints| hints.mount = Some(mounted("cifs", "rw,cache=strict")));
    takes(&mut pair, "announced 3", true, |_| {});
    assert_eq!(pair.b.status().watching, "notifications");
}
