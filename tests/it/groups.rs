//! Mail to several: who gets a copy, what each member's sender learns, and that answers to all by all end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::ops::{self, Asking, Author, Broadcasted, Call, Draft, News};
use lanpost::error::{Error, Kind, Result};
use lanpost::model::config::{self, Config};
use lanpost::model::group::{Group, Meant, Recipient};
use lanpost::model::layout::open_slot;
use lanpost::model::name::Address;
use lanpost::model::state::State;
use lanpost::model::trust::Trust;
use lanpost::store::db::{Filter, Message, Way};
use lanpost::sys::clock::{Clock as _, ManualClock};
use lanpost::sys::memory::MemoryShare;
use lanpost::sys::share::Share;
use serde_json::{Value, json};

use crate::common::process::{Lan, Pc, text_of, until_true};
use crate::common::{Site, Verb, name};

const PATIENCE: Duration = Duration::from_secs(3_600);

/// Several instances over one share; the first one sends.
struct Crowd {
    share: Arc<dyn Share>,
    server: Arc<ManualClock>,
    sites: Vec<Site>,
}

impl Crowd {
    /// These instances, which have seen each other beat.
    fn new(names: &[&str]) -> Crowd {
        Crowd::with(names, |_| {})
    }

    fn with(names: &[&str], tweak: impl Fn(&mut Config)) -> Crowd {
        let server = Arc::new(ManualClock::new(0));
        let share: Arc<dyn Share> = Arc::new(MemoryShare::with_clock(server.clone()));
        let site = |(n, name): (usize, &&str)| Site::with(&share, name, n as u64 + 1, false, &tweak);
        let sites = names.iter().enumerate().map(site).collect();
        let mut crowd = Crowd { share, server, sites };
        crowd.run(Duration::from_secs(60));
        crowd
    }

    fn tick(&mut self) {
        self.sites.iter_mut().for_each(Site::step);
        let rest = self.sites.iter().map(|site| site.rest).min().unwrap();
        self.sites.iter().for_each(|site| site.clock.advance(rest));
        self.server.advance(rest);
    }

    fn run(&mut self, time: Duration) {
        let end = self.sites[0].clock.now() + time;
        while self.sites[0].clock.now() < end {
            self.tick();
        }
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&Crowd) -> bool) {
        let end = self.sites[0].clock.now() + PATIENCE;
        while !done(self) {
            assert!(self.sites[0].clock.now() < end, "waited in vain for {what}");
            self.tick();
        }
    }

    fn site(&mut self, of: &str) -> &mut Site {
        self.sites.iter_mut().find(|site| site.node().instance().as_str() == of).unwrap()
    }

    /// The first one sends a text to a group.
    fn call(&mut self, to: &str, text: &str) -> Result<Broadcasted> {
        self.call_with(to, text, |_, _| {})
    }

    fn call_with(
        &mut self,
        to: &str,
        text: &str,
        more: impl Fn(&mut Call, &mut Draft),
    ) -> Result<Broadcasted> {
        call(&mut self.sites[0], to, text, more)
    }

    /// The text of everything that `of` got.
    fn texts(&mut self, of: &str) -> Vec<String> {
        self.site(of).texts()
    }
}

fn call(site: &mut Site, to: &str, text: &str, more: impl Fn(&mut Call, &mut Draft)) -> Result<Broadcasted> {
    let Meant::Several(group) = ops::meant(site.node(), &to.parse::<Recipient>().unwrap()) else {
        panic!("{to} is one")
    };
    let mut call = Call { group, id: None, own: false, any: None };
    more(&mut call, &mut Draft::new(Address::from(name("x")), ""));
    let draft = |to: Address| {
        let mut draft = Draft::new(to, text);
        more(&mut call.clone(), &mut draft);
        draft
    };
    ops::broadcast(site.node_mut(), &call, draft)
}

fn to(sent: &Broadcasted) -> Vec<&str> {
    sent.members.iter().map(|message| message.to.as_str()).collect()
}

/// The config's key `roles`, or its table `groups`.
fn written(text: &str) -> Config {
    let text = format!("{text}\ninstance = 'x'\nstate = '/s'\nshare.path = '/s'\n");
    config::parse(&text.replace("[groups]", "groups"), Path::new("/c.toml")).unwrap()
}

fn roles(config: &mut Config, roles: &[&str]) {
    config.roles = roles.iter().map(|role| role.parse().unwrap()).collect();
}

fn groups(site: &mut Site, lines: &str) {
    let groups = written(&format!("groups = {{ {lines} }}")).groups;
    site.configure(|config| config.groups = groups);
}

fn refused(result: Result<Broadcasted>) -> Error {
    result.expect_err("it is refused")
}

/// Nothing was stored that goes out.
fn sent_nothing(site: &Site) -> bool {
    site.node().db.spooled().unwrap() == 0
}

