//! What the machine gives at best: durable writes, file notifications, new processes; nothing of lanpost in them.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::Outcome;
use crate::stage::PATIENCE;

/// The wake command: this very program, told to say at once that it runs.
pub const PROBE: &str = "--probe";
/// An idle process: this very program, told to wait for the end of its stdin.
pub const HOLD: &str = "--hold";
/// A process that sends each line back: this very program.
pub const ECHO: &str = "--echo";

/// Plays a part in a child process, if the first argument names one.
pub fn play(role: &str, arguments: &[String]) -> Option<ExitCode> {
    match (role, arguments) {
        (PROBE, [address]) => {
            let sent = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"!", address));
            Some(if sent.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        (HOLD, []) => {
            let _ = std::io::stdin().read(&mut [0]);
            Some(ExitCode::SUCCESS)
        }
        (ECHO, []) => {
            let mut out = std::io::stdout().lock();
            let lines = std::io::stdin().lock().lines().map_while(Result::ok);
            for line in lines {
                if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                    break;
                }
            }
            Some(ExitCode::SUCCESS)
        }
        _ => None,
    }
}

/// Where probes report.
pub struct Bell(UdpSocket);

impl Bell {
    /// A socket that only this PC reaches.
    pub fn new() -> Outcome<Bell> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Bell(socket))
    }

    /// The command whose start rings it.
    pub fn command(&self) -> Outcome<Vec<String>> {
        let program = std::env::current_exe()?.display().to_string();
        let address: SocketAddr = self.0.local_addr()?;
        Ok(vec![program, PROBE.into(), address.to_string()])
    }

    /// Waits for one ring.
    pub fn heard(&self) -> Outcome<()> {
        loop {
            match self.0.recv(&mut [0]) {
                // A machine that was frozen for a moment ends the call so.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                heard => return Ok(heard.map(drop).map_err(|error| format!("no wake came: {error}"))?),
            }
        }
    }
}

/// Starts a command as the wake adapter does.
pub fn start(command: &[String]) -> Outcome<Child> {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(child.spawn()?)
}

/// Writes `batches` to a new file, each in one write and synced; lines per second.
pub fn durable(folder: &Path, batches: &[Vec<u8>], lines: usize) -> Outcome<f64> {
    let path = folder.join(format!("durable-{:?}", std::thread::current().id()));
    let mut file = File::create(&path)?;
    let start = Instant::now();
    for batch in batches {
        file.write_all(batch)?;
        file.sync_data()?;
    }
    let rate = lines as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(rate)
}

/// A watched raw file: what is appended to it, durably, comes back as an event in another thread.
pub struct Watched {
    file: File,
    events: Receiver<Instant>,
    _watcher: RecommendedWatcher,
}

impl Watched {
    /// Watches a new file in `folder`; `on_event` runs in the watcher's thread first.
    pub fn new(folder: &Path, mut on_event: impl FnMut() + Send + 'static) -> Outcome<Watched> {
        let file = OpenOptions::new().create(true).append(true).open(folder.join("watched"))?;
        let (heard, events) = channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| matches!(event.kind, EventKind::Modify(_))) {
                let at = Instant::now();
                on_event();
                let _ = heard.send(at);
            }
        })?;
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(Watched { file, events, _watcher: watcher })
    }

    /// Appends a line, and returns when that was begun.
    pub fn append(&mut self, line: &[u8]) -> Outcome<Instant> {
        while self.events.try_recv().is_ok() {}
        let start = Instant::now();
        self.file.write_all(line)?;
        self.file.sync_data()?;
        Ok(start)
    }

    /// The time from before a durable write to its event.
    pub fn event(&mut self, line: &[u8]) -> Outcome<Duration> {
        let start = self.append(line)?;
        Ok(self.events.recv_timeout(PATIENCE)?.saturating_duration_since(start))
    }
}

/// Writes the lines of `batches` into a bare SQLite table, a transaction for each batch, as durable as the store's
/// (WAL, synchronous=FULL); lines per second.
pub fn sqlite(folder: &Path, batches: &[Vec<u8>], lines: usize) -> Outcome<f64> {
    let folder = tempfile::tempdir_in(folder)?;
    let mut db = rusqlite::Connection::open(folder.path().join("bare.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE line (text BLOB NOT NULL);",
    )?;
    let start = Instant::now();
    for batch in batches {
        let tx = db.transaction()?;
        for line in batch.split_inclusive(|byte| *byte == b'\n') {
            tx.prepare_cached("INSERT INTO line VALUES (?1)")?.execute([line])?;
        }
        tx.commit()?;
    }
    Ok(lines as f64 / start.elapsed().as_secs_f64())
}
