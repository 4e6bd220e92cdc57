//! lanpost within other programs: one that asks, one that answers, each with its daemon inside.
//!
//! Run it with `cargo run --example embed`. Both live in this process, on a temporary folder in place of the share; on two PCs
//! each would have its own `Config::new`, or `Node::open_file(None)` after `lanpost init`.
#![allow(clippy::disallowed_methods, reason = "another program makes folders and sleeps as it likes")]

use std::path::Path;
use std::time::Duration;

use lanpost::{Config, Draft, Error, Filter, NewTask, News, Node, Result, Say, Which};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("share")).expect("a folder in place of the share");
    let (office, lab) = (set_up(folder.path(), "office")?, set_up(folder.path(), "lab")?);
    let answering = std::thread::spawn(move || answer(lab));
    ask(office)?;
    answering.join().expect("no panic")
}

/// What `lanpost init` does.
fn set_up(folder: &Path, instance: &str) -> Result<Node> {
    let name = instance.parse().map_err(|cause| Error::usage("use the name", instance, cause))?;
    Node::create(Config::new(name, folder.join("share"), folder.join(instance)))
}

/// The program that asks.
fn ask(mut office: Node) -> Result<()> {
    let daemon = office.start()?;
    let to_lab = || "lab".parse().expect("a valid address");
    // `create`: lab may not have been seen yet.
    let draft = Draft { create: true, ..Draft::new(to_lab(), "Is the build green? 构建通过了吗？") };
    let asked = office.ask(draft, PATIENCE, |news| {
        if let News::Progress { note, .. } = news {
            println!("office hears: {}", note.content);
        }
    })?;
    let answer = asked.answer.expect("lab answers in time");
    println!("office has the answer: {}", answer.content);
    assert_eq!(answer.content, "Green since noon. 中午就通过了。");

    // Every state that the request went through is on record, on either side.
    for step in office.trace(asked.request.id.as_str())?.transitions {
        println!("  {}  {}", step.at, step.what);
    }
    assert!(office.search("构建通过", &lanpost::Scope::default(), 10)?.hits.len() == 1);
    assert!(office.peers()?.iter().any(|peer| peer.name.as_str() == "lab"));

    // A task that nobody else can hold at the same time.
    let task = office.add_task(NewTask { title: "Pack it".into(), ..NewTask::default() })?;
    let claimed = office.claim_task(task.task.id.as_str(), None, PATIENCE, PATIENCE)?;
    office.say_of_task(claimed.task.id.as_str(), None, Say::Done(Some("packed".into())))?;
    assert!(office.tasks(&Which::default())?.is_empty(), "it is over");

    daemon.stop()
}

/// The program that answers, once.
fn answer(mut lab: Node) -> Result<()> {
    let daemon = lab.start()?;
    let mail = lab.wait(&Filter::default(), PATIENCE)?;
    let question = mail.first().expect("office asks in time");
    println!("lab is asked by {}: {}", question.from, question.content);
    let id = lab.read(question.id.as_str())?.id;
    lab.progress(id.as_str(), "looking")?;
    lab.reply(id.as_str(), "Green since noon. 中午就通过了。")?;
    lab.ack(&[id.to_string()])?;
    // The answer leaves with the daemon at work: until it is on the share, this program must stay.
    while lab.status()?.spooled > 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    daemon.stop()
}
