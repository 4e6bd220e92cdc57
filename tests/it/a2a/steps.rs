//! One thing at a time, on a clock that moves when it is told to.

use std::time::Duration;

use lanpost::engine::ops::{self, Asking, Author, Draft, News, Taken};
use lanpost::model::cancel::Order;
use lanpost::model::envelope::Priority;
use lanpost::model::layout;
use lanpost::model::report::REPORT;
use lanpost::model::route::Route;
use lanpost::model::state::State;
use lanpost::model::trust::{Policy, Verdict};
use lanpost::store::db::{Message, Way};

use super::gateway::Mood;
use super::world::World;
use crate::common::pair::name;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_answer_comes_in_as_mail_of_the_peer_and_wakes_once() {
    let mut world = World::new();
    let sent = world.a.send_one("lab/scout", "how is it going?", |draft| draft.priority = Priority::Urgent);
    world.becomes(&sent, State::Processed);
    world.run(MINUTE);
    let [answer] = &world.inbox()[..] else { panic!("{:?}", world.inbox()) };
    assert_eq!((answer.from.as_str(), answer.to.as_str()), ("lab/scout", "a"));
    assert_eq!(answer.content, format!("re {}", sent.id));
    assert_eq!(answer.in_reply_to.as_ref(), Some(&sent.id));
    assert_eq!(answer.thread.as_deref(), Some(sent.id.as_str()));
    assert_eq!(answer.verdict, Some(Verdict::Unverified));
    assert_eq!(answer.hops, Some(1), "an automatic answer");
    assert_eq!(world.a.wakes.len(), 1);
    assert!(world.slot().is_empty() && world.requests == 2, "{:?}, {}", world.slot(), world.requests);
    let way = world.way(&sent);
    assert!(way.contains("sent to its agent through http://box-b:18789 (a2a, task task-1)"), "{way}");
    assert!(way.contains("processed answered by a2a"), "{way}");
    let (_, _, text) = &world.gateway.turns[0];
    assert!(
        text.starts_with("Message from a, another agent") && text.contains("| how is it going?\n"),
        "{text}"
    );
    // Its answer goes back in the same context.
    let back =
        ops::reply(world.a.node_mut(), answer.id.as_str(), "fine".into(), None, Author::Program, false)
            .unwrap();
    world.becomes(&back, State::Processed);
    assert_eq!(world.gateway.turns[0].1, world.gateway.turns[1].1);
    assert_eq!(world.route(), "a2a (http://box-b:18789)");
}

#[test]
fn an_answer_of_a_gateway_answers_whoever_asked() {
    let mut world = World::new();
    let mut asking = Asking::new(world.a.node());
    let draft = Draft::new("lab/scout".parse().unwrap(), "how is it going?");
    let asked = asking.ask(world.a.node_mut(), draft).unwrap();
    let mut news = vec![];
    world.until("the answer", |world| {
        news = asking.look(world.a.node_mut()).unwrap();
        !news.is_empty()
    });
    assert!(
        matches!(&news[..], [News::Answered { answer, .. }] if answer.content == format!("re {}", asked.id))
    );
    asking.end(world.a.node_mut(), true).unwrap();
    world.run(MINUTE);
    assert_eq!(world.a.wakes.len(), 0, "whoever asked has it");
}

#[test]
fn what_an_agent_has_from_its_gateway_is_not_taken_back() {
    let mut world = World::new();
    world.gateway.holds = true;
    let sent = world.a.send_one("lab", "build it", |draft| draft.kind = Some("request".into()));
    world.becomes(&sent, State::Sent);
    for order in [Order::Recall, Order::Cancel] {
        let node = world.a.node_mut();
        let late = ops::take_back(node, sent.id.as_str(), order, Author::Program).unwrap();
        let taken = ops::taken(world.a.node(), &late).unwrap();
        assert!(matches!(&taken, Taken::TooLate(why) if why.contains("its gateway")), "{taken:?}");
    }
    assert_eq!(world.gateway.turns.len(), 1, "and no order goes there");
}

#[test]
fn a_thread_waits_for_its_answer_and_others_do_not() {
    let mut world = World::new();
    world.gateway.holds = true;
    let sent: Vec<Message> =
        [("t", "1"), ("t", "2"), ("u", "3"), ("t", "4")].map(|(t, text)| world.send(t, text)).into();
    let got = |world: &World| -> Vec<usize> {
        let place = |id: &str| sent.iter().position(|one| one.id.as_str() == id).unwrap() + 1;
        world.gateway.turns.iter().map(|(id, ..)| place(id)).collect()
    };
    world.run(MINUTE);
    assert_eq!(got(&world), [1, 3]);
    // What keeps a message is known, its own request among it.
    let before = |n: usize| world.a.node().db.keeper(&sent[n]).unwrap();
    assert_eq!([before(1), before(3)], [Some(sent[0].id.clone()), Some(sent[0].id.clone())]);
    world.gateway.finish();
    world.becomes(&sent[0], State::Processed);
    world.run(MINUTE);
    assert_eq!(got(&world), [1, 3, 2]);
    world.gateway.holds = false;
    world.gateway.finish();
    world.gateway.finish();
    world.becomes(&sent[3], State::Processed);
    assert_eq!(got(&world), [1, 3, 2, 4]);
    world.until("all answers", |world| world.inbox().len() == 4);
    assert!(world.slot().is_empty());
}

