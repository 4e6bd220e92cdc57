//! `lanpost task`, as people and agents use it.

use serde_json::Value;

use crate::common::process::{Lan, Pc, list, text_of, until};

fn standing(pc: &Pc, id: &str) -> String {
    text_of(&pc.json(&["task", "show", id]), "standing")
}

fn add(pc: &Pc, more: &[&str]) -> String {
    let added = pc.json(&[&["task", "add"], more].concat());
    let id = text_of(&added, "id");
    id[id.len() - 6..].to_owned()
}

#[test]
fn without_daemons_each_command_goes_to_the_share_itself() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.ok(&["peers"]);
    let build = add(&office, &["Build", "--to", "lab/main", "--priority", "high", "--create"]);
    let ship = add(&office, &["Ship", "--depends", &build]);
    assert_eq!(text_of(&list(lab.json(&["inbox"]))[0], "type"), "task");
    assert!(lab.ok(&["task", "list"]).contains("Build"));
    lab.run(&["task", "claim", &ship]).exits(5).says(&["it waits for"]);
    let claimed = lab.json(&["task", "claim", "--next", "--as", "main"]);
    assert_eq!((text_of(&claimed, "title"), &claimed["holder"]["token"]), ("Build".into(), &Value::from(1)));
    assert!(lab.ok(&["task", "claim", &build, "--as", "main"]).starts_with("claimed"), "again is fine");
    office.run(&["task", "claim", &build]).exits(5).says(&["lab/main has it"]);
    office.run(&["task", "done", &build]).exits(5).says(&["lab/main holds it"]);
    lab.ok(&["task", "progress", &build, "halfway", "--percent", "50", "--as", "main"]);
    assert!(lab.ok(&["task", "renew", &build, "--for", "1h", "--as", "main"]).contains("held until"));
    lab.ok(&["task", "done", &build, "--result", "see /builds/7", "--as", "main"]);
    assert_eq!(standing(&office, &build), "done");
    assert_eq!(standing(&office, &ship), "open");
    let shown = office.ok(&["task", "show", &build]);
    assert!(["halfway", "see /builds/7", "claim"].iter().all(|word| shown.contains(word)), "{shown}");
    office.run(&["task", "claim", "--next", "--role", "tester"]).exits(0);
    office.ok(&["task", "fail", &ship, "--why", "no dock"]);
    lab.run(&["task", "claim", "--next"]).exits(3).says(&["none is open"]);
    office.ok(&["task", "reopen", &ship]);
    office.ok(&["task", "block", &ship, "--why", "no dock"]);
    assert_eq!(list(office.json(&["task", "list", "--blocked"])).len(), 1);
    office.ok(&["task", "unblock", &ship]);
    office.ok(&["task", "edit", &ship, "--title", "Ship it", "--to", "lab"]);
    assert!(list(lab.json(&["task", "list", "--mine"]))[0]["title"] == "Ship it");
    office.ok(&["task", "cancel", &ship]);
    assert_eq!(list(office.json(&["task", "list"])).len(), 0);
    assert_eq!(list(office.json(&["task", "list", "--all"])).len(), 2);
}

#[test]
fn a_claim_that_ran_out_holds_up_no_command_while_no_daemon_runs() {
    let lan = Lan::new();
    let office = lan.join("office");
    let id = add(&office, &["Build"]);
    office.ok(&["task", "claim", &id, "--for", "1s"]);
    let claimed = std::time::Instant::now();
    until("its time to be over", || {
        office.ok(&["inbox"]);
        (claimed.elapsed() > std::time::Duration::from_millis(1_500)).then_some(())
    });
    office.ok(&["task", "list"]);
    office.ok(&["task", "done", &id]);
}

#[test]
fn a_claim_is_not_made_while_the_share_is_away() {
    let lan = Lan::new();
    let office = lan.join("office");
    let id = add(&office, &["Build"]);
    lan.unmount();
    office.run(&["task", "claim", &id, "--timeout", "300ms"]).exits(75);
    let offline = add(&office, &["Test"]);
    lan.mount();
    assert_eq!(standing(&office, &offline), "open");
    office.ok(&["task", "claim", &id]);
    office.run(&["task", "show", "ffffff"]).exits(3);
    office.run(&["task", "show", "f"]).exits(3);
    office.run(&["task", "add", " "]).exits(2).says(&["it has no title"]);
    office.run(&["task", "add", "x", "--due", "soon"]).exits(2).says(&["is no time", "a day does, too"]);
    let due = office.json(&["task", "add", "x", "--due", "2036-12-01 09:00"]);
    assert!(due["due"].as_str().unwrap().starts_with("2036-12-01T09:00:00"), "{due}");
    office.run(&["task", "edit", &id]).exits(2).says(&["nothing is said otherwise"]);
    office.run(&["task", "reopen", &id]).exits(2).says(&["it has not ended"]);
}

#[test]
fn daemons_see_each_others_tasks_and_wait_for_none() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let (one, two) = (office.daemon(), lab.daemon());
    until("lab in sight", || office.ok(&["peers"]).contains("lab").then_some(()));
    let id = add(&office, &["Build", "--to", "lab"]);
    until("the task", || lab.run(&["task", "show", &id]).out.contains("Build").then_some(()));
    lab.ok(&["task", "claim", &id]);
    assert_eq!(standing(&office, &id), "claimed");
    office.run(&["task", "claim", &id]).exits(5);
    lab.ok(&["task", "release", &id]);
    office.ok(&["task", "claim", &id]);
    office.ok(&["task", "done", &id]);
    assert_eq!(standing(&lab, &id), "done");
    one.stop();
    two.stop();
}
