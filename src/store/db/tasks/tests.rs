//! Tasks in the store: folded with every event, and told of once.

use serde_json::json;

use super::*;
use crate::model::task::Void;
use crate::store::db::Filter;

fn home() -> TaskHome {
    TaskHome { us: Name::parse("lab").unwrap(), wakes: true }
}

fn id(n: u64) -> TaskId {
    format!("01942a3f-0c00-7000-8000-{n:012}").parse().unwrap()
}

fn event(from: &str, task: u64, token: u64, version: u64, deed: Value) -> Event {
    let name = format!("{}-{task}-{token}-{version}", from.replace('/', "-"));
    let mut object = json!({"id": name, "from": from, "timestamp": "now", "task": id(task), "version": version, "token": token});
    object.as_object_mut().unwrap().extend(deed.as_object().unwrap().clone());
    Event::from_value(object).unwrap()
}

fn take(db: &mut Db, events: &[Event]) -> usize {
    let events = events.iter().map(|event| (event.clone(), event.to_object())).collect();
    db.take_task_events(
        &home(),
        &TaskIntake { lane: "tasks x".into(), events, ..TaskIntake::default() },
        1_000,
    )
    .unwrap()
}

fn notices(db: &Db) -> Vec<String> {
    let inbox = db.inbox(&Filter { limit: None, ..Filter::default() }).unwrap();
    inbox.iter().map(|message| message.content["news"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_ours_waits_to_be_written_and_is_known_when_it_is_read() {
    let mut db = Db::in_memory().unwrap();
    let add = event("lab", 1, 0, 1, json!({"deed": "add", "title": "build"}));
    db.add_task_events(&home(), std::slice::from_ref(&add), &[], 1).unwrap();
    assert_eq!(take(&mut db, &[add]), 0);
    let queued = db.queued_task_events(10).unwrap();
    assert_eq!(queued.len(), 1);
    db.task_events_written(&[queued[0].n], "{}", None).unwrap();
    assert!(db.queued_task_events(10).unwrap().is_empty() && db.has_task_event("lab", "lab-1-0-1").unwrap());
    assert_eq!(db.rewrite_task_events("lab", true).unwrap(), 1);
}

#[test]
fn a_claim_of_ours_runs_out_unless_it_is_renewed() {
    let mut db = Db::in_memory().unwrap();
    let claim = event("lab/main", 1, 1, 2, json!({"deed": "claim", "term": 60}));
    take(&mut db, &[event("den", 1, 0, 1, json!({"deed": "add", "title": "build"})), claim]);
    assert_eq!(db.task_claims_until().unwrap(), Some(61_000));
    take(&mut db, &[event("den", 1, 1, 3, json!({"deed": "edit", "title": "test"}))]);
    assert_eq!(db.task_claims_until().unwrap(), Some(61_000), "others' words are no sign of life");
    assert!(db.renew_task(&id(1), 99_000).unwrap());
    assert!(db.task_claims_over(98_999).unwrap().is_empty());
    assert_eq!(db.task_claims_over(99_000).unwrap().len(), 1);
    take(&mut db, &[event("lab/main", 1, 1, 4, json!({"deed": "release"}))]);
    assert_eq!(db.task_claims_until().unwrap(), None);
}

#[test]
fn whoever_loses_a_task_or_need_not_wait_any_longer_is_told_once() {
    let mut db = Db::in_memory().unwrap();
    take(
        &mut db,
        &[
            event("den", 1, 0, 1, json!({"deed": "add", "title": "build"})),
            event(
                "den",
                2,
                0,
                1,
                json!({"deed": "add", "title": "ship", "to": "lab/main", "depends": [id(1)]}),
            ),
            event("lab/main", 1, 1, 2, json!({"deed": "claim", "term": 60})),
        ],
    );
    assert!(notices(&db).is_empty());
    take(&mut db, &[event("den", 1, 2, 3, json!({"deed": "claim", "term": 60}))]);
    assert_eq!(notices(&db), ["lost"]);
    assert_eq!(db.task_claims_until().unwrap(), None);
    let done = event("den", 1, 2, 4, json!({"deed": "done"}));
    take(&mut db, std::slice::from_ref(&done));
    take(&mut db, &[done]);
    assert_eq!(notices(&db), ["lost", "ready"]);
    let due = db.wakes_due(false, 2_000).unwrap();
    assert_eq!((due[0].recipient.as_str(), due[0].count), ("lab/main", 2));
}

#[test]
fn what_we_were_fenced_off_from_is_not_written_and_stays_to_be_seen() {
    let mut db = Db::in_memory().unwrap();
    take(
        &mut db,
        &[
            event("den", 1, 0, 1, json!({"deed": "add", "title": "build"})),
            event("lab", 1, 1, 2, json!({"deed": "claim", "term": 60})),
        ],
    );
    db.add_task_events(&home(), &[event("lab", 1, 1, 3, json!({"deed": "done"}))], &[], 5).unwrap();
    assert_eq!(db.task(&id(1)).unwrap().unwrap().task.status, Status::Done);
    let queued = db.queued_task_events(10).unwrap();
    db.fence_task_events(&home(), &queued.iter().collect::<Vec<_>>(), 6).unwrap();
    assert_eq!(db.task(&id(1)).unwrap().unwrap().task.status, Status::Claimed);
    assert!(db.queued_task_events(10).unwrap().is_empty());
    assert_eq!(notices(&db), ["lost"]);
    let history = db.task_history(&id(1)).unwrap();
    assert_eq!(history.last().unwrap().0.void, Some(Void::Fenced), "nobody else knows of it");
    take(&mut db, &[event("den", 1, 2, 3, json!({"deed": "claim", "term": 60}))]);
    let history = db.task_history(&id(1)).unwrap();
    assert_eq!(history.len(), 4, "what was refused to us is shown with the rest");
}

#[test]
fn what_we_were_fenced_off_from_counts_if_it_stands_in_our_log_all_the_same() {
    let mut db = Db::in_memory().unwrap();
    take(
        &mut db,
        &[
            event("den", 1, 0, 1, json!({"deed": "add", "title": "build"})),
            event("lab", 1, 1, 2, json!({"deed": "claim", "term": 60})),
        ],
    );
    let done = event("lab", 1, 1, 3, json!({"deed": "done"}));
    db.add_task_events(&home(), std::slice::from_ref(&done), &[], 5).unwrap();
    let queued = db.queued_task_events(10).unwrap();
    db.fence_task_events(&home(), &queued.iter().collect::<Vec<_>>(), 6).unwrap();
    take(&mut db, &[done]);
    assert_eq!(db.task(&id(1)).unwrap().unwrap().task.status, Status::Done);
    let queued = db.queued_task_events(10).unwrap();
    assert!(queued.len() == 1 && queued[0].again, "it is written again, whoever claimed the task since");
    db.task_events_written(&[queued[0].n], "", None).unwrap();
    assert!(db.queued_task_events(10).unwrap().is_empty());
    assert_eq!(db.rewrite_task_events("lab", false).unwrap(), 2);
    assert!(db.queued_task_events(10).unwrap().iter().all(|queued| queued.again));
}