#[test]
fn everybody_gets_a_copy_and_the_sender_sees_what_each_did() {
    let mut crowd = Crowd::new(&["a", "b", "c"]);
    let before = crowd.sites[0].counting.counts().verb(Verb::Append);
    let sent = crowd.call("ALL", "hello").unwrap();
    assert_eq!((to(&sent), sent.left_out.len()), (vec!["b", "c"], 0));
    assert_ne!(sent.members[0].id, sent.members[1].id, "each is a message of its own");
    let id = sent.broadcast.id.clone().unwrap();
    crowd.until("both copies", |crowd| crowd.sites[1..].iter().all(|site| site.texts() == ["hello"]));
    let appended = crowd.sites[0].counting.counts().verb(Verb::Append) - before;
    assert_eq!(appended, 2, "one to each lane");
    let got = crowd.site("c").inbox().remove(0);
    assert_eq!(got.broadcast.as_ref().map(|it| it.group.as_str()), Some("all"));
    assert_eq!((got.thread.as_deref(), got.to.as_str()), (Some(id.as_str()), "c"));

    // An answer goes to the sender alone, in a thread with all others.
    let (b, c) = (sent.members[0].id.to_string(), got.id.to_string());
    ops::reply(crowd.site("c").node_mut(), &c, "hi".into(), None, Author::Program, false).unwrap();
    ops::ack(crowd.site("c").node_mut(), &[c], None).unwrap();
    ops::ack(crowd.site("b").node_mut(), &[b], Some("no time")).unwrap();
    let states = |crowd: &Crowd| {
        let found = ops::find_broadcast(crowd.sites[0].node(), id.as_str()).unwrap().unwrap();
        found.members.iter().map(|copy| (copy.to.clone(), copy.state)).collect::<Vec<_>>()
    };
    let wanted = vec![("b".to_owned(), State::Failed), ("c".to_owned(), State::Processed)];
    crowd.until("both ends", |crowd| states(crowd) == wanted && crowd.sites[0].texts() == ["hi"]);
    let answer = crowd.site("a").inbox().remove(0);
    assert_eq!((answer.thread.as_deref(), answer.broadcast), (Some(id.as_str()), None));
    assert_eq!(crowd.texts("b"), ["hello"], "nobody else hears the answer");
    assert_eq!(crowd.site("a").reports().len(), 1, "a member that failed is reported as ever");
}

#[test]
fn a_role_is_whoever_has_it_in_its_heartbeat() {
    let mut crowd = Crowd::new(&["a", "b", "c", "d"]);
    crowd.site("a").configure(|config| roles(config, &["builder"]));
    crowd.site("b").configure(|config| roles(config, &["Builder", "main/reviewer"]));
    crowd.site("c").configure(|config| {
        config.agents = vec![name("eve")];
        roles(config, &["eve/builder"]);
    });
    crowd.run(Duration::from_secs(60));
    let sent = crowd.call("@builder", "build").unwrap();
    assert_eq!(to(&sent), ["b", "c/eve"], "and not who speaks");
    let own = crowd.call_with("@builder", "build", |call, _| call.own = true).unwrap();
    assert_eq!(to(&own), ["b", "c/eve", "a"]);
    crowd.until("it at c", |crowd| crowd.sites[2].inbox().len() == 2);
    assert_eq!(crowd.site("c").inbox()[0].to, "c/eve");
    assert!(crowd.texts("d").is_empty());

    let error = refused(crowd.call("@bilder", "build"));
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("did you mean @builder?"), "{error}");
    // A role that was given up is nobody's.
    crowd.site("b").configure(|config| roles(config, &[]));
    crowd.run(Duration::from_secs(400));
    assert_eq!(to(&crowd.call("@builder", "build").unwrap()), ["c/eve"]);
}

#[test]
fn a_name_whose_key_does_not_count_has_no_role_and_is_not_one_of_all() {
    let mut crowd = Crowd::with(&["a", "b", "c"], |config| roles(config, &["builder"]));
    ops::trust_revoke(crowd.site("a").node_mut(), &name("b")).unwrap();
    for group in ["all", "@builder"] {
        let sent = crowd.call(group, "x").unwrap();
        assert_eq!(to(&sent), ["c"]);
        assert_eq!(sent.left_out[0].name.as_str(), "b");
        assert!(sent.left_out[0].why.contains("revoked"), "{:?}", sent.left_out);
    }
}

#[test]
fn a_heartbeat_that_nobody_vouches_for_is_mail_to_all_and_has_no_role() {
    let mut crowd = Crowd::with(&["a", "b"], |config| {
        config.trust = Trust::Manual;
        roles(config, &["builder"]);
    });
    assert_eq!(to(&crowd.call("all", "x").unwrap()), ["b"]);
    let error = refused(crowd.call("@builder", "x"));
    assert!(error.is_not_found() && error.to_string().contains("b: none of its keys is pinned"), "{error}");
}

