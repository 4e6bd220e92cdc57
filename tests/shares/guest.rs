//! What this program does inside a guest: sends much mail through the library, as a long-lived agent would; adds tasks, claims
//! many at once, and tells what its instance sees of them.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanpost::app::locate;
use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Claiming, Draft, NewTask, Say, Which};
use lanpost::model::name::{Address, Name};
use lanpost::store::db::Answer;
use lanpost::sys::clock::SystemClock;
use serde_json::json;

use crate::Outcome;

/// The first argument of a program that plays a part.
pub const PART: &str = "in-guest";

/// Plays the part that the arguments name.
pub fn play(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["send", config, to, count, pause, log] => send(config, to, (count, pause), log),
        ["add", config, count, title] => add(config, count, title),
        ["claim", config, agent, plan, log] => claim(config, agent, plan, log),
        ["tasks", config] => tasks(config),
        other => Err(format!("there is no part {other:?}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("in-guest: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open(config: &str) -> Outcome<Node> {
    let (config, _) = locate::load(Some(Path::new(config)))?;
    Ok(Node::open(config, Arc::new(SystemClock::new()))?)
}

/// Sends `count` messages, each by itself, `pause` ms apart. Their contents are their numbers from 1. After each one
/// the log has a line more, on the host's disk: its number, and when `send` returned (ms since 1970).
fn send(config: &str, to: &str, (count, pause): (&str, &str), log: &str) -> Outcome<()> {
    let mut node = open(config)?;
    let mut log = File::create(log)?;
    let (count, pause): (u64, u64) = (count.parse()?, pause.parse()?);
    for number in 1..=count {
        let to = Address { instance: Name::parse(to)?, agent: None };
        ops::send(&mut node, Draft { create: true, ..Draft::new(to, number.to_string()) })?;
        writeln!(log, "{number} {}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        // What was accepted has to be known even if this machine loses its power now.
        log.sync_data()?;
        std::thread::sleep(Duration::from_millis(pause));
    }
    Ok(())
}

/// Adds `count` tasks, whose titles are `title` and a number from 1.
fn add(config: &str, count: &str, title: &str) -> Outcome<()> {
    let mut node = open(config)?;
    for number in 1..=count.parse::<u64>()? {
        ops::task_add(&mut node, NewTask { title: format!("{title} {number}"), ..NewTask::default() })?;
    }
    Ok(())
}

/// How long a claim lasts: longer than any test.
const TERM: Duration = Duration::from_secs(24 * 3_600);
/// How long a claimer waits for an answer. The test gives up sooner.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Claims all tasks of the file `plan` for `agent`, in its order and all at once, then those with `back` in their line once more.
/// Whoever gets one of these gives it back. The log has a line for each answer, `held ID TOKEN`, `lost ID WHY` or `late ID`;
/// `back ID TOKEN` before it is given back; `end` at last.
fn claim(config: &str, agent: &str, plan: &str, log: &str) -> Outcome<()> {
    let (mut node, mut log, agent) = (open(config)?, File::create(log)?, Name::parse(agent)?);
    let plan = fs::read_to_string(plan)?;
    let plan: Vec<(&str, bool)> =
        plan.lines().map(|line| line.split_once(' ').map_or((line, false), |(id, _)| (id, true))).collect();
    for again in [false, true] {
        let mut wishes = vec![];
        for (id, back) in plan.iter().filter(|(_, back)| *back || !again) {
            let claiming = ops::task_claim(&mut node, id, Some(agent.clone()), TERM, PATIENCE)?;
            if let Claiming::Asked(wish) = claiming {
                wishes.push((wish, *id, *back));
            }
        }
        for (wish, id, back) in wishes {
            let answer = loop {
                match ops::task_answer(&node, wish)? {
                    Some(answer) => break answer,
                    None => std::thread::sleep(Duration::from_millis(50)),
                }
            };
            match answer {
                Answer::Held { token } => {
                    writeln!(log, "held {id} {token}")?;
                    if back {
                        writeln!(log, "back {id} {token}")?;
                        ops::task_say(&mut node, id, Some(agent.clone()), Say::Release(None))?;
                    }
                }
                Answer::Lost { why } => writeln!(log, "lost {id} {why}")?,
                Answer::Late => writeln!(log, "late {id}")?,
            }
        }
    }
    writeln!(log, "end")?;
    Ok(())
}

/// Prints all tasks as the instance sees them after a look at the share, or without one if that does not come soon: a JSON array.
fn tasks(config: &str) -> Outcome<()> {
    let mut node = open(config)?;
    let ticket = ops::request_task_look(&mut node)?;
    for _ in 0..100 {
        if ops::task_look_done(&node, ticket)? {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut all = vec![];
    for view in ops::task_list(&node, &Which { all: true, ..Which::default() })? {
        let history = node.db.task_history(&view.task.id)?;
        let history: Vec<_> = history
            .iter()
            .map(|(entry, _)| {
                let event = &entry.event;
                json!({"by": event.from.to_string(), "deed": event.deed.word(), "token": event.token,
                    "void": entry.void.is_some()})
            })
            .collect();
        let holder =
            view.task.holder.as_ref().map(|held| json!({"by": held.by.to_string(), "token": held.token}));
        all.push(json!({"id": view.task.id.as_str(), "title": view.task.title,
            "standing": view.standing.as_str(), "holder": holder, "history": history}));
    }
    println!("{}", serde_json::to_string(&all)?);
    Ok(())
}
