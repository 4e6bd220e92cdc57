//! `lanpost demo`: the whole thing in a minute, on a temporary folder, with real daemons of this very program.
//!
//! Two instances, a letter each way, a plain line written by hand in Chinese, a wake, receipts up to processed, and
//! each letter's journey with its times. Daemons and folder are gone when it returns, whatever happened in between.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use crate::adapt::signals;
use crate::app::tongue;
use crate::engine::node::Node;
use crate::engine::ops::{self, Draft};
use crate::error::{At, Error, Kind, Result};
use crate::model::config::{self, Config, ShareConfig};
use crate::model::layout;
use crate::model::name::{Address, Name};
use crate::model::state::State;
use crate::model::text::{Encoding, encode};
use crate::store::db::{Filter, Message, Transition, Way};
use crate::sys::clock::{Clock, SystemClock, pause};
use crate::sys::disk::DiskShare;
use crate::sys::share::Share;
use crate::sys::{files, process};

/// The command, hidden from the help, that plays the agent.
pub const AGENT: &str = "demo-agent";
/// The exit code of a demonstration that was interrupted: what a shell gives to Ctrl-C.
const INTERRUPTED: i32 = 130;
/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The line that people append by hand.
const BY_HAND: &str = r#"{"from":"instance-A","to":"lab","timestamp":"2026-02-14T18:40:00+08:00","type":"message","content":"你好，我是A实例，收到请回复"}"#;

/// Runs the demonstration, telling it to `out`.
///
/// # Errors
/// A daemon did not start, or a letter did not arrive in time.
pub fn demo(out: &mut dyn Write) -> Result<()> {
    let stage = Stage::set()?;
    let told = play(&stage, out);
    drop(stage);
    told?;
    say(out, "\nBoth daemons are stopped and the folder is removed: nothing is left behind.")
}

fn play(stage: &Stage, out: &mut dyn Write) -> Result<()> {
    say(out, &format!("Two PCs and one shared folder, here {}", stage.share.display()))?;
    let (mut office, lab) = (stage.node("office", false)?, stage.node("lab", true)?);
    let (_one, _two) = (stage.daemon("office")?, stage.daemon("lab")?);
    say(out, "office and lab run a daemon each; lab's daemon wakes its agent by a command.\n")?;

    for (node, other) in [(&office, "lab"), (&lab, "office")] {
        until(node, "the two to see each other", |node| {
            Ok(ops::peers(node)?.iter().any(|peer| peer.name.as_str() == other))
        })?;
    }
    let to_lab = Address::from(name("lab")?);
    let letter = ops::send(&mut office, Draft::new(to_lab, "ping: is the build green?"))?;
    until(&office, "the letter to be processed", |node| {
        Ok(ops::state_of(node, &letter)?.state == State::Processed)
    })?;
    let answer = first_answer(&office, &letter)?;
    ops::ack(&mut office, &[answer.id.to_string()], None)?;
    until(&lab, "the answer's receipt", |node| {
        let sent = node.db.message(Way::Out, "office", &answer.id)?;
        Ok(sent.is_some_and(|sent| sent.state == State::Processed))
    })?;
    say(out, &format!("1. office wrote to lab: {}", letter.content))?;
    journey(out, &letter, &[("office", &office), ("lab", &lab)])?;
    say(out, &format!("\n2. lab's agent was woken, read it, and answered: {}", answer.content))?;
    journey(out, &answer, &[("lab", &lab), ("office", &office)])?;

    let share = DiskShare::new(&stage.share, "demo");
    let line = encode(&format!("{BY_HAND}\r\n"), Encoding::Gb18030, false);
    share.open_append(&layout::open_slot(&name("lab")?))?.append(&line)?;
    until(&lab, "the line written by hand", |node| Ok(by_hand(node)?.is_some()))?;
    let plain = layout::open_slot(&name("instance-A")?);
    until(&lab, "the answer to the plain writer", |_| {
        Ok(share.stat(&plain)?.is_some_and(|meta| meta.len > 0))
    })?;
    if let Some(message) = by_hand(&lab)? {
        let encoding = message.encoding.as_deref().unwrap_or("?");
        say(out, &format!("\n3. Somebody appended a line by hand, in {encoding}: {}", message.content))?;
        journey(out, &message, &[("lab", &lab)])?;
    }
    let lines = share.read(&plain, 0, 4096)?.unwrap_or_default();
    say(
        out,
        &format!("   and the answer lies in {plain}:\n   {}", String::from_utf8_lossy(&lines).trim_end()),
    )
}

/// The agent of the demonstration: reads its mail from stdin, answers each message and acknowledges it.
pub fn agent(config: Config, input: &mut dyn Read) -> Result<()> {
    #[derive(Deserialize)]
    struct Mail {
        id: String,
        content: serde_json::Value,
    }
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).at("read", Path::new("stdin"))?;
    let mail: Vec<Mail> =
        serde_json::from_slice(&bytes).map_err(|error| Error::usage("read the mail on", "stdin", error))?;
    let mut node = Node::open(config, Arc::new(SystemClock::new()))?;
    for message in mail {
        ops::read(&mut node, &message.id)?;
        let text = message.content.as_str().unwrap_or_default();
        ops::reply(
            &mut node,
            &message.id,
            format!("pong: {text}").into(),
            None,
            ops::Author::Program,
            false,
        )?;
        ops::ack(&mut node, &[message.id], None)?;
    }
    Ok(())
}

