//! A large file from one instance to another, and the same by `cp`: copied into the state folder, put on the share, and
//! fetched from there, each as durable as it is at work. The limit is the same bytes copied once by the system, and synced.
//! Needs five times its size on the disk.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Draft};
use lanpost::engine::porter::Porter;
use lanpost::model::state::State;
use lanpost::sys::share::Share;

use crate::Outcome;
use crate::stage::{Stage, everything, settle};
use crate::table::Table;

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    let size: u64 = if quick { 8 << 20 } else { 5 << 30 };
    let stage = Stage::new()?;
    let source = stage.raw().join("source");
    fill(&source, size)?;
    let (mut office, lab) = (stage.join("office", "")?, stage.join("lab", "")?);
    meet(&stage)?;
    let before = copy(&source, &stage.raw().join("copy"))?;
    let [kept, put, fetched] = once(&stage, &mut office, &lab, &source)?;
    let after = copy(&source, &stage.raw().join("copy"))?;
    let limit = before.min(after);
    let rate = |time: Duration| size as f64 / time.as_secs_f64() / 1e6;
    let whole = size as f64 / f64::from(1 << 30);
    for (what, time) in [
        ("copied into the state folder and hashed (`send --attach`)", kept),
        ("from there to the share", put),
        ("from the share into the recipient's state folder, verified", fetched),
    ] {
        table.row(
            format!("a file of {whole:.2} GiB, {what}"),
            format!("{:.0} MB/s", rate(time)),
            format!("`cp` of it and `fsync`, {:.0} / {:.0} MB/s", rate(before), rate(after)),
            format!("{:.2}×", time.as_secs_f64() / limit.as_secs_f64()),
            "",
        );
    }
    Ok(())
}

/// One message with the file: how long each part took.
fn once(stage: &Stage, office: &mut Node, lab: &Node, source: &Path) -> Outcome<[Duration; 3]> {
    let mut draft = Draft::new("lab".parse()?, "the file");
    let start = Instant::now();
    ops::attach(office, &mut draft, &[source.to_owned()], &mut |_, _| {})?;
    let kept = start.elapsed();
    let sent = ops::send(office, draft)?;
    let put = carry(&stage.share(), stage.open("office")?)?;
    meet(stage)?;
    let fetched = carry(&stage.share(), stage.open("lab")?)?;
    let came = ops::peek(lab, sent.id.as_str())?;
    if came.state != State::Delivered {
        return Err(format!("the message is {}", came.state).into());
    }
    Ok([kept, put, fetched])
}

/// Each sends what waits and takes in what came.
fn meet(stage: &Stage) -> Outcome<()> {
    for instance in ["office", "lab", "office", "lab"] {
        settle(&mut stage.engine(stage.open(instance)?, stage.share())?, everything())?;
    }
    Ok(())
}

/// Has a porter move all there is to move.
fn carry(share: &Arc<dyn Share>, node: Node) -> Outcome<Duration> {
    let mut porter = Porter::new(node)?;
    let start = Instant::now();
    loop {
        let step = porter.step(&**share)?;
        if let Some(problem) = step.problems.first() {
            return Err(problem.to_string().into());
        }
        if !step.rest.is_zero() && !step.ready {
            return Ok(start.elapsed());
        }
    }
}

/// The same bytes by the system's own copy, synced.
fn copy(from: &Path, to: &Path) -> Outcome<Duration> {
    let start = Instant::now();
    let done = std::process::Command::new("cp").args(["--reflink=never".as_ref(), from, to]).status()?;
    if !done.success() {
        return Err("cp failed".into());
    }
    std::fs::File::open(to)?.sync_all()?;
    let time = start.elapsed();
    std::fs::remove_file(to)?;
    Ok(time)
}

/// Bytes that no file system makes shorter.
fn fill(path: &Path, size: u64) -> Outcome<()> {
    let mut file = std::fs::File::create(path)?;
    let mut bytes = blake3::Hasher::new().update(b"figures").finalize_xof();
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..size >> 20 {
        bytes.read_exact(&mut buffer)?;
        file.write_all(&buffer)?;
    }
    Ok(file.sync_all()?)
}
