//! Two instances and their tasks, step by step.

use std::io::ErrorKind;
use std::time::Duration;

use lanpost::engine::ops::{self, Claiming, NewTask, Say, TaskView, Word};
use lanpost::model::claim::Claim;
use lanpost::model::layout::{self, ClaimFolder};
use lanpost::model::state::State;
use lanpost::model::task::{Standing, TASK, TASK_NOTICE};
use lanpost::store::db::{Answer, Filter};
use lanpost::sys::clock::Clock;

use crate::common::counting::Verb;
use crate::common::faulty::Fault;
use crate::common::{Pair, Site};

const MINUTE: Duration = Duration::from_secs(60);

pub fn add(site: &mut Site, title: &str, to: Option<&str>, depends: &[&str]) -> String {
    let new = NewTask {
        title: title.into(),
        to: to.map(|to| to.parse().unwrap()),
        depends: depends.iter().map(|id| (*id).to_owned()).collect(),
        ..NewTask::default()
    };
    ops::task_add(site.node_mut(), new).unwrap().task.id.to_string()
}

fn wish(site: &mut Site, id: &str, term: Duration) -> i64 {
    match ops::task_claim(site.node_mut(), id, None, term, MINUTE).unwrap() {
        Claiming::Asked(wish) => wish,
        Claiming::Held => panic!("held already"),
    }
}

fn answer(site: &Site, wish: i64) -> Option<Answer> {
    ops::task_answer(site.node(), wish).unwrap()
}

/// Claims it and waits for the answer.
fn claim(pair: &mut Pair, who: fn(&mut Pair) -> &mut Site, id: &str, term: Duration) -> Answer {
    let wish = wish(who(pair), id, term);
    pair.until("an answer", |pair| answer(who(pair), wish).is_some());
    answer(who(pair), wish).unwrap()
}

fn see(site: &Site, id: &str) -> Option<TaskView> {
    ops::task_show(site.node(), id).ok().map(|shown| shown.task)
}

fn standing(site: &Site, id: &str) -> Option<Standing> {
    see(site, id).map(|view| view.standing)
}

fn a(pair: &mut Pair) -> &mut Site {
    &mut pair.a
}

fn b(pair: &mut Pair) -> &mut Site {
    &mut pair.b
}