fn say(out: &mut dyn Write, text: &str) -> Result<()> {
    writeln!(out, "{}", tongue::lines(tongue::of_stdout(), text)).at("write to", Path::new("stdout"))
}

fn name(text: &str) -> Result<Name> {
    Name::parse(text).map_err(|cause| Error::usage("use the name", text, cause))
}

fn until(node: &Node, what: &str, mut done: impl FnMut(&Node) -> Result<bool>) -> Result<()> {
    let deadline = node.clock.now() + PATIENCE;
    while !done(node)? {
        if node.clock.now() >= deadline {
            let cause = format!("it did not happen within {} s", PATIENCE.as_secs());
            return Err(Error::new(Kind::Timeout, "wait for", what, cause));
        }
        pause(Duration::from_millis(5));
    }
    Ok(())
}

fn first_answer(office: &Node, letter: &Message) -> Result<Message> {
    let mut found = None;
    until(office, "the answer", |node| {
        let inbox = ops::inbox(node, &Filter { all: true, ..Filter::default() })?;
        found = inbox.into_iter().find(|message| message.in_reply_to.as_ref() == Some(&letter.id));
        Ok(found.is_some())
    })?;
    found.ok_or_else(|| Error::new(Kind::NotFound, "find", "the answer", "it was there a moment ago"))
}

fn by_hand(lab: &Node) -> Result<Option<Message>> {
    let all = ops::inbox(lab, &Filter { all: true, from: Some("instance-a".into()), ..Filter::default() })?;
    Ok(all.into_iter().find(|message| message.state == State::Processed))
}

/// Both sides' transitions in the order of their times: the stations of one letter.
fn journey(out: &mut dyn Write, letter: &Message, sides: &[(&str, &Node)]) -> Result<()> {
    let mut stations: Vec<(&str, Transition)> = vec![];
    for (side, node) in sides {
        for message in node.db.find(letter.id.as_str(), None)? {
            let steps = node.db.transitions(message.way, &message.peer, &message.id)?;
            stations.extend(steps.into_iter().map(|step| (*side, step)));
        }
    }
    stations.sort_by(|(_, a), (_, b)| a.at.cmp(&b.at));
    for (side, Transition { at, what, detail, .. }) in stations {
        let time = at.get(11..23).unwrap_or(&at);
        say(out, format!("   {time}  {side:<7} {what:<10} {}", detail.unwrap_or_default()).trim_end())?;
    }
    Ok(())
}

/// The temporary folder with both instances; taken down when dropped, and when somebody interrupts.
struct Stage {
    root: PathBuf,
    share: PathBuf,
    daemons: Arc<Mutex<Vec<u32>>>,
}

/// Takes the stage down when somebody asks the demonstration to stop, and ends the process.
fn strike_when_asked(root: PathBuf, daemons: Arc<Mutex<Vec<u32>>>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    // Without signals the demonstration still plays; only an interruption would leave its folder.
    if runtime.block_on(async { Some(signals::listen().ok()?.await) }).is_none() {
        return;
    }
    daemons.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|pid| process::terminate(*pid));
    // The daemons write a last heartbeat first; what they write after that goes with the next try.
    pause(Duration::from_millis(600));
    for _ in 0..20 {
        pause(Duration::from_millis(100));
        if files::remove_folder(&root).is_err() && !files::exists(&root) {
            break;
        }
    }
    std::process::exit(INTERRUPTED);
}

impl Stage {
    fn set() -> Result<Stage> {
        let root = files::temporary_folder("lanpost-demo")?;
        let stage = Stage { share: root.join("共享文件夹"), root, daemons: Arc::default() };
        files::make_folders(&stage.share)?;
        let (root, daemons) = (stage.root.clone(), stage.daemons.clone());
        std::thread::spawn(move || strike_when_asked(root, daemons));
        Ok(stage)
    }

    fn config(&self, instance: &str) -> PathBuf {
        self.root.join(format!("{instance}.toml"))
    }

    /// Sets an instance up, as `lanpost init` does, and opens it.
    fn node(&self, instance: &str, wakes: bool) -> Result<Node> {
        let command = match wakes {
            true => vec![process::executable().display().to_string(), AGENT.to_owned()],
            false => vec![],
        };
        let path = self.config(instance);
        let state = self.root.join(format!("{instance}.state"));
        let share = ShareConfig::at(&self.share);
        let text = config::template(&name(instance)?, &[], &state, &share, &command)?;
        let config = config::parse(&text, &path)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        ops::init(&config, &DiskShare::new(&self.share, "demo"), clock.clone(), false)?;
        files::replace(&path, text.as_bytes())?;
        Node::open(config, clock)
    }

    fn daemon(&self, instance: &str) -> Result<Daemon> {
        let program = process::executable();
        let mut command = Command::new(&program);
        command.arg("--config").arg(self.config(instance)).arg("run");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().at("start", &program)?;
        self.daemons.lock().unwrap_or_else(PoisonError::into_inner).push(child.id());
        Ok(Daemon(child))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = files::remove_folder(&self.root);
    }
}

/// A daemon of this program; asked to stop when dropped, and ended if it doesn't.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        process::terminate(self.0.id());
        let clock = SystemClock::new();
        while matches!(self.0.try_wait(), Ok(None)) {
            if clock.now() > Duration::from_secs(3) {
                let _ = self.0.kill();
            }
            pause(Duration::from_millis(10));
        }
    }
}