#[test]
fn who_is_gone_for_good_or_may_be_a_typing_error_is_left_out_and_named() {
    let mut crowd = Crowd::new(&["a", "b"]);
    crowd.share.open_append(&open_slot(&name("typo"))).unwrap().append(b"").unwrap();
    crowd.run(Duration::from_secs(60));
    let left_out =
        |sent: &Broadcasted| sent.left_out.iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
    let sent = crowd.call("all", "x").unwrap();
    assert_eq!((to(&sent), left_out(&sent)), (vec!["b"], vec!["typo".to_owned()]));
    // Who is gone for an hour gets it when it is back; after `keep.gone_after` mail for it fails.
    crowd.sites.truncate(1);
    for (pause, there) in [(3_600, true), (31 * 24 * 3_600, false)] {
        crowd.sites[0].clock.advance(Duration::from_secs(pause));
        let sent = crowd.call("all", "x");
        match there {
            true => assert_eq!(to(&sent.unwrap()), ["b"]),
            false => {
                let error = refused(sent);
                assert!(error.to_string().contains("b: it has been gone for 31 days"), "{error}");
            }
        }
    }
}

#[test]
fn a_group_of_the_config_is_for_all_of_its_members_or_for_nobody() {
    let mut crowd = Crowd::new(&["a", "b", "c"]);
    groups(crowd.site("a"), "team = ['A', 'b', 'c/eve', 'a/helper'], others = ['b', 'nobody'], me = ['a']");
    assert_eq!(to(&crowd.call("TEAM", "x").unwrap()), ["b", "c/eve", "a/helper"]);
    let by_helper = crowd.call_with("team", "x", |_, draft| draft.agent = Some(name("Helper"))).unwrap();
    assert_eq!(to(&by_helper), ["b", "c/eve"], "the speaker is left out");
    crowd.until("the spool to empty", |crowd| sent_nothing(&crowd.sites[0]));
    let error = refused(crowd.call("others", "x"));
    assert!(error.is_not_found() && error.to_string().contains("send to nobody"), "{error}");
    assert!(refused(crowd.call("me", "x")).to_string().contains("--self"));
    assert!(sent_nothing(&crowd.sites[0]), "all or none");
    let made = crowd.call_with("others", "x", |_, draft| draft.create = true).unwrap();
    assert_eq!(to(&made), ["b", "nobody"]);
}

#[test]
fn a_member_that_nothing_can_be_sealed_to_keeps_all_from_being_sent() {
    let mut crowd = Crowd::new(&["a", "b", "c"]);
    crowd.site("a").configure(|config| {
        config.peers.entry("b".into()).or_default().seal = true;
    });
    crowd.call("all", "for b sealed").unwrap();
    crowd.until("both copies", |crowd| crowd.sites[1..].iter().all(|site| !site.texts().is_empty()));
    assert_eq!((crowd.site("b").inbox()[0].sealed, crowd.site("c").inbox()[0].sealed), (true, false));
    assert_eq!(crowd.site("b").inbox()[0].broadcast.as_ref().unwrap().group, "all");
    crowd.until("the spool to empty", |crowd| sent_nothing(&crowd.sites[0]));
    groups(crowd.site("a"), "team = ['b', 'stranger']");
    let seal = |_: &mut Call, draft: &mut Draft| (draft.seal, draft.create) = (true, true);
    let error = refused(crowd.call_with("team", "x", seal));
    assert!(error.kind() == Kind::NoKey && error.to_string().contains("stranger"), "{error}");
    assert!(sent_nothing(&crowd.sites[0]));
}

#[test]
fn the_same_id_again_is_the_same_broadcast_whoever_came_since() {
    let mut crowd = Crowd::new(&["a", "b", "c"]);
    crowd.sites[0].configure(|config| config.groups = written("groups = { team = ['c'] }").groups);
    let id = |call: &mut Call, _: &mut Draft| call.id = Some("notice-7".parse().unwrap());
    let once = crowd.call_with("all", "noon", id).unwrap();
    let late = Site::new(&crowd.share, "late", 9, false);
    crowd.sites.push(late);
    crowd.run(Duration::from_secs(60));
    let again = crowd.call_with("all", "noon", id).unwrap();
    let ids = |sent: &Broadcasted| sent.members.iter().map(|copy| copy.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&once), ids(&again));
    assert_eq!(refused(crowd.call_with("all", "midnight", id)).kind(), Kind::Usage);
    let error = refused(crowd.call_with("team", "noon", id));
    assert!(error.to_string().contains("another broadcast has the id notice-7"), "{error}");
    crowd.run(Duration::from_secs(60));
    assert_eq!((crowd.texts("b"), crowd.texts("late").len()), (vec!["noon".to_owned()], 0));
}

