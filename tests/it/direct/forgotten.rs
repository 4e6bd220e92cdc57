//! A recipient whose state folder went back in time: what came to it directly since the backup comes again, also from a
//! sender that was restarted and numbers its mail anew.

use super::{add, join, takes, way};
use crate::common::process::{Daemon, Lan, Pc};

/// Two PCs that speak directly; what the second got since its backup is forgotten by it.
fn forgetful(
    lan: &Lan,
    between: impl FnOnce(&Pc, &Pc, Daemon) -> Option<Daemon>,
) -> (Pc, Pc, [Option<Daemon>; 2], [String; 5]) {
    let (office, lab) = (join(lan, "office"), join(lan, "lab"));
    let (one, two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct");
    takes(&lab, "office", "direct");
    let send = |text: &str| {
        let id = office.send("lab", text);
        office.sees(&id, "delivered");
        id
    };
    let kept = send("kept");
    let back = lab.send("office", "and back");
    office.receives("and back");
    lab.sees(&back, "delivered");
    let file = lab.temporary().join("saved.backup");
    lab.ok(&["backup", file.to_str().unwrap()]);
    office.ok(&["ack", &back]);
    lab.sees(&back, "processed");
    let (lost, read, done) = (send("lost"), send("read"), send("done"));
    lab.ok(&["read", &read]);
    lab.ok(&["ack", &done]);
    office.sees(&read, "read");
    office.sees(&done, "processed");
    for id in [&lost, &read] {
        assert!(way(&office, id).contains("sent directly"), "{}", way(&office, id));
    }
    two.stop();
    lab.ok(&["restore", file.to_str().unwrap(), "--force"]);
    assert_eq!(lab.inbox().len(), 1);
    let one = between(&office, &lab, one);
    let two = lab.daemon();
    (office, lab, [one, Some(two)], [kept, lost, read, done, back])
}

/// The mail is there, each once, in the order of sending, and nobody misses anything.
fn is_whole(office: &Pc, lab: &Pc) {
    let last = office.send("lab", "last");
    lab.receives("last");
    lab.receives("lost");
    lab.receives("read");
    office.sees(&last, "delivered");
    let mut found: Vec<String> =
        lab.inbox().iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect();
    found.sort();
    assert_eq!(found, ["kept", "last", "lost", "read"], "what was done with is not asked for again");
}

#[test]
fn what_came_directly_since_a_backup_comes_again() {
    let lan = Lan::new();
    let (office, lab, _daemons, [kept, lost, _, _, back]) = forgetful(&lan, |_, _, one| Some(one));
    is_whole(&office, &lab);
    let said = way(&office, &lost);
    assert!(said.contains("resend the recipient's store went back in time"), "{said}");
    lab.sees(&back, "processed");
    assert!(!way(&office, &kept).contains("resend"), "{}", way(&office, &kept));
}

#[test]
fn it_comes_again_from_a_sender_that_was_restarted_before() {
    let lan = Lan::new();
    let (office, lab, _daemons, _) = forgetful(&lan, |office, _, one| {
        one.stop();
        Some(office.daemon())
    });
    is_whole(&office, &lab);
}

#[test]
fn it_comes_again_from_a_sender_that_starts_later() {
    let lan = Lan::new();
    let (office, lab, _daemons, _) = forgetful(&lan, |_, _, one| {
        one.stop();
        None
    });
    let _one = office.daemon();
    is_whole(&office, &lab);
}

#[test]
fn it_comes_again_by_the_share_where_that_is_the_way() {
    let lan = Lan::new();
    let (office, lab, _daemons, [_, lost, ..]) = forgetful(&lan, |office, lab, one| {
        one.stop();
        add(office, "[peers.lab]\nroutes = [\"share\"]\n");
        add(lab, "[peers.office]\nroutes = [\"share\"]\n");
        Some(office.daemon())
    });
    is_whole(&office, &lab);
    assert!(way(&office, &lost).contains("sent to the lane under lease"), "{}", way(&office, &lost));
}
