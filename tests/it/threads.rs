//! Conversations: whoever is asked for one of its messages shows all of it, from either side, and consumes nothing.

use lanpost::engine::ops::{self, Author, Conversation};
use lanpost::model::layout;
use lanpost::model::state::State;
use lanpost::store::db::Message;
use serde_json::{Value, json};

use crate::common::process::{Lan, list};
use crate::common::{Pair, Site, name};

fn reply(site: &mut Site, to: &Message, text: &str) -> Message {
    ops::reply(site.node_mut(), to.id.as_str(), text.into(), None, Author::Program, false).unwrap()
}

fn shown(conversation: &Conversation) -> Vec<(&str, usize, State)> {
    let posts = conversation.messages.iter();
    posts.map(|post| (post.message.content.as_str().unwrap(), post.depth, post.message.state)).collect()
}

#[test]
fn a_conversation_is_the_same_from_either_side_and_from_any_of_its_messages() {
    let mut pair = Pair::new();
    let question = pair.a.send_one("b", "is it green?", |_| {});
    let other = pair.a.send_one("b", "something else", |_| {});
    pair.settle();
    let no = reply(&mut pair.b, &question, "no");
    pair.settle();
    let why = pair.a.send_one("b", "why?", |draft| draft.in_reply_to = Some(no.id.clone()));
    pair.settle();
    assert_eq!(why.thread.as_deref(), Some(question.id.as_str()), "--reply-to goes on with the thread");
    let told = reply(&mut pair.b, &why, "a test fails");
    pair.settle();

    let here = ops::thread(pair.a.node(), told.id.as_str(), 100).unwrap();
    let delivered = State::Delivered;
    let tree = [("is it green?", 0), ("no", 1), ("why?", 2), ("a test fails", 3)];
    assert_eq!(shown(&here), tree.map(|(text, depth)| (text, depth, delivered)));
    assert_eq!((here.thread.as_str(), here.more), (question.id.as_str(), false));
    for id in [&question.id, &no.id, &why.id] {
        let there = ops::thread(pair.b.node(), id.as_str(), 100).unwrap();
        assert_eq!(shown(&there), tree.map(|(text, depth)| (text, depth, delivered)));
    }
    let apart = ops::thread(pair.a.node(), other.id.as_str(), 100).unwrap();
    assert_eq!(shown(&apart), [("something else", 0, delivered)]);

    let newest = ops::thread(pair.a.node(), no.id.as_str(), 2).unwrap();
    assert_eq!(
        (shown(&newest), newest.more),
        (vec![("why?", 0, delivered), ("a test fails", 1, delivered)], true)
    );
}

#[test]
fn an_answer_that_knows_no_threads_belongs_to_what_it_answers() {
    let mut pair = Pair::new();
    let question = pair.a.send_one("b", "ready?", |draft| draft.thread = Some("release".into()));
    pair.a.send_one("b", "also of it", |draft| draft.thread = Some("release".into()));
    pair.settle();
    let line = |content: &str, answers: &str, thread: Option<&str>| {
        let line = json!({"from": "script", "content": content, "id": content, "in_reply_to": answers, "thread": thread});
        format!("{line}\n")
    };
    let slot = [
        line("yes", question.id.as_str(), None),
        line("quite", "yes", None),
        line("elsewhere", question.id.as_str(), Some("another")),
    ];
    pair.share.create_new(&layout::open_slot(&name("a")), slot.concat().as_bytes()).unwrap();
    pair.until("all three", |pair| pair.a.inbox().len() == 3);
    for id in ["quite", question.id.as_str()] {
        let conversation = ops::thread(pair.a.node(), id, 100).unwrap();
        let texts: Vec<_> = shown(&conversation).iter().map(|(text, depth, _)| (*text, *depth)).collect();
        assert_eq!(texts, [("ready?", 0), ("yes", 1), ("quite", 2), ("also of it", 0)]);
    }
}

#[test]
fn the_command_shows_a_tree_and_marks_nothing_read() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let id = office.send("lab", "is it green?");
    lab.receives("is it green?");
    lab.run(&["reply", &id, "no\u{1b}[2J"]).exits(0);
    office.receives("no\u{1b}[2J");
    let text = office.ok(&["thread", &id]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("FROM") && lines[1].starts_with("office "), "{text}");
    assert!(lines[2].starts_with("  lab ") && lines[2].ends_with("no\\u{1b}[2J"), "{text}");
    let answer = office.json(&["thread", &id]);
    assert_eq!((&answer["thread"], &answer["more"]), (&json!(id), &json!(false)));
    let posts = list(answer["messages"].clone());
    let depths: Vec<&Value> = posts.iter().map(|post| &post["depth"]).collect();
    assert_eq!(depths, [&json!(0), &json!(1)]);
    assert_eq!(posts[1]["state"], "delivered");
    assert_eq!(office.inbox()[0]["state"], "delivered", "nothing was consumed");
    office.run(&["thread", "nothing"]).exits(3);
}
