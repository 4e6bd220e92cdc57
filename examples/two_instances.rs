//! A newcomer's first look at the library: two instances, one shared folder, a message, a reply, receipts.
//!
//! Run it with `cargo run --example two_instances`. The share is in memory, each instance's store in a temporary
//! folder; on two PCs it would be `DiskShare::new("/mnt/share", …)`, and `lanpost run` would do the stepping.

use std::sync::Arc;

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Draft};
use lanpost::engine::{Engine, Hints, Role};
use lanpost::error::Result;
use lanpost::model::config;
use lanpost::store::db::{Filter, Message};
use lanpost::sys::clock::SystemClock;
use lanpost::sys::memory::MemoryShare;

fn main() -> Result<()> {
    let share = MemoryShare::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut office = join(&share, folder.path(), "office")?;
    let mut lab = join(&share, folder.path(), "lab")?;

    // Sending only writes to the sender's own store: it works whether or not the share is there.
    step_both(&mut office, &mut lab)?;
    let to_lab = "lab".parse().expect("a valid address");
    let question = ops::send(office.node_mut(), Draft::new(to_lab, "Is the build green?"))?;
    println!("office wrote {}: it is {}", question.content, question.state);

    // The engines carry it over: into office's lane in lab's mailbox, and from there into lab's store.
    step_both(&mut office, &mut lab)?;
    let mail = inbox(&lab)?.remove(0);
    println!("lab has mail from {}: {}", mail.from, mail.content);

    // Listing changes nothing; reading, replying and acknowledging do, and the sender gets to know.
    ops::read(lab.node_mut(), mail.id.as_str())?;
    ops::reply(
        lab.node_mut(),
        mail.id.as_str(),
        "Green since noon.".into(),
        None,
        ops::Author::Program,
        false,
    )?;
    ops::ack(lab.node_mut(), &[mail.id.to_string()], None)?;
    step_both(&mut office, &mut lab)?;

    let answer = inbox(&office)?.remove(0);
    println!("office has an answer: {}", answer.content);
    assert_eq!(answer.in_reply_to.as_ref(), Some(&question.id));

    // Every state that a message went through is on record, on either side.
    for step in ops::trace(office.node(), question.id.as_str())?.transitions {
        println!("  {}  {}", step.at, step.what);
    }
    Ok(())
}

/// What `lanpost init` and `lanpost run` do: make the state folder, join the share, start an engine.
fn join(share: &MemoryShare, folder: &std::path::Path, instance: &str) -> Result<Engine> {
    let text = format!("instance = '{instance}'\nstate = '{instance}'\nshare.path = 'in memory'\n");
    let config = config::parse(&text, &folder.join("config.toml"))?;
    let clock = Arc::new(SystemClock::new());
    ops::init(&config, share, clock.clone(), false)?;
    Engine::new(Arc::new(share.clone()), Node::open(config, clock)?, Role::Daemon)
}

/// Lets both look and send until neither has anything left to do at once. `lanpost run` does this for ever: it rests
/// as long as a step says, unless something hints that there is news.
fn step_both(office: &mut Engine, lab: &mut Engine) -> Result<()> {
    for _ in 0..4 {
        for engine in [&mut *office, &mut *lab] {
            let step = engine.step(&Hints { everything: true, ..Hints::default() })?;
            // What the share refuses is no error: it is reported, and tried again in a later step.
            step.problems.iter().for_each(|problem| eprintln!("{problem}"));
        }
    }
    Ok(())
}

fn inbox(engine: &Engine) -> Result<Vec<Message>> {
    ops::inbox(engine.node(), &Filter::default())
}
