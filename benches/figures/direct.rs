//! From just before the sender's commit to the moment the wake command runs at the recipient, when its daemon is handed
//! the mail directly, over TLS on loopback. Everything else is as in `latency`, whose limit this goes further than: four
//! writes have to be durable one after another (the mail, and its number, at the sender; the mail, and the wake, at the
//! recipient), and a connection lies between them.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use lanpost::model::route::{Chosen, Route};

use crate::latency::{TALK, both, pair, seconds, twice, wakes};
use crate::raw::{self, Bell, Watched};
use crate::stage::{PATIENCE, Stage, name, until};
use crate::table::{Table, aim, percentile};
use crate::{Outcome, peers};

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    let samples = if quick { 8 } else { 200 };
    let bell = Bell::new()?;
    let stage = Stage::new()?;
    let before = limit(&stage, &bell, samples)?;
    let times = direct(&bell, samples)?;
    let after = limit(&stage, &bell, samples)?;
    let raw = "write + fdatasync, event, the same again, TCP, the same twice, new process, its first word";
    let ratio = seconds(&times) / seconds(&before).min(seconds(&after));
    let met = percentile(&times, 0.5) < Duration::from_millis(5);
    table.row(
        "send to wake (`wake.window` 0), p50 / p99: directly, on loopback",
        both(&times),
        twice(raw, &before, &after),
        format!("{ratio:.1}×"),
        aim("p50 < 5 ms", met),
    );
    Ok(())
}

/// Wakes by mail that is handed over directly, all of it.
fn direct(bell: &Bell, samples: usize) -> Outcome<Vec<Duration>> {
    let stage = Stage::new()?;
    let (mut office, lab) = pair(&stage, bell, true, "[direct]\nlisten = \"127.0.0.1:0\"\n")?;
    let _daemons = (stage.daemon("office")?, stage.daemon("lab")?);
    // Each has to learn the other's key first; what was sent until then went by the share.
    let mut known = None;
    until("the direct route", Duration::from_millis(5), || {
        known = office.db.route("lab")?.filter(|route| route.via == Route::Direct);
        Ok(known.is_some() && lab.db.route("office")?.is_some())
    })?;
    let times = wakes(&mut office, &lab, bell, samples, TALK)?;
    let began = |route: Option<Chosen>| route.map(|route| (route.via, route.since));
    match began(office.db.route("lab")?) == began(known) {
        true => Ok(times),
        false => Err("the share took over meanwhile".into()),
    }
}

/// The same raw: two threads, each with a file of its own besides the one whose event is waited for.
fn limit(stage: &Stage, bell: &Bell, samples: usize) -> Outcome<Vec<Duration>> {
    let line = peers::line(&name("office"), &name("lab"), &peers::id(1), 1, &"x".repeat(1024));
    let folder = tempfile::tempdir_in(stage.raw())?;
    let mut number = file(folder.path(), "number")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut way = TcpStream::connect(listener.local_addr()?)?;
    way.set_nodelay(true)?;
    let (there, _) = listener.accept()?;
    there.set_read_timeout(Some(PATIENCE))?;
    let (folder, command) = (folder.path(), bell.command()?);
    let (event, heard) = std::sync::mpsc::sync_channel(16);
    let mut watched = Watched::new(&stage.raw(), move || {
        let _ = event.try_send(());
    })?;
    std::thread::scope(|scope| {
        let recipient = scope.spawn(|| recipient(there, folder, &command, line.len(), samples));
        let mut times = vec![];
        for _ in 0..samples {
            heard.try_iter().for_each(drop);
            let start = watched.append(&line)?;
            heard.recv()?;
            durably(&mut number, &line)?;
            way.write_all(&line)?;
            bell.wait()?;
            times.push(start.elapsed());
        }
        recipient.join().map_err(|_| "the recipient's thread panicked")??;
        Ok(times)
    })
}

/// Takes lines of this length in, and starts a process for each.
fn recipient(
    mut way: TcpStream,
    folder: &Path,
    command: &[String],
    length: usize,
    samples: usize,
) -> Outcome<()> {
    let (mut mail, mut wake) = (file(folder, "mail")?, file(folder, "wake")?);
    let mut line = vec![0; length];
    for _ in 0..samples {
        way.read_exact(&mut line)?;
        durably(&mut mail, &line)?;
        durably(&mut wake, &line)?;
        raw::start(command)?.wait()?;
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
