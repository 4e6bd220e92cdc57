//! Setting a gateway up while it runs: the hooks by `lanpost init`, the skill by OpenClaw itself.

use std::path::Path;

use serde_json::Value;

use crate::office::offices;
use crate::process::{finish, text_of, until_true};

#[test]
fn init_adds_the_hooks_to_a_running_gateway() {
    let offices = offices();
    let (ann, bob) = (&offices.ann, &offices.bob);
    let mut config = bob.gateway.read();
    config.as_object_mut().unwrap().remove("hooks");
    bob.gateway.write(&config);
    let tried = || bob.pc.run(&["wake", "test"]);
    until_true("hooks that are off", || {
        let tried = tried();
        format!("{}{}", tried.out, tried.err).contains("hooks are off")
    });
    let done = bob.set_hooks_up();
    assert_eq!(done["probe"], "right", "{done}");
    assert!(Path::new(done["backup"].as_str().unwrap()).exists());
    // All else is as it was.
    let mut now = bob.gateway.read();
    assert_ne!(now.as_object_mut().unwrap().remove("hooks").unwrap()["token"], Value::Null);
    assert_eq!(now, config);
    let again = bob.set_hooks_up();
    assert_eq!((&again["adds"], &again["backup"]), (&Value::from(""), &Value::Null), "{again}");
    let id = ann.pc.send("bob", "note: the hooks are new");
    ann.pc.sees(&id, "processed");
}

#[test]
fn the_skill_reaches_the_agent() {
    let offices = offices();
    let (ann, bob) = (&offices.ann, &offices.bob);
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/openclaw");
    let install = bob.gateway.openclaw(&[
        "plugins",
        "install",
        bundle.to_str().unwrap(),
        "--force",
        "--accept-capabilities",
    ]);
    finish(install, b"").exits(0);
    // From somebody new: a session that is there keeps the skills that it began with.
    let sent = ann.pc.json(&["send", "bob", "note: how to do it is in your skill", "--as", "scout"]);
    ann.pc.sees(&text_of(&sent, "id"), "processed");
    let system = offices.model.turns("bob").pop().unwrap().system;
    let skills = system.rsplit("<available_skills>").next().unwrap_or_default();
    assert!(skills.contains("<name>lanpost</name>"), "no skill among {skills}");
}