#[test]
fn what_nobody_knows_of_goes_by_the_share_under_its_id_and_never_twice_to_the_gateway() {
    for mood in [Mood::Mute, Mood::Deaf, Mood::Status(500)] {
        let mut world = World::new();
        let before = world.send("t", "fine");
        world.becomes(&before, State::Processed);
        world.gateway.mood = mood.clone();
        let lost = world.send("t", "lost");
        world.becomes(&lost, State::Sent);
        world.gateway.mood = Mood::Well;
        world.run(5 * MINUTE);
        assert_eq!(world.slot(), [lost.id.to_string()], "{mood:?}");
        assert!(
            world.way(&lost).contains("detour whether its gateway took it is not known"),
            "{}",
            world.way(&lost)
        );
        let after = world.send("t", "after");
        world.becomes(&after, State::Processed);
        assert_eq!(world.handed.iter().filter(|id| **id == lost.id.to_string()).count(), 1, "{mood:?}");
        let context = |id: &Message| {
            world.gateway.turns.iter().find(|turn| turn.0 == id.id.as_str()).unwrap().1.clone()
        };
        assert_ne!(context(&before), context(&after), "the old context may hold an answer that is nobody's");
        assert_eq!(world.inbox().len(), 2, "{mood:?}: each answer belongs to its question");
        assert!(
            world
                .inbox()
                .iter()
                .all(|answer| answer.content == format!("re {}", answer.in_reply_to.as_ref().unwrap()))
        );
    }
}

#[test]
fn a_daemon_that_is_killed_before_it_heard_hands_nothing_over_again() {
    let mut world = World::new();
    let sent = world.send("t", "cut off");
    world.until("the request", |world| !world.handed.is_empty());
    world.restart();
    world.becomes(&sent, State::Sent);
    world.run(5 * MINUTE);
    assert_eq!((world.handed.len(), world.slot().len()), (1, 1));
    // The same between the answer and the note: it is asked for again, and comes in once.
    let next = world.send("t", "answered, and forgotten");
    world.until("the question", |world| world.requests == 3);
    world.restart();
    world.becomes(&next, State::Processed);
    assert_eq!(world.inbox().len(), 1);
    assert_eq!(world.gateway.turns.len(), 2);
}

#[test]
fn a_gateway_that_forgot_leaves_its_mail_to_the_share() {
    let mut world = World::new();
    world.gateway.holds = true;
    let sent = world.send("t", "at work");
    world.until("the turn", |world| world.gateway.turns.len() == 1);
    world.run(MINUTE);
    assert_eq!(world.a.state_of(&sent), State::Sent);
    world.gateway.restart();
    world.until("the copy", |world| world.slot() == [sent.id.to_string()]);
    assert!(world.way(&sent).contains("its gateway forgot it"), "{}", world.way(&sent));
    assert_eq!(world.handed.len(), 1);
    // Nobody waits for ever, either.
    let slow = world.send("u", "for ever");
    world.until("patience to end", |world| world.slot().len() == 2);
    assert!(world.way(&slow).contains("did not answer within 5m"), "{}", world.way(&slow));
}

#[test]
fn no_more_is_asked_in_a_minute_than_is_served_and_all_goes_in_order() {
    let mut world = World::new();
    let sent: Vec<Message> = (0..70).map(|n| world.send(&format!("t-{n}"), &format!("{n}"))).collect();
    world.becomes(&sent[69], State::Processed);
    assert_eq!(world.gateway.limited, 0);
    assert!(world.gateway.peak <= 30, "{}", world.gateway.peak);
    let ids: Vec<String> = sent.iter().map(|message| message.id.to_string()).collect();
    assert_eq!(world.handed, ids);
    world.until("all answers", |world| world.inbox().len() == 70);
    assert!(world.slot().is_empty());
    // Told to wait, since somebody else uses the same token: it waits, and keeps the order.
    let before = world.handed.len();
    for n in 0..40 {
        let now = lanpost::sys::clock::Clock::now(&*world.a.clock);
        world
            .gateway
            .hear(Some(&serde_json::json!({"method": "GetTask", "params": {"id": n.to_string()}})), now);
    }
    let more: Vec<Message> = (0..3).map(|n| world.send(&format!("u-{n}"), "more")).collect();
    let mut paused = false;
    world.until("the pause to end", |world| {
        world.step();
        paused |= world.route().contains(", next request in ");
        world.a.state_of(&more[2]) == State::Processed
    });
    assert!(world.gateway.limited > 10, "{}", world.gateway.limited);
    assert!(paused, "peers and --wait say why nothing goes");
    let ids: Vec<String> = more.iter().map(|message| message.id.to_string()).collect();
    let mut order = world.handed[before..].to_vec();
    order.dedup();
    assert_eq!(order, ids);
    assert!(world.slot().is_empty());
}

