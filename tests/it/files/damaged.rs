//! A share that loses files, or has others in their place.

use lanpost::engine::ops;
use lanpost::model::blob::{Blob, Hash};
use lanpost::model::layout;
use lanpost::model::state::State;

use super::{bytes, file, send};
use crate::common::{Fault, Pair, Verb};

#[test]
fn a_wrong_file_under_a_right_name_poisons_nothing() {
    for wrong in [bytes(100, 2), bytes(99, 1), bytes(300, 1), vec![]] {
        let mut pair = Pair::new();
        let top = tempfile::tempdir().unwrap();
        let hash = Hash::of(&bytes(100, 1));
        let path = layout::blob(&hash);
        pair.share.make_folder(&layout::files()).unwrap();
        pair.share.make_folder(&layout::blobs(&hash)).unwrap();
        pair.share.create_new(&path, &wrong).unwrap();
        let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 100, 1)], |_| {});
        pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
        assert_eq!(pair.share.read(&path, 0, 1_000).unwrap().unwrap(), bytes(100, 1), "{}", wrong.len());
        // The sender saw at once what has another size.
        let named = pair.b.problems.iter().any(|problem| problem.contains(path.as_str()));
        assert_eq!(named, wrong.len() == 100, "{:?}", pair.b.problems);
        let journey = ops::trace(pair.a.node(), sent.id.as_str()).unwrap().transitions;
        let told =
            journey.iter().filter_map(|step| step.detail.as_deref().filter(|_| step.what == "wrong-file"));
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), usize::from(named), "{journey:?}");
        assert!(told.iter().all(|told| told.contains("100 bytes stood there") && told.contains("who else")));
    }
}

#[test]
fn a_folder_in_the_place_of_a_file_is_named_and_waited_for() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let hash = Hash::of(&bytes(100, 1));
    pair.share.make_folder(&layout::files()).unwrap();
    pair.share.make_folder(&layout::blobs(&hash)).unwrap();
    pair.share.make_folder(&layout::blob(&hash)).unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 100, 1)], |_| {});
    let text = pair.a.send("b", &["a word".into()]).remove(0);
    pair.until("other mail", |pair| pair.a.state_of(&text) == State::Delivered);
    pair.share.remove(&layout::blob(&hash)).unwrap();
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
}

#[test]
fn files_get_through_whatever_fails_now_and_then() {
    let verbs = [
        Verb::Stat,
        Verb::Read,
        Verb::OpenAppend,
        Verb::Write,
        Verb::Append,
        Verb::Rename,
        Verb::Touch,
        Verb::MakeFolder,
    ];
    for verb in verbs {
        for fault in [
            Fault::Refuse(std::io::ErrorKind::TimedOut),
            Fault::LoseAnswer(std::io::ErrorKind::TimedOut),
            Fault::Torn(7, std::io::ErrorKind::Other),
        ] {
            let mut pair = Pair::new();
            let top = tempfile::tempdir().unwrap();
            for skip in [0, 1, 3] {
                pair.a.faults.plan(verb, skip, 1, fault);
                pair.b.faults.plan(verb, skip, 1, fault);
            }
            let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 9 << 17, 1)], |_| {});
            pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
            let there = pair.share.stat(&layout::blob(&Hash::of(&bytes(9 << 17, 1)))).unwrap().unwrap();
            assert_eq!(there.len, 9 << 17, "{verb:?} {fault:?}");
        }
    }
}

#[test]
fn both_sides_may_be_killed_at_any_time() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 3 << 20, 1)], |_| {});
    for _ in 0..12 {
        pair.tick();
        pair.a.start();
        pair.b.start();
    }
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
    assert!(pair.b.node().db.blobs().unwrap().1.contains(&Blob::of(&bytes(3 << 20, 1))));
}
