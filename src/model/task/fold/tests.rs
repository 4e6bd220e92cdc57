//! The fold: who wins, what is void, and that no order of reading matters.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::task::TaskId;

fn task() -> TaskId {
    "01942a3f-0c00-7000-8000-000000000001".parse().unwrap()
}

fn by(from: &str, token: u64, version: u64, deed: Deed) -> Event {
    let id = format!("{}-{token}-{version}-{}", from.replace('/', "-"), deed.word()).parse().unwrap();
    Event {
        id,
        from: from.parse().unwrap(),
        timestamp: format!("t{version}"),
        task: task(),
        version,
        token,
        deed,
    }
}

fn deed(value: serde_json::Value) -> Deed {
    serde_json::from_value(value).unwrap()
}

fn add() -> Event {
    by("office", 0, 1, deed(json!({"deed": "add", "title": "build"})))
}

fn claim(from: &str, token: u64, version: u64) -> Event {
    by(from, token, version, Deed::Claim { term: 60 })
}

fn done(from: &str, token: u64, version: u64) -> Event {
    by(from, token, version, Deed::Done { result: Some("well".into()), by_hand: false })
}

fn voids(history: &[Entry]) -> Vec<Option<Void>> {
    history.iter().map(|entry| entry.void).collect()
}

#[test]
fn a_task_is_claimed_and_done() {
    let (task, history) = fold(vec![done("lab", 1, 3), add(), claim("lab/main", 1, 2)]);
    let task = task.unwrap();
    assert_eq!((task.status, task.outcome.as_deref(), task.holder), (Status::Done, Some("well"), None));
    assert_eq!(voids(&history), [None; 3]);
    assert_eq!((task.token, task.version, task.changed.as_str()), (1, 3, "t3"));
}

#[test]
fn the_end_by_a_holder_that_was_fenced_off_does_not_count() {
    // den saw the claim of lab, but not the end, and took over.
    let (task, history) =
        fold(vec![add(), claim("lab", 1, 2), done("lab", 1, 3), claim("den", 2, 3), done("den", 2, 4)]);
    assert_eq!(voids(&history), [None, None, Some(Void::Fenced), None, None]);
    assert_eq!(task.unwrap().status, Status::Done);
    let (task, history) = fold(vec![add(), claim("lab", 1, 2), claim("den", 2, 3), done("lab", 1, 9)]);
    assert_eq!(task.unwrap().holder.unwrap().by.to_string(), "den");
    assert_eq!(history.iter().filter(|entry| entry.void == Some(Void::Fenced)).count(), 1);
}

#[test]
fn what_was_done_and_opened_again_was_done() {
    let (task, history) = fold(vec![
        add(),
        claim("lab", 1, 2),
        done("lab", 1, 3),
        by("office", 1, 4, Deed::Reopen),
        claim("den", 2, 5),
    ]);
    assert_eq!(task.unwrap().status, Status::Claimed);
    assert_eq!(voids(&history), [None; 5]);
}

#[test]
fn a_person_and_a_cancellation_overrule_a_holder() {
    let ticked = by("office", 1, 3, Deed::Done { result: None, by_hand: true });
    let (task, history) = fold(vec![add(), claim("lab", 1, 2), ticked, done("lab", 1, 4)]);
    assert_eq!(task.unwrap().outcome, None);
    assert_eq!(voids(&history)[3], Some(Void::Ended));
    let cancelled = by("office", 0, 2, Deed::Cancel { why: None });
    let (task, history) = fold(vec![add(), cancelled, claim("lab", 1, 2)]);
    assert_eq!((task.unwrap().status, voids(&history)[2]), (Status::Cancelled, Some(Void::Ended)));
}

#[test]
fn only_the_holder_does_what_is_the_holders() {
    let release = |from, token| by(from, token, 9, Deed::Release { why: None });
    let held = || vec![add(), claim("lab", 1, 2)];
    let after = |event| fold(held().into_iter().chain([event]).collect()).0.unwrap().status;
    assert_eq!(after(release("lab", 1)), Status::Open);
    assert_eq!(after(release("den", 1)), Status::Claimed);
    assert_eq!(after(release("lab", 0)), Status::Claimed);
    assert_eq!(after(done("den", 1, 3)), Status::Claimed);
    let (task, _) = fold(vec![add(), done("den", 0, 2)]);
    assert_eq!(task.unwrap().status, Status::Done, "what nobody holds anybody may end");
}

#[test]
fn what_is_said_of_it_changes() {
    let edit = |version, edit| by("office", 0, version, deed(edit));
    let (task, history) = fold(vec![
        add(),
        edit(2, json!({"deed": "edit", "title": "test", "to": "lab", "role": "builder"})),
        edit(3, json!({"deed": "edit", "to": ""})),
        edit(4, json!({"deed": "depend", "on": [task(), "01942a3f-0c00-7000-8000-000000000002"]})),
        edit(5, json!({"deed": "block", "why": "no key"})),
        edit(6, json!({"deed": "fold-in"})),
    ]);
    let task = task.unwrap();
    assert_eq!((task.title.as_str(), task.to, task.role.as_deref()), ("test", None, Some("builder")));
    assert_eq!((task.depends.len(), task.blocked.as_deref()), (1, Some("no key")));
    assert_eq!(voids(&history)[5], Some(Void::Newer));
}

fn any_event() -> impl Strategy<Value = Event> {
    let deeds = prop_oneof![
        Just(json!({"deed": "add", "title": "x"})),
        Just(json!({"deed": "claim", "term": 60})),
        Just(json!({"deed": "done"})),
        Just(json!({"deed": "done", "by_hand": true})),
        Just(json!({"deed": "fail", "why": "no"})),
        Just(json!({"deed": "release"})),
        Just(json!({"deed": "lapse"})),
        Just(json!({"deed": "cancel"})),
        Just(json!({"deed": "reopen"})),
        Just(json!({"deed": "edit", "title": "y"})),
        Just(json!({"deed": "block", "why": "no"})),
    ];
    let who = prop_oneof![Just("lab"), Just("den/a"), Just("office")];
    (who, 0_u64..4, 1_u64..6, deeds)
        .prop_map(|(who, token, version, value)| by(who, token, version, deed(value)))
}

proptest! {
    #[test]
    fn every_order_of_reading_comes_to_the_same(
        (events, mixed) in proptest::collection::vec(any_event(), 0..24)
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        // Who reads a log twice knows nothing else either.
        let twice: Vec<_> = mixed.iter().chain(&events).cloned().collect();
        let folded = fold(events);
        prop_assert_eq!(&fold(mixed), &folded);
        prop_assert_eq!(&fold(twice), &folded);
    }

    #[test]
    fn a_holder_holds_the_highest_claim_that_counts(events in proptest::collection::vec(any_event(), 0..24)) {
        let (task, history) = fold(events);
        let counts = |entry: &&Entry| entry.void.is_none() && matches!(entry.event.deed, Deed::Claim { .. });
        if let Some(held) = task.and_then(|task| task.holder) {
            let highest = history.iter().filter(counts).map(|entry| entry.event.token).max();
            prop_assert_eq!(Some(held.token), highest);
        }
    }
}