#[test]
fn a_gateway_that_is_of_no_use_says_why_and_is_used_again_when_it_is_well() {
    for (mood, said) in [
        (Mood::Status(401), "a2a does not accept our token"),
        (Mood::Status(404), "a2a has no a2a there"),
        (Mood::Status(413), "a2a says that a message is too large"),
        (Mood::Down, "a2a connection refused"),
        (Mood::Starting, "a2a is "),
        (Mood::Refuses, "a2a refused a message: draining"),
    ] {
        let mut world = World::new();
        world.gateway.mood = mood.clone();
        let sent = world.send("t", "by the share, then");
        world.becomes(&sent, State::Sent);
        assert_eq!(world.slot(), [sent.id.to_string()], "{mood:?}");
        assert!(
            world.route().starts_with(said) && world.route().contains("next try in"),
            "{mood:?}: {}",
            world.route()
        );
        assert!(world.gateway.turns.is_empty());
        world.gateway.mood = Mood::Well;
        world.until("the probe", |world| world.route().starts_with("a2a ("));
        // What a probe can't disprove is said until something was taken.
        let lasts = matches!(mood, Mood::Status(_) | Mood::Refuses);
        assert_eq!(world.route().contains("which took nothing since"), lasts, "{mood:?}: {}", world.route());
        assert!(world.way(&sent).contains("detour its gateway did not take it: "), "{}", world.way(&sent));
        let again = world.send("t", "and back");
        world.becomes(&again, State::Processed);
        assert_eq!((world.slot().len(), world.gateway.turns.len()), (1, 1), "{mood:?}");
        assert_eq!(world.route(), "a2a (http://box-b:18789)", "{mood:?}");
    }
}

#[test]
fn an_answer_that_can_not_be_read_is_one_messages_trouble() {
    let mut world = World::new();
    world.gateway.mood = Mood::Cuts("task-1".into());
    let long = world.send("t", "say much");
    world.until("the first question", |world| world.requests >= 2);
    let asked = world.requests;
    world.run(MINUTE);
    assert!(world.requests - asked < 8, "{}", world.requests);
    let other = world.send("u", "and you?");
    world.becomes(&other, State::Processed);
    assert_eq!(world.route(), "a2a (http://box-b:18789)");
    world.until("patience to end", |world| world.slot() == [long.id.to_string()]);
    assert!(
        world.way(&long).contains("within 5m: when asked, its gateway broke off"),
        "{}",
        world.way(&long)
    );
    assert_eq!(world.handed.len(), 2);
}

#[test]
fn an_agent_that_fails_or_says_nothing_is_told_apart() {
    let mut world = World::new();
    world.gateway.says = |_| None;
    let quiet = world.send("t", "no answer needed");
    world.becomes(&quiet, State::Processed);
    assert!(world.inbox().is_empty());
    world.gateway.mood = Mood::Fails;
    let failed = world.send("t", "too much");
    world.until("the copy", |world| world.slot() == [failed.id.to_string()]);
    assert!(world.way(&failed).contains("detour its agent failed: no model"), "{}", world.way(&failed));
}

#[test]
fn what_fits_no_gateway_takes_the_other_route() {
    let mut world = World::new();
    let long = world.send("t", &"x".repeat(70 << 10));
    let exec = world.a.send_one("lab", "run", |draft| draft.kind = Some("exec-result".into()));
    world.until("both copies", |world| world.slot().len() == 2);
    assert_eq!(world.slot(), [long.id.to_string(), exec.id.to_string()]);
    assert_eq!(world.requests, 0);
    assert!(world.way(&long).contains("detour it is longer than a2a takes"), "{}", world.way(&long));
    let json = world.a.send_one("lab", "", |draft| draft.content = serde_json::json!({"deploy": ["v1", 2]}));
    world.becomes(&json, State::Processed);
    assert!(world.gateway.turns[0].2.contains("| {\n|   \"deploy\": ["), "{}", world.gateway.turns[0].2);
}