#[test]
fn no_more_members_than_the_config_allows() {
    let mut crowd = Crowd::with(&["a", "b", "c", "d"], |config| config.limits.members = 2);
    let error = refused(crowd.call("all", "x"));
    assert!(error.to_string().contains("3 are meant; one broadcast goes to 2"), "{error}");
    assert!(sent_nothing(&crowd.sites[0]));
}

#[test]
fn a_broadcast_that_broadcasts_led_to_is_refused_or_wakes_nobody() {
    let mut crowd = Crowd::with(&["a", "b", "c"], |config| config.wake.command = vec!["agent".into()]);
    crowd.call_with("all", "who is there?", |_, draft| draft.author = Author::Person).unwrap();
    crowd.until("wakes", |crowd| crowd.sites[1..].iter().all(|site| site.wakes.len() == 1));
    let (wake, woken) = (crowd.sites[1].wakes[0].wake, crowd.sites[1].inbox().remove(0));
    let by = |author: Author| move |_: &mut Call, draft: &mut Draft| draft.author = author;
    let error = refused(call(&mut crowd.sites[1], "all", "I am", by(Author::Wake(wake))));
    assert!(error.to_string().contains("lanpost reply"), "{error}");
    let answers = move |_: &mut Call, draft: &mut Draft| draft.in_reply_to = Some(woken.id.clone());
    refused(call(&mut crowd.sites[1], "all", "I am", answers.clone()));
    // A person may, and so may who answers the sender alone.
    call(&mut crowd.sites[1], "all", "by hand", by(Author::Person)).unwrap();
    let id = crowd.sites[2].inbox()[0].id.to_string();
    let wake = Author::Wake(crowd.sites[2].wakes[0].wake);
    ops::reply(crowd.sites[2].node_mut(), &id, "here".into(), None, wake, false).unwrap();
    // What the answer woke may tell all once more; what that leads to is too much.
    crowd.until("the answer", |crowd| {
        crowd.sites[0].wakes.iter().any(|wake| wake.messages.iter().any(|it| it.content == json!("here")))
    });
    let order =
        crowd.sites[0].wakes.iter().rfind(|wake| wake.messages.iter().any(|it| it.content == json!("here")));
    let answer: Message =
        order.unwrap().messages.iter().find(|it| it.content == json!("here")).unwrap().clone();
    let sum =
        crowd.call_with("all", "c is here", |_, draft| draft.in_reply_to = Some(answer.id.clone())).unwrap();
    assert_eq!(sum.members[0].hops, Some(2));
}

#[test]
fn a_broadcast_with_too_many_hops_is_delivered_and_wakes_nobody() {
    let mut crowd = Crowd::with(&["a", "b"], |config| config.wake.command = vec!["agent".into()]);
    let mut asked = crowd.sites[0].send_one("b", "1", |draft| draft.author = Author::Person);
    // Answers there and back, each of a program that says what it answers.
    for (from, text) in [(1, "2"), (0, "3")] {
        let id = asked.id.to_string();
        crowd.until("it", |crowd| crowd.sites[from].inbox().iter().any(|got| got.id == asked.id));
        asked =
            ops::reply(crowd.sites[from].node_mut(), &id, text.into(), None, Author::Program, false).unwrap();
    }
    crowd.until("the third", |crowd| crowd.sites[1].texts().len() == 2);
    let answers = asked.id.clone();
    let late = move |_: &mut Call, draft: &mut Draft| draft.in_reply_to = Some(answers.clone());
    let error = refused(call(&mut crowd.sites[1], "all", "4", late));
    assert!(error.to_string().contains("at most 2 are sent to several"), "{error}");
    // Of what a program sends without saying what it answers, its recipient judges.
    crowd.until("its wake", |crowd| crowd.sites[1].wakes.len() == 2);
    let sent = call(&mut crowd.sites[1], "all", "5", |_, _| ()).unwrap().members.remove(0);
    assert_eq!(sent.hops, Some(3));
    crowd.until("a report", |crowd| crowd.sites[1].reports().len() == 1);
    assert_eq!(crowd.sites[1].reports()[0].content["cause"], "not-woken");
    assert_eq!(crowd.sites[0].inbox().last().unwrap().wake.as_deref(), Some("stopped"));
}

