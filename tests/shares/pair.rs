//! Two instances on one share: `ann` on machine A and `bob` on machine B, each with its daemon.
//!
//! The state folders lie on the machines' own disks. The logs of daemons and senders lie on the host's disk, in
//! [`Pair::logs`], so that a machine that lost its power still tells what it did.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::{Bench, Kind};
use crate::{Outcome, Run};

/// How long mail may take to arrive after a fault has healed, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
/// The time between two glances.
const STEP: Duration = Duration::from_millis(200);

/// An instance and its machine.
pub struct Instance {
    pub name: &'static str,
    pub machine: &'static str,
}

pub const ANN: Instance = Instance { name: "ann", machine: "A" };
pub const BOB: Instance = Instance { name: "bob", machine: "B" };
pub const BOTH: [&Instance; 2] = [&ANN, &BOB];

/// Both instances on a folder of their own of a share of one kind.
pub struct Pair<'a> {
    pub kind: Kind,
    bench: &'a Bench,
    /// The case, which names all folders.
    case: String,
    /// How often each of both began to count its messages anew.
    anew: [Cell<u32>; 2],
}

impl Pair<'_> {
    /// A pair on each kind of share, set up, daemons running.
    pub fn on_each_kind<'a>(run: &'a Run, case: &str) -> Outcome<Vec<Pair<'a>>> {
        Pair::on_each_kind_as(run, case, None)
    }

    /// The same, with a table `[look]` in both configs.
    pub fn on_each_kind_as<'a>(run: &'a Run, case: &str, look: Option<&str>) -> Outcome<Vec<Pair<'a>>> {
        let pairs: Vec<_> =
            run.kinds.iter().map(|kind| Pair::set_up(&run.bench, *kind, case)).collect::<Outcome<_>>()?;
        for pair in &pairs {
            for instance in BOTH {
                look.map_or(Ok(()), |look| pair.configure(instance, look))?;
                pair.start(instance)?;
            }
        }
        Ok(pairs)
    }

    fn set_up<'a>(bench: &'a Bench, kind: Kind, case: &str) -> Outcome<Pair<'a>> {
        let pair = Pair { kind, bench, case: format!("{case}-{}", kind.word()), anew: Default::default() };
        let _ = fs::remove_dir_all(pair.logs());
        fs::create_dir_all(pair.logs())?;
        for instance in BOTH {
            let (home, share) = (pair.home(instance), pair.share());
            bench.on(instance.machine, &format!("mkdir -p {home} {share}"))?;
            pair.lanpost(
                instance,
                &format!("init --share {share} --instance {} --state {home}/state", instance.name),
            )?;
        }
        Ok(pair)
    }

    /// The share as every machine calls it.
    pub fn share(&self) -> String {
        format!("/mnt/{}/{}", self.kind.word(), self.case)
    }

    /// Its folder on the share.
    pub fn folder(&self) -> &str {
        &self.case
    }

    fn home(&self, instance: &Instance) -> String {
        format!("/mnt/disk/{}-{}", self.case, instance.name)
    }

    fn config(&self, instance: &Instance) -> String {
        format!("{}/config.toml", self.home(instance))
    }

    /// A folder on the host's disk that all machines see.
    pub fn logs(&self) -> PathBuf {
        std::env::temp_dir().join("lanpost-shares-logs").join(&self.case)
    }

    fn sent(&self, instance: &Instance) -> PathBuf {
        self.logs().join(format!("{}.{}.sent", instance.name, self.anew(instance).get()))
    }

    fn anew(&self, instance: &Instance) -> &Cell<u32> {
        &self.anew[usize::from(instance.name == BOB.name)]
    }

    /// Runs a command of lanpost for `instance`, on its machine.
    pub fn lanpost(&self, instance: &Instance, words: &str) -> Outcome<String> {
        self.bench.on(instance.machine, &self.command(instance, words))
    }

    /// A command of lanpost for `instance`, as its shell takes it.
    pub fn command(&self, instance: &Instance, words: &str) -> String {
        format!("{} --config {} {words}", env!("CARGO_BIN_EXE_lanpost"), self.config(instance))
    }

    /// Plays a part of `guest.rs` for `instance`, on its machine; what it prints.
    pub fn part(&self, instance: &Instance, part: &str, words: &str) -> Outcome<String> {
        self.bench.on(instance.machine, &self.play(instance, part, words)?)
    }

    /// The same, returning at once; what goes wrong is in [`Pair::logs`].
    pub fn part_beside(&self, instance: &Instance, part: &str, words: &str) -> Outcome<()> {
        let (play, errors) =
            (self.play(instance, part, words)?, self.logs().join(format!("{}.errors", instance.name)));
        let beside = format!("setsid {play} </dev/null >/dev/null 2>>{} &", errors.display());
        self.bench.on(instance.machine, &beside).map(drop)
    }

    fn play(&self, instance: &Instance, part: &str, words: &str) -> Outcome<String> {
        let program = std::env::current_exe()?;
        Ok(format!("{} {} {part} {} {words}", program.display(), crate::guest::PART, self.config(instance)))
    }

    /// Puts a table `[look]` into the config in place of the one that is there.
    fn configure(&self, instance: &Instance, look: &str) -> Outcome<()> {
        let config = self.config(instance);
        let table = look.replace('\n', "\\n");
        let change = format!(
            "sed -i '/^\\[look\\]/,/^\\[/{{/^\\[look\\]/d;/^\\[/!d}}' {config} && printf '{table}\n' >>{config}"
        );
        self.bench.on(instance.machine, &change).map(drop)
    }

    /// Starts the daemon.
    pub fn start(&self, instance: &Instance) -> Outcome<()> {
        let (program, config) = (env!("CARGO_BIN_EXE_lanpost"), self.config(instance));
        let log = self.logs().join(format!("{}.log", instance.name));
        let pid = format!("{}/pid", self.home(instance));
        let start = format!(
            "setsid {program} --config {config} run </dev/null >>{} 2>&1 & echo $! >{pid}",
            log.display()
        );
        self.bench.on(instance.machine, &start).map(drop)
    }

    /// Stops the daemon.
    pub fn stop(&self, instance: &Instance) -> Outcome<()> {
        let pid = format!("$(cat {}/pid)", self.home(instance));
        let stop = format!(
            "kill {pid}; for n in $(seq 100); do kill -0 {pid} 2>/dev/null || exit 0; sleep 0.1; done; exit 1"
        );
        self.bench.on(instance.machine, &stop).map(drop)
    }

    /// Has `from` send `count` messages to the other, `pause` apart. Returns at once.
    pub fn send(&self, from: &Instance, count: usize, pause: Duration) -> Outcome<()> {
        self.send_to(from, other(from).name, count, pause)
    }

    /// Has `from` send `count` messages to `to`, `pause` apart. Returns at once.
    pub fn send_to(&self, from: &Instance, to: &str, count: usize, pause: Duration) -> Outcome<()> {
        let log = self.sent(from);
        self.part_beside(from, "send", &format!("{to} {count} {} {}", pause.as_millis(), log.display()))
    }

    /// How many messages `send` accepted so far.
    pub fn accepted(&self, from: &Instance) -> usize {
        lines(&self.sent(from))
    }

    /// When `send` returned for each message, by the sender's clock.
    pub fn sent_at(&self, from: &Instance) -> Outcome<Vec<i64>> {
        let text = fs::read_to_string(self.sent(from))?;
        let times = text.lines().map(|line| Ok(line.split_once(' ').ok_or("a torn log")?.1.parse()?));
        times.collect()
    }

    /// Everything in an inbox.
    pub fn inbox(&self, at: &Instance) -> Outcome<Vec<Value>> {
        Ok(serde_json::from_str(&self.lanpost(at, "--json inbox --all")?)?)
    }

    pub fn status(&self, at: &Instance) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.lanpost(at, "--json status")?)?)
    }

    /// The same after another [`Pair::send`]: the log begins anew.
    pub fn send_more(&self, from: &Instance, count: usize, pause: Duration) -> Outcome<()> {
        // Into a file of another name: a guest goes on to know one that is removed on the host.
        self.anew(from).set(self.anew(from).get() + 1);
        self.send(from, count, pause)
    }

    /// Waits until `from` has had `count` messages accepted.
    pub fn await_accepted(&self, from: &Instance, count: usize) -> Outcome<()> {
        until(&format!("{} to send {count} messages", from.name), || Ok(self.accepted(from) >= count))
    }

    /// The check: what `send` accepted is in the other's inbox, each once and in order, and the sender knows it. A
    /// sender that lost its power may have had one more accepted than it could tell.
    pub fn settled(&self, from: &Instance, at_least: usize) -> Outcome<()> {
        let at = other(from);
        let accepted = self.accepted(from).max(at_least);
        let what =
            format!("the {accepted} messages of {} on {} to be delivered", from.name, self.kind.word());
        let waited = until(&what, || {
            let status = self.status(from)?;
            let out = &status["outgoing"];
            let delivered = out["delivered"].as_u64().unwrap_or(0);
            let all = out.as_object().map_or(0, |states| states.values().filter_map(Value::as_u64).sum());
            Ok(delivered == all && delivered >= accepted as u64)
        });
        let inbox = self.inbox(at)?;
        let numbers: Vec<usize> = inbox
            .iter()
            .map(|message| Ok(message["content"].as_str().ok_or("no text")?.parse()?))
            .collect::<Outcome<_>>()?;
        if let Some(wrong) = (0..numbers.len()).find(|index| numbers[*index] != index + 1) {
            let around = &numbers[wrong.saturating_sub(2)..(wrong + 3).min(numbers.len())];
            return Err(format!(
                "{}: at place {} of the inbox of {} stand {around:?}; {} came, {accepted} were accepted",
                self.case,
                wrong + 1,
                at.name,
                numbers.len()
            )
            .into());
        }
        waited.map_err(|error| {
            let problems =
                self.status(from).map(|status| format!("{} {}", status["outgoing"], status["problems"]));
            format!("{error}; {} came; status: {}", numbers.len(), problems.unwrap_or_default())
        })?;
        if !(accepted..=accepted + 1).contains(&numbers.len()) {
            return Err(format!("{}: {} came, {accepted} were accepted", self.case, numbers.len()).into());
        }
        Ok(())
    }

    /// The daemons end; the share's folder stays for whoever looks for a cause.
    pub fn end(&self) -> Outcome<()> {
        BOTH.iter().try_for_each(|instance| self.stop(instance))
    }
}

/// Who is at the other end.
pub fn other(instance: &Instance) -> &'static Instance {
    if instance.name == ANN.name { &BOB } else { &ANN }
}

/// Waits for a condition.
pub fn until(what: &str, mut condition: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let since = Instant::now();
    while !condition()? {
        if since.elapsed() > PATIENCE {
            return Err(format!("waited {} s for {what}", PATIENCE.as_secs()).into());
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}