fn notices(site: &Site) -> Vec<String> {
    let all = ops::inbox(site.node(), &Filter { all: true, ..Filter::default() }).unwrap();
    let news = all.iter().filter(|message| message.kind == TASK_NOTICE);
    news.map(|message| message.content["news"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_folder_of_tasks_that_is_locked_holds_up_no_mail() {
    let mut pair = Pair::new();
    let id = add(&mut pair.a, "count the apples", None, &[]);
    pair.until("the task is known", |pair| see(&pair.b, &id).is_some());
    pair.b.faults.forbid_folder(Some(layout::tasks()));
    let sent = pair.a.send_one("b", "mail", |_| ());
    pair.b.start();
    pair.until("the mail is there", |pair| pair.a.state_of(&sent) == State::Delivered);
    pair.run(Duration::from_secs(40));
    let told = |pair: &Pair| pair.b.status().problems.iter().any(|problem| problem.contains("tasks"));
    assert!(told(&pair), "{:?}", pair.b.status().problems);
    let later = pair.a.send_one("b", "more mail", |_| ());
    pair.until("what came later is there", |pair| pair.a.state_of(&later) == State::Delivered);
    let other = add(&mut pair.a, "count the pears", None, &[]);
    pair.run(Duration::from_secs(40));
    assert!(see(&pair.b, &other).is_none());
    pair.b.faults.forbid_folder(None);
    pair.until("tasks are seen again", |pair| see(&pair.b, &other).is_some());
    pair.run(Duration::from_secs(60));
    assert!(!told(&pair), "{:?}", pair.b.status().problems);
}

#[test]
fn a_log_that_the_share_lost_is_written_again_by_a_daemon_that_has_nothing_to_say() {
    let mut pair = Pair::new();
    let id = add(&mut pair.a, "count the apples", None, &[]);
    pair.until("the task is known", |pair| see(&pair.b, &id).is_some());
    pair.run(Duration::from_secs(60));
    let logs = |pair: &Pair| -> Vec<String> {
        let listed = pair.share.list(&layout::tasks()).unwrap().unwrap();
        listed.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(".jsonl")).collect()
    };
    for name in logs(&pair) {
        pair.share.remove(&layout::task_log(&layout::parse_task_log(&name).unwrap())).unwrap();
    }
    pair.share.touch(&layout::task_bell()).unwrap();
    pair.until("it is there again", |pair| !logs(pair).is_empty());
}

#[test]
fn a_task_is_assigned_claimed_worked_on_and_done_before_all_eyes() {
    let mut pair = Pair::new();
    let id = add(&mut pair.a, "build", Some("b/main"), &[]);
    pair.until("the task", |pair| standing(&pair.b, &id) == Some(Standing::Open));
    pair.until("its mail", |pair| {
        pair.b.inbox().iter().any(|mail| mail.kind == TASK && mail.rest["task"] == *id)
    });
    assert_eq!(claim(&mut pair, b, &id, 30 * MINUTE), Answer::Held { token: 1 });
    pair.until("the claim", |pair| standing(&pair.a, &id) == Some(Standing::Claimed));
    ops::task_say(pair.b.node_mut(), &id, None, Say::Progress("half".into(), Some(50))).unwrap();
    let refused = ops::task_say(pair.a.node_mut(), &id, None, Say::Done(None)).unwrap_err();
    assert!(refused.to_string().contains("b holds it"), "{refused}");
    let said = ops::task_say(pair.b.node_mut(), &id, None, Say::Done(Some("well".into()))).unwrap();
    assert_eq!(ops::task_word(pair.b.node(), &said.event).unwrap(), Word::Queued);
    pair.until("the end", |pair| standing(&pair.a, &id) == Some(Standing::Done));
    assert_eq!(ops::task_word(pair.b.node(), &said.event).unwrap(), Word::Written);
    let histories = [&pair.a, &pair.b].map(|site| {
        let shown = ops::task_show(site.node(), &id).unwrap();
        shown.history.iter().map(|step| (step.deed, step.by.to_string(), step.void)).collect::<Vec<_>>()
    });
    let deed = |word, by: &str| (word, by.to_owned(), None);
    assert_eq!(
        histories[0],
        [deed("add", "a"), deed("claim", "b"), deed("progress", "b"), deed("done", "b")]
    );
    assert_eq!(histories[0], histories[1]);
}

#[test]
fn of_two_who_claim_at_once_one_has_it() {
    let mut pair = Pair::new();
    for turn in 0..20 {
        let id = add(&mut pair.a, "build", None, &[]);
        pair.until("the task", |pair| see(&pair.b, &id).is_some());
        let (ours, theirs) = (wish(&mut pair.a, &id, MINUTE), wish(&mut pair.b, &id, MINUTE));
        if turn % 2 == 0 {
            pair.b.step();
        }
        pair.until("both answers", |pair| {
            answer(&pair.a, ours).is_some() && answer(&pair.b, theirs).is_some()
        });
        let held = [answer(&pair.a, ours), answer(&pair.b, theirs)];
        let winners = held.iter().filter(|answer| matches!(answer, Some(Answer::Held { .. }))).count();
        assert_eq!(winners, 1, "{held:?}");
    }
}

/// A task whose first claim is empty, since both PCs were told that it exists; b has seen it so for 12 seconds.
fn with_an_empty_claim(pair: &mut Pair) -> (String, ClaimFolder) {
    let id = add(&mut pair.a, "build", None, &[]);
    pair.until("the task", |pair| see(&pair.b, &id).is_some());
    let on = layout::task_claims(&id.parse().unwrap());
    pair.share.make_folder(&on.path().parent()).unwrap();
    pair.share.make_folder(on.path()).unwrap();
    pair.share.create_new(&on.claim(1), b"").unwrap();
    let lost = claim(pair, b, &id, MINUTE);
    assert!(matches!(&lost, Answer::Lost { why, .. } if why.contains("for 10 s")), "{lost:?}");
    pair.run(Duration::from_secs(12));
    (id, on)
}

#[test]
fn a_claim_that_nobody_is_in_is_stepped_over_soon() {
    let mut pair = Pair::new();
    let (id, _) = with_an_empty_claim(&mut pair);
    assert_eq!(claim(&mut pair, b, &id, MINUTE), Answer::Held { token: 2 });
}

#[test]
fn who_was_slow_to_write_a_claim_is_not_passed_by_who_steps_over_it() {
    let mut pair = Pair::new();
    let (id, on) = with_an_empty_claim(&mut pair);
    let slow = Claim {
        claim: on.path().as_str().to_owned(),
        number: 1,
        by: pair.a.node().instance().clone().into(),
        term: 60,
        word: "a word of a's".into(),
        host: "pc".into(),
        since: "now".into(),
    };
    pair.b.faults.rival(on.claim(2), on.claim(1), slow.to_signed_bytes(&pair.a.signer()));
    let lost = claim(&mut pair, b, &id, MINUTE);
    assert!(matches!(&lost, Answer::Lost { why, .. } if why.contains("was faster")), "{lost:?}");
}

#[test]
fn a_claim_without_a_word_of_its_holder_runs_out_by_its_own_daemon() {
    let mut pair = Pair::new();
    let id = add(&mut pair.a, "build", None, &[]);
    pair.until("the task", |pair| see(&pair.b, &id).is_some());
    claim(&mut pair, b, &id, 10 * MINUTE);
    pair.run(6 * MINUTE);
    ops::task_renew(pair.b.node_mut(), &id, None, None).unwrap();
    pair.run(6 * MINUTE);
    assert_eq!(standing(&pair.a, &id), Some(Standing::Claimed));
    ops::task_say(pair.b.node_mut(), &id, None, Say::Progress("slow".into(), None)).unwrap();
    pair.run(6 * MINUTE);
    assert_eq!(standing(&pair.a, &id), Some(Standing::Claimed), "a word of it is as good");
    pair.run(6 * MINUTE);
    assert_eq!(standing(&pair.a, &id), Some(Standing::Open));
    assert_eq!(claim(&mut pair, a, &id, MINUTE), Answer::Held { token: 2 });
}

#[test]
fn a_dead_holders_task_comes_back_and_what_it_says_when_it_wakes_up_does_not_count() {
    let mut pair = Pair::new();
    let id = add(&mut pair.a, "build", None, &[]);
    pair.until("the task", |pair| see(&pair.b, &id).is_some());
    claim(&mut pair, b, &id, 5 * MINUTE);
    pair.until("the claim", |pair| standing(&pair.a, &id) == Some(Standing::Claimed));
    // b's PC sleeps.
    let asleep = |pair: &mut Pair, time: Duration| {
        let end = pair.a.clock.now() + time;
        while pair.a.clock.now() < end {
            pair.a.step();
            pair.advance(pair.a.rest);
        }
    };
    asleep(&mut pair, 3 * MINUTE);
    let early = wish(&mut pair.a, &id, MINUTE);
    asleep(&mut pair, Duration::from_secs(5));
    assert!(matches!(answer(&pair.a, early), Some(Answer::Lost { why }) if why == "b has it"));
    asleep(&mut pair, 4 * MINUTE);
    assert!(see(&pair.a, &id).unwrap().left);
    let late = wish(&mut pair.a, &id, 30 * MINUTE);
    asleep(&mut pair, Duration::from_secs(5));
    assert_eq!(answer(&pair.a, late), Some(Answer::Held { token: 2 }));
    // It wakes up, and its agent goes on as if nothing had happened.
    let said = ops::task_say(pair.b.node_mut(), &id, None, Say::Done(None)).unwrap();
    pair.until("the news", |pair| !notices(&pair.b).is_empty());
    pair.run(MINUTE);
    assert_eq!(ops::task_word(pair.b.node(), &said.event).unwrap(), Word::Fenced);
    for site in [&pair.a, &pair.b] {
        let view = see(site, &id).unwrap();
        assert_eq!(view.task.holder.unwrap().by.to_string(), "a");
    }
    assert!(notices(&pair.b).contains(&"lost".to_owned()));
}

#[test]
fn who_is_assigned_hears_when_the_last_of_what_was_before_is_done() {
    let mut pair = Pair::with(|config| config.wake.command = vec!["wake".into()]);
    let first = add(&mut pair.a, "build", None, &[]);
    let second = add(&mut pair.a, "test", None, &[]);
    let last = add(&mut pair.a, "ship", Some("b/main"), &[&first, &second]);
    pair.until("the tasks", |pair| standing(&pair.b, &last) == Some(Standing::Waiting));
    assert!(
        matches!(claim(&mut pair, b, &last, MINUTE), Answer::Lost { why } if why.starts_with("it waits for"))
    );
    let round = ops::task_depend(pair.a.node_mut(), &first, std::slice::from_ref(&last), false, None);
    assert!(round.unwrap_err().to_string().contains("none of them could ever begin"));
    for id in [&first, &second] {
        assert!(notices(&pair.b).is_empty());
        ops::task_say(pair.a.node_mut(), id, None, Say::Done(None)).unwrap();
        pair.until("the end", |pair| standing(&pair.b, id) == Some(Standing::Done));
    }
    pair.until("the news", |pair| notices(&pair.b) == ["ready"]);
    pair.until("a wake", |pair| {
        pair.b.wakes.iter().any(|wake| wake.messages.iter().any(|mail| mail.kind == TASK_NOTICE))
    });
    assert_eq!(claim(&mut pair, b, &last, MINUTE), Answer::Held { token: 1 });
}

#[test]
fn a_torn_line_hides_nothing_that_comes_after_it() {
    let mut pair = Pair::new();
    let first = add(&mut pair.a, "one", None, &[]);
    pair.until("the first", |pair| see(&pair.b, &first).is_some());
    pair.a.faults.plan(Verb::Append, 0, 1, Fault::Torn(20, ErrorKind::Other));
    let second = add(&mut pair.a, "two", None, &[]);
    pair.until("the second", |pair| see(&pair.b, &second).is_some());
    let logs = pair.share.names(&layout::tasks()).unwrap();
    let logs = logs.iter().filter(|name| name.ends_with(".jsonl")).count();
    assert_eq!(logs, 2, "what was torn is not gone on with");
}

#[test]
fn a_wish_that_a_crash_cut_off_ends_well() {
    let mut pair = Pair::new();
    let id = add(&mut pair.a, "build", None, &[]);
    pair.until("the task", |pair| see(&pair.b, &id).is_some());
    // The claim is made; then the log can't be written, and the daemon dies.
    pair.b.faults.plan(Verb::Append, 0, 1, Fault::Refuse(ErrorKind::Other));
    let wish = wish(&mut pair.b, &id, 30 * MINUTE);
    pair.b.step();
    assert_eq!(answer(&pair.b, wish), None, "nobody is told before others can know it");
    pair.b.start();
    pair.until("the answer", |pair| answer(&pair.b, wish).is_some());
    assert_eq!(answer(&pair.b, wish), Some(Answer::Held { token: 1 }));
}

#[test]
fn a_wish_that_nobody_waits_for_any_longer_is_given_back() {
    let mut pair = Pair::new();
    let id = add(&mut pair.a, "build", None, &[]);
    pair.until("the task", |pair| see(&pair.b, &id).is_some());
    pair.b.faults.away(Some(ErrorKind::TimedOut));
    let wish = wish(&mut pair.b, &id, 30 * MINUTE);
    pair.run(5 * MINUTE);
    assert_eq!(answer(&pair.b, wish), None);
    pair.b.faults.away(None);
    pair.until("the answer", |pair| answer(&pair.b, wish).is_some());
    assert_eq!(answer(&pair.b, wish), Some(Answer::Late));
    assert_eq!(claim(&mut pair, a, &id, MINUTE), Answer::Held { token: 1 });
}

#[test]
fn tasks_cost_an_idle_engine_nothing() {
    let mut pair = Pair::new();
    let id = add(&mut pair.a, "build", None, &[]);
    pair.until("the task", |pair| see(&pair.b, &id).is_some());
    pair.settle();
    pair.b.step();
    let mut looks = 0;
    // One operation a look, between the heartbeats and the full looks.
    while looks < 64 {
        let before = pair.b.counting.counts();
        pair.advance(pair.b.rest);
        pair.a.step();
        pair.b.step();
        let counts = pair.b.counting.counts();
        let cost = counts.total() - before.total();
        if counts.verb(Verb::List) == before.verb(Verb::List)
            && counts.verb(Verb::Replace) == before.verb(Verb::Replace)
        {
            assert!(cost <= 1, "{cost} operations in an idle look");
        }
        looks += 1;
    }
}