#[test]
fn what_a_person_writes_to_all_by_hand_is_for_whose_slot_it_is_in() {
    let mut crowd = Crowd::new(&["a", "b"]);
    let lines = [
        json!({"from": "human", "to": "all", "content": "all"}),
        json!({"from": "human", "to": "@builder", "content": "role"}),
        json!({"from": "human", "to": "c", "content": "strayed"}),
        json!({"from": "human", "content": "kept", "broadcast": {"of": "the future"}}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    crowd.share.open_append(&open_slot(&name("b"))).unwrap().append(text.as_bytes()).unwrap();
    crowd.until("three lines", |crowd| crowd.sites[1].inbox().len() == 3);
    let inbox = crowd.sites[1].inbox();
    let group = |message: &Message| message.broadcast.as_ref().map(|it| (it.group.clone(), it.id.clone()));
    assert_eq!(group(&inbox[0]), Some(("all".into(), None)));
    assert_eq!(group(&inbox[1]), Some(("@builder".into(), None)));
    assert_eq!((group(&inbox[2]), &inbox[2].rest["broadcast"]), (None, &json!({"of": "the future"})));
    assert_eq!(crowd.sites[1].status().quarantined, 1);
}

#[test]
fn trace_finds_a_broadcast_by_the_beginning_of_its_id_and_no_message_in_its_place() {
    let mut crowd = Crowd::new(&["a", "b", "c"]);
    let sent = crowd.call("all", "x").unwrap();
    let id = sent.broadcast.id.clone().unwrap();
    let found = |site: &Site, prefix: &str| ops::find_broadcast(site.node(), prefix).unwrap();
    assert_eq!(found(&crowd.sites[0], &id.as_str()[..20]).unwrap().members.len(), 2);
    assert!(found(&crowd.sites[0], "").is_none() && found(&crowd.sites[0], "nothing").is_none());
    let copy = sent.members[0].id.as_str();
    assert!(found(&crowd.sites[0], copy).is_none());
    assert_eq!(crowd.sites[0].journey(Way::Out, &sent.members[0]), ["queued"]);
    let other = crowd.call_with("all", "y", |call, _| call.id = Some("not-x".parse().unwrap())).unwrap();
    crowd.sites[0].send_one("b", "z", |draft| draft.id = Some("not-y".parse().unwrap()));
    assert!(found(&crowd.sites[0], "not").is_none(), "it may be a message");
    assert_eq!(found(&crowd.sites[0], "not-x").unwrap().members.len(), other.members.len());
    assert_eq!(Group::All.to_string(), other.broadcast.group);
}

#[test]
fn several_are_asked_and_each_answer_is_awaited() {
    let mut crowd = Crowd::with(&["a", "b", "c", "d"], |config| config.wake.command = vec!["agent".into()]);
    let mut asking = Asking::new(crowd.sites[0].node());
    let call = Call { group: Group::All, id: None, own: false, any: None };
    let draft = |to: Address| Draft::new(to, "how are you?");
    let sent = asking.ask_all(crowd.sites[0].node_mut(), &call, draft).unwrap();
    assert_eq!((asking.open().count(), sent.members[0].kind.as_str()), (3, "request"));
    crowd.until("the requests", |crowd| crowd.sites[1..].iter().all(|site| site.inbox().len() == 1));
    let ids: Vec<String> = sent.members.iter().map(|request| request.id.to_string()).collect();
    ops::reply(crowd.site("b").node_mut(), &ids[0], "well".into(), None, Author::Program, false).unwrap();
    ops::ack(crowd.site("c").node_mut(), &ids[1..2], Some("ill")).unwrap();
    let (mut news, end) = (vec![], crowd.sites[0].clock.now() + PATIENCE);
    while news.len() < 2 {
        assert!(crowd.sites[0].clock.now() < end, "waited in vain for two ends: {news:?}");
        crowd.tick();
        news.extend(asking.look(crowd.sites[0].node_mut()).unwrap());
    }
    let told: Vec<_> = news
        .iter()
        .map(|news| match news {
            News::Answered { request, answer } => (request.to.clone(), answer.content.clone()),
            News::Ended { request } => (request.to.clone(), json!(request.outcome)),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(
        told.contains(&("b".into(), json!("well"))) && told.contains(&("c".into(), json!("ill"))),
        "{told:?}"
    );
    assert_eq!(asking.open().map(|request| request.to.as_str()).collect::<Vec<_>>(), ["d"]);
    asking.end(crowd.sites[0].node_mut(), true).unwrap();
    crowd.run(Duration::from_secs(60));
    assert!(crowd.sites[0].wakes.is_empty(), "what was shown wakes nobody");
    // Who answers after the end writes mail.
    ops::reply(crowd.site("d").node_mut(), &ids[2], "late".into(), None, Author::Program, false).unwrap();
    crowd.until("a wake", |crowd| !crowd.sites[0].wakes.is_empty());
}

#[test]
fn a_name_that_is_nobodys_is_no_group_and_one_of_somebody_is_one() {
    let mut crowd = Crowd::new(&["a", "b"]);
    crowd.run(Duration::from_secs(60));
    groups(crowd.site("a"), "team = ['b']");
    let why = |to: &str| ops::is_no_group(crowd.sites[0].node(), "ask", &to.parse().unwrap(), "--all");
    assert!(why("teem").to_string().contains("did you mean team?"), "{}", why("teem"));
    assert_eq!(["teem", "b", "A"].map(|to| why(to).kind()), [Kind::NotFound, Kind::Usage, Kind::Usage]);
}

#[test]
fn what_several_answered_is_a_table_and_the_worst_of_it_the_exit_code() {
    let lan = Lan::new();
    let (office, lab, den) = (lan.join("office"), lan.join("lab"), lan.join("den"));
    let _daemons = [office.daemon(), lab.daemon(), den.daemon()];
    until_true("all to be known", || office.json(&["peers"]).as_array().unwrap().len() == 2);
    let asks = |args: &[&str], meanwhile: &dyn Fn()| {
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| office.run(&[&["ask", "--all", "all"], args].concat()));
            meanwhile();
            asking.join().unwrap()
        })
    };
    let reply =
        |pc: &Pc, to: &str, text: &str| pc.ok(&["reply", &text_of(&pc.receives(to), "id"), text, "--ack"]);
    let done = asks(&["green?"], &|| {
        reply(&lab, "green?", "yes");
        reply(&den, "green?", "no:\nthe tests");
    });
    let out = done.exits(0).out;
    assert_eq!(out, "den  answered  no:\nlab  answered  yes\n\nden:\nno:\nthe tests\n");
    assert_eq!(office.json(&["inbox"]), json!([]), "what was shown is no mail");

    let done = asks(&["still?", "--timeout", "5s", "--json"], &|| drop(reply(&lab, "still?", "yes")));
    let answer = done.exits(4).json();
    assert_eq!((&answer["outcome"], &answer["members"][0]["outcome"]), (&json!("open"), &json!("open")));
    assert_eq!(answer["members"][1]["answer"]["content"], "yes");
    let id = text_of(&answer["broadcast"], "id");
    let still = text_of(&den.receives("still?"), "id");
    den.ok(&["ack", &still, "--failed", "no power"]);
    let again = office.run(&["ask", "--wait", &id]).exits(5);
    assert!(again.out.contains("den  failed    no power\nlab  answered  yes\n"), "{}", again.out);
    let done = asks(&["third?", "--timeout", "5s", "--json"], &|| drop(reply(&lab, "third?", "yes")));
    let id = text_of(&done.exits(4).json()["broadcast"], "id");
    for _ in 0..2 {
        assert!(office.ok(&["cancel", &id, "--wait", "60s"]).contains("cancelled"), "the same again, too");
    }
    let third = |message: &Value| message["content"] == "third?" && message["state"] == "cancelled";
    until_true("it to be taken back", || den.inbox().iter().any(third));
    office.run(&["ask", "all", "x"]).exits(2).says(&["--all"]);
    office.run(&["ask", "--all", "lab", "x"]).exits(2).says(&["it is one"]);
    office.run(&["ask", "--all", "nogroup", "x"]).exits(3).says(&["no group of that name", "table `groups`"]);
}

#[test]
fn work_for_one_of_several_is_in_one_inbox() {
    let lan = Lan::new();
    let (office, lab, den) = (lan.join("office"), lan.join("lab"), lan.join("den"));
    let _daemons = [office.daemon(), lab.daemon(), den.daemon()];
    until_true("all to be known", || office.json(&["peers"]).as_array().unwrap().len() == 2);
    let sent = office.json(&["send", "all", "build it", "--any", "--lease", "10m"]);
    assert_eq!((&sent["broadcast"]["any"], sent["members"].as_array().unwrap().len()), (&json!(600), 2));
    let unread = |pc: &Pc| pc.json(&["inbox"]).as_array().unwrap().clone();
    until_true("a holder", || !unread(&lab).is_empty() || !unread(&den).is_empty());
    let (holder, other) = if unread(&lab).is_empty() { (&den, &lab) } else { (&lab, &den) };
    until_true("the other copy", || other.inbox().len() == 1);
    assert!(other.inbox()[0]["offered"].as_bool().unwrap() && unread(other).is_empty());
    let id = text_of(&other.inbox()[0], "id");
    other.run(&["read", &id]).exits(2).says(&["offered to several", "lanpost task show"]);
    holder.ok(&["ack", &text_of(&unread(holder)[0], "id")]);
    let broadcast = text_of(&sent["broadcast"], "id");
    until_true("all to hear of it", || {
        let found = office.json(&["trace", &broadcast]);
        found["members"].as_array().unwrap().iter().all(|copy| copy["state"] == "processed")
    });
    assert!(office.ok(&["trace", &broadcast]).contains("another one did it"));
    assert!(office.ok(&["task", "list", "--all"]).contains("build it"));
    office.run(&["send", "lab", "x", "--any"]).exits(2).says(&["--any is for several"]);
    office.run(&["send", "all", "x", "--any", "--lease", "9s"]).exits(2).says(&["less than 10 seconds"]);
}

/// Work for one of several.
mod any {
    use super::*;

    const LEASE: Duration = Duration::from_secs(600);

    /// Members with agents, and `a`, which sends.
    fn crowd() -> Crowd {
        Crowd::with(&["a", "b", "c", "d"], |config| config.wake.command = vec!["agent".into()])
    }

    fn offer(crowd: &mut Crowd, text: &str) -> Broadcasted {
        crowd.call_with("all", text, |call, _| call.any = Some(LEASE)).unwrap()
    }

    /// The unread mail of a site.
    fn open(site: &Site) -> Vec<Message> {
        ops::inbox(site.node(), &Filter::default()).unwrap()
    }

    /// Who has unread mail of this text.
    fn holders(crowd: &Crowd, text: &str) -> Vec<usize> {
        let has = |site: &Site| open(site).iter().any(|message| message.content == json!(text));
        (1..crowd.sites.len()).filter(|n| has(&crowd.sites[*n])).collect()
    }

    fn states(crowd: &Crowd, sent: &Broadcasted) -> Vec<State> {
        sent.members.iter().map(|copy| crowd.sites[0].state_of(copy)).collect()
    }

    #[test]
    fn one_works_on_it_and_all_hear_that_it_is_done() {
        let mut crowd = crowd();
        let sent = offer(&mut crowd, "job");
        crowd.until("a holder", |crowd| !holders(crowd, "job").is_empty());
        crowd.run(Duration::from_secs(120));
        let [holder] = holders(&crowd, "job")[..] else { panic!("one alone") };
        let woken: usize = crowd.sites.iter().map(|site| site.wakes.len()).sum();
        assert_eq!(woken, 1, "nobody else is woken");
        let other = if holder == 1 { 2 } else { 1 };
        let id = sent.members[other - 1].id.to_string();
        for refused in [
            ops::read(crowd.sites[other].node_mut(), &id).unwrap_err(),
            ops::ack(crowd.sites[other].node_mut(), &[id], None).unwrap_err(),
        ] {
            assert!(refused.to_string().contains("offered to several"), "{refused}");
        }
        let id = sent.members[holder - 1].id.to_string();
        ops::read(crowd.sites[holder].node_mut(), &id).unwrap();
        ops::ack(crowd.sites[holder].node_mut(), &[id], None).unwrap();
        crowd.until("all ends", |crowd| states(crowd, &sent).iter().all(|state| *state == State::Processed));
        let found = ops::find_broadcast(crowd.sites[0].node(), sent.broadcast.id.unwrap().as_str()).unwrap();
        let why: Vec<_> = found.unwrap().members.into_iter().filter_map(|copy| copy.outcome).collect();
        assert_eq!(why, ["another one did it", "another one did it"]);
    }

    #[test]
    fn each_member_has_one_at_a_time_and_no_job_is_done_twice() {
        let mut crowd = crowd();
        let jobs: Vec<String> = (0..20).map(|n| format!("job {n}")).collect();
        let sent: Vec<_> = jobs.iter().map(|job| offer(&mut crowd, job)).collect();
        let mut done = vec![];
        crowd.until("all jobs", |crowd| crowd.sites[1..].iter().any(|site| !open(site).is_empty()));
        let end = crowd.sites[0].clock.now() + PATIENCE;
        while done.len() < jobs.len() {
            assert!(crowd.sites[0].clock.now() < end, "only {} are done: {done:?}", done.len());
            crowd.tick();
            for site in &mut crowd.sites[1..] {
                let work = open(site);
                assert!(work.len() <= 1, "{work:?}");
                for job in work {
                    ops::ack(site.node_mut(), &[job.id.to_string()], None).unwrap();
                    done.push(job.content.as_str().unwrap().to_owned());
                }
            }
        }
        crowd.run(Duration::from_secs(300));
        done.sort();
        let mut wanted = jobs.clone();
        wanted.sort();
        assert_eq!(done, wanted, "each once");
        for sent in &sent {
            assert!(states(&crowd, sent).iter().all(|state| *state == State::Processed));
        }
        assert!(
            crowd.sites[1..]
                .iter()
                .all(|site| open(site).is_empty() && !site.node().db.has_offers().unwrap())
        );
    }

    #[test]
    fn what_a_dead_member_held_another_one_gets() {
        let mut crowd = crowd();
        offer(&mut crowd, "job");
        crowd.until("a holder", |crowd| !holders(crowd, "job").is_empty());
        let dead = holders(&crowd, "job")[0];
        let site = crowd.sites.remove(dead);
        crowd.run(LEASE / 2);
        assert!(holders(&crowd, "job").is_empty(), "it may yet come back");
        crowd.until("another holder", |crowd| !holders(crowd, "job").is_empty());
        let heir = holders(&crowd, "job")[0];
        // It was only asleep, and learns of it before it says anything that counts.
        site.clock.advance(crowd.sites[0].clock.now().saturating_sub(site.clock.now()));
        crowd.sites.push(site);
        let last = crowd.sites.len() - 1;
        crowd.until("it to hear", |crowd| {
            !open(&crowd.sites[last]).iter().any(|message| message.content == json!("job"))
        });
        assert_eq!(holders(&crowd, "job"), [heir]);
    }

    #[test]
    fn whoever_is_silent_for_too_long_loses_it_and_who_looks_at_it_keeps_it() {
        let mut crowd = crowd();
        offer(&mut crowd, "job");
        crowd.until("a holder", |crowd| !holders(crowd, "job").is_empty());
        let first = holders(&crowd, "job")[0];
        crowd.run(LEASE / 2);
        let id = open(&crowd.sites[first])[0].id.to_string();
        ops::read(crowd.sites[first].node_mut(), &id).unwrap();
        crowd.run(LEASE * 3 / 4);
        assert_eq!(holders(&crowd, "job"), [first], "it was read half a lease later");
        crowd.until("another holder", |crowd| {
            holders(crowd, "job").first().is_some_and(|holder| *holder != first)
        });
        let late = ops::ack(crowd.sites[first].node_mut(), &[id], None).unwrap_err();
        assert!(late.to_string().contains("offered to several"), "{late}");
    }

    #[test]
    fn who_comes_back_to_it_is_woken_again() {
        let mut crowd = Crowd::with(&["a", "b"], |config| config.wake.command = vec!["agent".into()]);
        offer(&mut crowd, "job");
        crowd.until("a wake", |crowd| crowd.sites[1].wakes.len() == 1);
        let id = open(&crowd.sites[1])[0].id.to_string();
        ops::read(crowd.sites[1].node_mut(), &id).unwrap();
        crowd.until("the end of its lease", |crowd| open(&crowd.sites[1]).is_empty());
        crowd.until("another wake", |crowd| crowd.sites[1].wakes.len() == 2);
        assert_eq!(open(&crowd.sites[1])[0].state, State::Delivered);
        ops::ack(crowd.sites[1].node_mut(), &[id], None).unwrap();
    }

    #[test]
    fn a_failure_is_final_and_told_once_and_cancelled_work_is_withdrawn() {
        let mut crowd = crowd();
        let sent = offer(&mut crowd, "job");
        crowd.until("a holder", |crowd| !holders(crowd, "job").is_empty());
        let holder = holders(&crowd, "job")[0];
        let id = sent.members[holder - 1].id.to_string();
        ops::ack(crowd.sites[holder].node_mut(), &[id], Some("no disk")).unwrap();
        crowd.until("all ends", |crowd| states(crowd, &sent).iter().all(|state| state.is_final()));
        assert_eq!(crowd.sites[0].reports().len(), 1);
        assert!(holders(&crowd, "job").is_empty());
        let sent = offer(&mut crowd, "no more");
        crowd.until("a holder", |crowd| !holders(crowd, "no more").is_empty());
        let task = sent.broadcast.id.as_ref().unwrap().to_string();
        let cancel = ops::Say::Cancel(Some("found it".into()));
        ops::task_say(crowd.sites[0].node_mut(), &task, None, cancel).unwrap();
        crowd.until("all ends", |crowd| states(crowd, &sent).iter().all(|state| state.is_final()));
        assert!(holders(&crowd, "no more").is_empty());
    }

    #[test]
    fn who_would_take_it_for_mail_gets_none() {
        let mut crowd = crowd();
        let status = lanpost::model::layout::status(&name("c"));
        let bytes = crowd.share.read(&status, 0, 1 << 14).unwrap().unwrap();
        let mut beat = lanpost::model::heartbeat::Heartbeat::parse(&bytes).unwrap();
        let signer = crowd.site("c").signer();
        crowd.sites.retain(|site| site.node().instance().as_str() != "c");
        (beat.features, beat.beat) = (vec![], beat.beat + 1_000);
        beat.rest.clear();
        crowd.share.replace(&status, &beat.to_signed_bytes(&signer)).unwrap();
        crowd.run(Duration::from_secs(60));
        let sent = offer(&mut crowd, "job");
        assert_eq!((to(&sent), sent.left_out[0].name.as_str()), (vec!["b", "d"], "c"));
        groups(crowd.site("a"), "team = ['b', 'c']");
        let error = refused(crowd.call_with("team", "x", |call, _| call.any = Some(LEASE)));
        assert!(error.to_string().contains("send to c"), "{error}");
        let id = |call: &mut Call, _: &mut Draft| {
            (call.any, call.id) = (Some(LEASE), Some("x-1".parse().unwrap()))
        };
        assert!(refused(crowd.call_with("all", "x", id)).to_string().contains("no UUID"));
    }
}
