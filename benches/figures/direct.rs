//! From just before the sender's commit to the moment the recipient's agent is woken, when its daemon is handed the mail
//! directly, over TLS on loopback: by a post to its server on this PC, as gateways are woken, or by a command, whose process
//! has to start and say so. Everything else is as in `latency`, whose limit this goes further than: three writes have to be
//! durable one after another (the mail, and its number, at the sender; the mail at the recipient), and connections lie
//! between them. The limit's loop pauses as the samples do: a disk, and a processor, that slept takes its time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use lanpost::model::route::{Chosen, Route};

use crate::agent::{Agent, Server};
use crate::latency::{TALK, both, pair, seconds, twice, wakes};
use crate::raw::{Bell, Watched};
use crate::stage::{PATIENCE, Stage, name, until};
use crate::table::{Table, aim, percentile};
use crate::{Outcome, peers};

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    let samples = if quick { 8 } else { 200 };
    let (server, bell) = (Server::new()?, Bell::new()?);
    let ways: [(&dyn Agent, &str, &str, &str); 2] = [
        (&server, "its server is told", "TCP", "p50 < 5 ms"),
        (&bell, "its command's first word", "new process, its first word", ""),
    ];
    for (agent, what, raw, wanted) in ways {
        let stage = Stage::new()?;
        let before = limit(&stage, agent, samples)?;
        let times = direct(agent, samples)?;
        let after = limit(&stage, agent, samples)?;
        let raw = format!("write + fdatasync, event, the same again, TCP, the same once more, {raw}");
        let ratio = seconds(&times) / seconds(&before).min(seconds(&after));
        let met = percentile(&times, 0.5) < Duration::from_millis(5);
        table.row(
            format!("send to wake (`wake.window` 0), p50 / p99: directly, on loopback, until {what}"),
            both(&times),
            twice(&raw, &before, &after),
            format!("{ratio:.1}×"),
            if wanted.is_empty() { String::new() } else { aim(wanted, met) },
        );
    }
    Ok(())
}

/// Wakes by mail that is handed over directly, all of it.
fn direct(agent: &dyn Agent, samples: usize) -> Outcome<Vec<Duration>> {
    let stage = Stage::new()?;
    let (mut office, lab) = pair(&stage, agent, true, "[direct]\nlisten = \"127.0.0.1:0\"\n")?;
    let _daemons = (stage.daemon("office")?, stage.daemon("lab")?);
    // Each has to learn the other's key first; what was sent until then went by the share.
    let mut known = None;
    until("the direct route", Duration::from_millis(5), || {
        known = office.db.route("lab")?.filter(|route| route.via == Route::Direct);
        Ok(known.is_some() && lab.db.route("office")?.is_some())
    })?;
    let times = wakes(&mut office, &lab, agent, samples, TALK)?;
    let began = |route: Option<Chosen>| route.map(|route| (route.via, route.since));
    match began(office.db.route("lab")?) == began(known) {
        true => Ok(times),
        false => Err("the share took over meanwhile".into()),
    }
}

/// The same raw: two threads, each with a file of its own besides the one whose event is waited for.
fn limit(stage: &Stage, agent: &dyn Agent, samples: usize) -> Outcome<Vec<Duration>> {
    let line = peers::line(&name("office"), &name("lab"), &peers::id(1), 1, &"x".repeat(1024));
    let folder = tempfile::tempdir_in(stage.raw())?;
    let mut number = file(folder.path(), "number")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut way = TcpStream::connect(listener.local_addr()?)?;
    way.set_nodelay(true)?;
    let (there, _) = listener.accept()?;
    there.set_read_timeout(Some(PATIENCE))?;
    let folder = folder.path();
    let (event, heard) = std::sync::mpsc::sync_channel(16);
    let mut watched = Watched::new(&stage.raw(), move || {
        let _ = event.try_send(());
    })?;
    std::thread::scope(|scope| {
        let recipient = scope.spawn(|| recipient(there, folder, agent, line.len(), samples));
        let mut times = vec![];
        for n in 0..samples {
            TALK.pause(n);
            heard.try_iter().for_each(drop);
            let start = watched.append(&line)?;
            heard.recv()?;
            durably(&mut number, &line)?;
            way.write_all(&line)?;
            agent.wait()?;
            times.push(start.elapsed());
        }
        recipient.join().map_err(|_| "the recipient's thread panicked")??;
        Ok(times)
    })
}

/// Takes lines of this length in, and wakes the agent for each.
fn recipient(
    mut way: TcpStream,
    folder: &Path,
    agent: &dyn Agent,
    length: usize,
    samples: usize,
) -> Outcome<()> {
    let mut mail = file(folder, "mail")?;
    let mut line = vec![0; length];
    for _ in 0..samples {
        way.read_exact(&mut line)?;
        durably(&mut mail, &line)?;
        agent.wake()?;
    }
    Ok(())
}

fn file(folder: &Path, name: &str) -> Outcome<File> {
    Ok(OpenOptions::new().create(true).append(true).open(folder.join(name))?)
}

fn durably(file: &mut File, line: &[u8]) -> Outcome<()> {
    file.write_all(line)?;
    Ok(file.sync_data()?)
}
