//! What a person does about keys, with the real program.

use crate::common::process::{Lan, text_of};

use super::*;

#[test]
fn keys_are_shown_pinned_carried_and_given_up() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.json(&["send", "lab", "hello"]);
    assert_eq!(lab.json(&["inbox"])[0]["verdict"], "verified");
    let own = office.json(&["trust", "show"]);
    assert_eq!((&own["name"], &own["own"]), (&json!("office"), &json!(true)));
    let fingerprint = text_of(&own["keys"][0], "fingerprint");
    let seen = lab.json(&["trust", "show", "Office"]);
    assert_eq!(
        (&seen["keys"][0]["fingerprint"], &seen["keys"][0]["state"]),
        (&json!(fingerprint), &json!("pinned"))
    );
    assert!(lab.run(&["trust", "list"]).exits(0).out.contains(&fingerprint));
    assert!(lab.run(&["trust", "show", "ofice"]).exits(3).err.contains("did you mean office"));
    assert_eq!(lab.json(&["peers"])[0]["trust"], "pinned");

    // A rotation without a daemon is announced at once, and taken without a word.
    let rotated = office.json(&["trust", "rotate"]);
    assert_ne!(rotated["keys"][0]["fingerprint"], json!(fingerprint));
    office.json(&["send", "lab", "with the new key"]);
    let inbox = lab.json(&["inbox"]);
    assert_eq!(inbox.as_array().unwrap().len(), 2, "{inbox}");
    assert_eq!(
        (&inbox[1]["content"], &inbox[1]["verdict"]),
        (&json!("with the new key"), &json!("verified"))
    );

    let list = lan.path("keys.json");
    // As PowerShell's `>` writes it.
    let exported = lab.run(&["trust", "export"]).exits(0).out;
    let utf16 = std::iter::once(0xFEFF).chain(exported.encode_utf16());
    std::fs::write(&list, utf16.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    let home = lan.join("home");
    let imported = home.json(&["trust", "import", list.to_str().unwrap()]);
    assert!(
        imported.as_array().unwrap().iter().all(|one| one["result"] == "known" || one["result"] == "pinned")
    );
    assert_eq!(home.json(&["trust", "show", "office"])["keys"][0]["state"], "pinned");

    assert!(lab.run(&["trust", "accept", "office", &fingerprint]).exits(3).err.contains("no key waits"));
    let revoked = lab.json(&["trust", "revoke", "office"]);
    assert_eq!(revoked["keys"][0]["state"], "revoked");
    office.json(&["send", "lab", "stolen"]);
    let kinds: Vec<_> =
        lab.json(&["inbox"]).as_array().unwrap().iter().map(|one| text_of(one, "type")).collect();
    assert_eq!(kinds, ["message", "message", "trust-report"]);
    let status = lab.json(&["status"]);
    assert_eq!(status["refused"][0]["cause"], "revoked-key", "{status}");
    assert!(lab.run(&["trust", "revoke", "lab"]).exits(2).err.contains("this instance's own"));
    lab.run(&["trust", "forget", "office"]).exits(0);
    lab.run(&["trust", "forget", "office"]).exits(3);
}

#[test]
fn held_mail_is_listed_apart_and_released() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let config = std::fs::read_to_string(&lab.config).unwrap();
    std::fs::write(&lab.config, config + "\n[peers.Office]\npolicy = \"hold\"\n").unwrap();
    office.json(&["send", "lab", "hold me", "--id", "h"]);
    assert_eq!(lab.json(&["inbox"]), json!([]));
    let held = lab.json(&["inbox", "--held"]);
    assert_eq!((&held[0]["held"], &held[0]["content"]), (&json!(true), &json!("hold me")));
    assert!(lab.run(&["read", "h"]).exits(2).err.contains("lanpost release"));
    assert!(lab.run(&["read", "h", "--peek"]).exits(0).out.contains("verified"));
    assert!(lab.run(&["reply", "h", "yes", "--ack"]).exits(2).err.contains("lanpost release"));
    lab.run(&["release", "h"]).exits(0);
    lab.run(&["release", "h"]).exits(2);
    assert_eq!(lab.json(&["inbox"])[0]["content"], "hold me");
    assert_eq!(office.json(&["inbox"]), json!([]), "the answer was refused before it was stored");
}