#[test]
fn with_no_other_route_mail_waits_or_its_sender_is_told() {
    let mut world = World::with(&[Route::A2a], |_| {});
    world.gateway.mood = Mood::Down;
    let waits = world.send("t", "whenever you can");
    world.run(10 * MINUTE);
    assert_eq!(world.a.state_of(&waits), State::Queued);
    world.gateway.mood = Mood::Well;
    world.becomes(&waits, State::Processed);
    world.gateway.mood = Mood::Mute;
    let lost = world.send("t", "lost");
    world.becomes(&lost, State::Failed);
    let reports: Vec<Message> = world.inbox().into_iter().filter(|message| message.kind == REPORT).collect();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    let reason = report.content["reason"].as_str().unwrap();
    assert!(reason.contains("is not known") && reason.contains("a2a is the only route to lab"), "{reason}");
    assert!(world.slot().is_empty());
}

/// The reasons of the reports in the inbox.
fn reported(world: &World) -> Vec<String> {
    let reports = world.inbox().into_iter().filter(|message| message.kind == REPORT);
    reports.map(|report| report.content["reason"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn with_no_other_route_what_a_killed_daemon_had_begun_is_reported() {
    let mut world = World::with(&[Route::A2a], |_| {});
    let sent = world.send("t", "cut off");
    world.until("the request", |world| !world.handed.is_empty());
    world.restart();
    world.becomes(&sent, State::Failed);
    let [reason] = &reported(&world)[..] else { panic!("{:?}", reported(&world)) };
    assert!(reason.contains("lanpost ended before it answered") && reason.contains("only route"), "{reason}");
    assert_eq!(world.handed.len(), 1);
}

#[test]
fn with_no_other_route_what_waited_in_a_backup_is_reported() {
    let mut world = World::with(&[Route::A2a], |_| {});
    world.gateway.mood = Mood::Down;
    let sent = world.send("t", "in the backup");
    world.run(MINUTE);
    let handed = world.handed.len();
    let file = world.a.node().config.state.join("../backup");
    ops::backup(world.a.node_mut(), &file.with_extension("no-config"), &file).unwrap();
    world.stop();
    let (config, clock) = (world.a.node().config.clone(), world.a.clock.clone());
    let clock: std::sync::Arc<dyn lanpost::sys::clock::Clock> = clock;
    ops::restore(&config, &clock, &ops::Restore { file: &file, force: true }).unwrap();
    world.gateway.mood = Mood::Well;
    world.restart();
    world.becomes(&sent, State::Failed);
    let [reason] = &reported(&world)[..] else { panic!("{:?}", reported(&world)) };
    assert!(reason.contains("waited when the backup was made") && reason.contains("only route"), "{reason}");
    assert_eq!(world.handed.len(), handed);
}

#[test]
fn mail_for_a_peer_that_was_never_on_the_share_waits_for_its_gateway() {
    let mut world = World::strange(&[Route::A2a, Route::Direct, Route::Share]);
    world.gateway.mood = Mood::Starting;
    let waits = world.send("t", "while it starts");
    world.run(10 * MINUTE);
    assert_eq!(world.a.state_of(&waits), State::Queued, "{}", world.way(&waits));
    world.gateway.mood = Mood::Well;
    world.becomes(&waits, State::Processed);
    // Nobody would find a copy.
    let sent = world.send("t", "cut off");
    let handed = world.handed.len();
    world.until("the request", |world| world.handed.len() > handed);
    world.restart();
    world.becomes(&sent, State::Failed);
    assert!(reported(&world)[0].contains("only route to lab"), "{:?}", reported(&world));
    assert!(world.slot().is_empty());
    // Once it is seen there, it is a route.
    world.share.create_new(&layout::open_slot(&name("lab")), b"").unwrap();
    world.gateway.mood = Mood::Starting;
    let copied = world.send("t", "by the slot");
    world.becomes(&copied, State::Sent);
    assert_eq!(world.slot(), [copied.id.to_string()]);
}

#[test]
fn the_policy_for_unsigned_mail_holds_for_answers() {
    for (policy, arrives) in [(Policy::Hold, 1), (Policy::Deny, 0)] {
        let mut world = World::with(&[Route::A2a, Route::Share], |config| {
            config.plain.policy = policy;
        });
        let sent = world.send("t", "speak");
        world.becomes(&sent, State::Processed);
        world.run(MINUTE);
        let answers: Vec<Message> =
            world.inbox().into_iter().filter(|message| message.from == "lab").collect();
        assert_eq!(answers.len(), arrives, "{policy:?}");
        assert!(answers.iter().all(|answer| answer.held));
        assert!(world.a.wakes.is_empty(), "{policy:?}");
    }
}

#[test]
fn a_pass_of_a_command_takes_the_share() {
    let mut world = World::new();
    let sent = world.send("t", "no daemon");
    world.a.pass();
    assert_eq!(world.slot(), [sent.id.to_string()]);
    world.restart();
    world.run(MINUTE);
    assert_eq!((world.requests, world.slot().len()), (0, 1));
    assert_eq!(world.a.journey(Way::Out, &sent), ["queued", "sent"]);
}
