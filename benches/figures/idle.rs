//! (d) What an idle daemon costs its PC, with 100 peers whose heartbeats change every 15 s.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lanpost::sys::process;

use crate::stage::{Stage, name, until};
use crate::table::{Table, aim, ms};
use crate::{Outcome, peers, raw};

const PEERS: u64 = 100;
/// How often each peer's heartbeat changes.
const BEAT: Duration = Duration::from_secs(15);
/// Linux counts a process's time in hundredths of a second towards its readers (proc(5), USER_HZ).
const TICKS: f64 = 100.0;

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    if !cfg!(target_os = "linux") {
        table.row("an idle daemon's CPU and memory", "measured on Linux only", "", "", "");
        return Ok(());
    }
    let measured = Duration::from_secs(if quick { 5 } else { 60 });
    let stage = Stage::new()?;
    let node = stage.join("lab", "")?;
    let share = stage.share();
    let names: Vec<_> = (0..PEERS).map(|n| name(&format!("peer-{n:03}"))).collect();
    for peer in &names {
        peers::beat(&*share, peer, 0)?;
    }
    let daemon = stage.daemon("lab")?;
    until("the daemon's knowing its peers", Duration::from_millis(20), || {
        Ok(node.db.peers()?.len() as u64 > PEERS)
    })?;
    let over = AtomicBool::new(false);
    let (cpu, memory) = std::thread::scope(|scope| {
        let beating = scope.spawn(|| -> Outcome<()> {
            for beat in 1.. {
                for peer in &names {
                    if over.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    peers::beat(&*share, peer, beat)?;
                    std::thread::sleep(BEAT / PEERS as u32);
                }
            }
            Ok(())
        });
        // A start is not idleness: the first looks, and the quick ones after them.
        std::thread::sleep(Duration::from_secs(if quick { 2 } else { 15 }));
        let measure = || -> Outcome<(f64, u64)> {
            let (start, before) = (Instant::now(), cpu_seconds(daemon.id())?);
            std::thread::sleep(measured);
            let used = cpu_seconds(daemon.id())? - before;
            Ok((used / start.elapsed().as_secs_f64(), resident(daemon.id())?))
        };
        let found = measure();
        over.store(true, Ordering::Relaxed);
        beating.join().map_err(|_| "the peers panicked")??;
        found
    })?;
    let listing = list_raw(&stage)?;
    let mut bare = raw::start(&[std::env::current_exe()?.display().to_string(), raw::HOLD.into()])?;
    std::thread::sleep(Duration::from_millis(200));
    let bare_memory = resident(bare.id());
    process::terminate(bare.id());
    bare.wait()?;
    let bare_memory = bare_memory?;

    let seconds = measured.as_secs();
    let what = format!(
        "an idle daemon's CPU over {seconds} s, {PEERS} peers' heartbeats changing every {} s",
        BEAT.as_secs()
    );
    // A look at the heartbeats every two seconds is what the daemon allows itself.
    let limit = listing / 2.0;
    table.row(
        what,
        format!("{:.2} % of one core", cpu * 100.0),
        format!("the heartbeats listed raw every 2 s ({} each): {:.2} %", ms(listing), limit * 100.0),
        format!("{:.1}×", cpu / limit),
        aim("< 0.5 %", cpu < 0.005),
    );
    table.row(
        "its resident memory",
        megabytes(memory),
        format!("a process that does nothing: {}", megabytes(bare_memory)),
        format!("{:.1}×", memory as f64 / bare_memory as f64),
        aim("< 20 MB", memory < 20_000_000),
    );
    Ok(())
}

/// Seconds that one raw listing of all heartbeats takes, with a stat each.
fn list_raw(stage: &Stage) -> Outcome<f64> {
    let share = stage.share();
    let start = Instant::now();
    for _ in 0..20 {
        share.list(&lanpost::model::layout::status_folder())?;
    }
    Ok(start.elapsed().as_secs_f64() / 20.0)
}

/// User and system time of a process so far: fields 14 and 15 of its `stat`, counted behind the name in parentheses.
fn cpu_seconds(pid: u32) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(") ").ok_or("a strange stat")?.1.split(' ').collect();
    let ticks: u64 = fields.get(11).ok_or("a short stat")?.parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / TICKS)
}

/// Resident bytes of a process.
fn resident(pid: u32) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
