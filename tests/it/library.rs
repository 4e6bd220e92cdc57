//! `lanpost::Node`, as programs hold it: a daemon within this process, and none.

use std::path::Path;
use std::time::Duration;

use lanpost::{Call, Config, Draft, Filter, Kind, Meant, NewTask, Node, Say, State, Taken};

use crate::common::process::{PATIENCE, until, until_true};

fn node(folder: &Path, name: &str) -> Node {
    std::fs::create_dir_all(folder.join("share")).unwrap();
    Node::create(Config::new(name.parse().unwrap(), folder.join("share"), folder.join(name))).unwrap()
}

fn draft(to: &str, text: &str) -> Draft {
    Draft { create: true, ..Draft::new(to.parse().unwrap(), text) }
}

#[test]
fn a_daemon_starts_and_stops_within_a_program_as_often_as_it_likes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut office, mut lab) = (node(folder.path(), "office"), node(folder.path(), "lab"));
    for turn in ["one", "two"] {
        let (first, second) = (office.start().unwrap(), lab.start().unwrap());
        assert!(first.is_running() && office.daemon_runs());
        assert_eq!(office.another().unwrap().start().err().map(|error| error.kind()), Some(Kind::Busy));
        office.send(draft("lab", turn)).unwrap();
        let mail = lab.wait(&Filter::default(), PATIENCE).unwrap();
        assert_eq!(mail[0].content, turn);
        lab.ack(&[mail[0].id.to_string()]).unwrap();
        first.stop().unwrap();
        // Forgotten: it stops, too.
        drop(second);
        assert!(!office.daemon_runs() && !lab.daemon_runs());
    }
    let log = std::fs::read_to_string(folder.path().join("office/log/lanpost.log")).unwrap();
    assert!(log.contains("its program asked for it"), "{log}");
}

#[test]
fn without_a_daemon_whoever_waits_looks_at_the_share() {
    let folder = tempfile::tempdir().unwrap();
    let (mut office, mut lab) = (node(folder.path(), "office"), node(folder.path(), "lab"));
    assert!(lab.wait(&Filter::default(), Duration::ZERO).unwrap().is_empty(), "none comes in no time");
    let asked = office.ask(draft("lab", "question"), Duration::ZERO, |_| {}).unwrap();
    assert!(asked.is_open() && asked.answer.is_none());
    office.look().unwrap();
    let question = lab.wait(&Filter::default(), PATIENCE).unwrap().remove(0);
    lab.read(question.id.as_str()).unwrap();
    lab.reply(question.id.as_str(), "answer").unwrap();
    lab.look().unwrap();
    let asked = office.ask_again(asked.request.id.as_str(), PATIENCE, |_| {}).unwrap();
    assert_eq!(asked.answer.as_ref().unwrap().content, "answer");
    assert!(!asked.is_open() && office.inbox(&Filter::default()).unwrap().is_empty(), "it was shown");
    assert_eq!(office.ask_again("nothing", PATIENCE, |_| {}).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_task_has_one_holder() {
    let folder = tempfile::tempdir().unwrap();
    let (mut office, mut lab) = (node(folder.path(), "office"), node(folder.path(), "lab"));
    let task = office.add_task(NewTask { title: "x".into(), ..NewTask::default() }).unwrap().task;
    let held = office.claim_task(task.id.as_str(), None, PATIENCE, PATIENCE).unwrap();
    assert!(held.task.holder.is_some());
    until("lab to see the task", || {
        lab.look().unwrap();
        lab.task(task.id.as_str()).ok().filter(|seen| seen.task.task.holder.is_some()).map(drop)
    });
    let error = lab.claim_task(task.id.as_str(), None, PATIENCE, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), Kind::LeaseLost, "{error}");
    office.say_of_task(task.id.as_str(), None, Say::Done(None)).unwrap();
    until_true("the task to be over", || office.task(task.id.as_str()).unwrap().task.task.status.is_final());
}

#[test]
fn mail_goes_to_several_and_is_followed_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut office, mut lab) = (node(folder.path(), "office"), node(folder.path(), "lab"));
    office.look().unwrap();
    let Meant::Several(group) = office.meant(&"all".parse().unwrap()) else { panic!("all are several") };
    let sent = office.broadcast(&Call::new(group), |to| Draft::new(to, "to all")).unwrap().members.remove(0);
    let sent = office.wait_for(sent.id.as_str(), State::Sent, PATIENCE).unwrap();
    assert!(sent.state.reached(State::Sent), "{:?}", sent.state);
    let id = sent.broadcast.unwrap().id.unwrap();
    assert_eq!(office.broadcasted(id.as_str()).unwrap().unwrap().members.len(), 1);

    let mail = lab.wait(&Filter::default(), PATIENCE).unwrap().remove(0);
    let tomorrow = chrono::Utc::now() + chrono::TimeDelta::days(1);
    lab.snooze(mail.id.as_str(), tomorrow).unwrap();
    assert!(lab.inbox(&Filter::default()).unwrap().is_empty());
    assert_eq!(lab.inbox(&Filter { snoozed: true, ..Filter::default() }).unwrap().len(), 1);
    let answer = lab.reply_draft(mail.id.as_str(), "seen").unwrap();
    lab.send(Draft { agent: Some("builder".parse().unwrap()), seal: true, ..answer }).unwrap();
    lab.look().unwrap();
    let answer = office.wait(&Filter::default(), PATIENCE).unwrap().remove(0);
    assert_eq!((answer.from.as_str(), answer.sealed), ("lab/builder", true));
    assert_eq!(office.thread(answer.id.as_str(), 10).unwrap().messages.len(), 2);

    let waits = office.send(Draft { not_before: Some(tomorrow), ..draft("lab", "later") }).unwrap();
    let taken = office.recall(waits.id.as_str(), Duration::ZERO).unwrap();
    assert!(matches!(taken, Taken::Cancelled(_)), "{taken:?}");
    let request = Draft { kind: Some("request".into()), ..draft("lab", "do it") };
    let request = office.send(request).unwrap();
    office.look().unwrap();
    assert_eq!(office.cancel(request.id.as_str(), Duration::ZERO).unwrap(), Taken::UnderWay);
    assert_eq!(office.release("nothing").unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_dead_letter_is_sent_again_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut office, mut lab) = (node(folder.path(), "office"), node(folder.path(), "lab"));
    let sent = office.send(draft("lab", "in vain")).unwrap();
    office.look().unwrap();
    let mail = lab.wait(&Filter::default(), PATIENCE).unwrap().remove(0);
    lab.fail(&[mail.id.to_string()], "no time").unwrap();
    lab.look().unwrap();
    office.wait_for(sent.id.as_str(), State::Processed, PATIENCE).unwrap();
    assert_eq!(office.dead().unwrap().len(), 1);
    let ids = [sent.id.to_string()];
    let again = office.redrive(&ids, None).unwrap().remove(0);
    assert_eq!(office.redrive(&ids, None).unwrap()[0].id, again.id);
    assert!(office.dead().unwrap().is_empty());
}

#[test]
fn what_is_not_set_up_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new("lab".parse().unwrap(), folder.path().join("none"), folder.path().join("lab"));
    assert_eq!(Node::open(config.clone()).err().map(|error| error.kind()), Some(Kind::NotFound));
    assert!(Node::create(config).is_err(), "the share is never made");
    assert!(!folder.path().join("none").exists());
}
