//! A tool of `lanpost mcp`, from the call to its answer, as an agent's program waits for it; with a daemon running, so that no call
//! touches the share. Each beside what the machine needs for as much: the same bytes to a process that sends them back, and for
//! `send` a durable write of the line that is sent. The server opens the store anew for each call, which is in it.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Outcome;
use crate::latency::{both, seconds, twice};
use crate::raw::ECHO;
use crate::stage::{Stage, letter};
use crate::table::Table;

/// A tool, and what it is given.
type Tool = (&'static str, fn() -> Value);

const TOOLS: [Tool; 3] = [
    ("peers", || json!({})),
    ("inbox", || json!({})),
    ("send", || json!({"to": "lab", "text": letter("lab").content})),
];

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    let samples = if quick { 20 } else { 1_000 };
    let stage = Stage::new()?;
    // Mail to list, from somebody who then is gone.
    let (mut office, _) = (stage.join("office", "")?, stage.join("lab", "")?);
    lanpost::engine::ops::send(&mut office, lanpost::engine::ops::Draft { create: true, ..letter("lab") })?;
    let _daemons = (stage.daemon("office")?, stage.daemon("lab")?);
    let mut server = Talker::new(stage.command("office").arg("mcp"))?;
    server.hello()?;
    for (tool, given) in TOOLS {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": given()}});
        let durably = tool == "send";
        // Until the peer is known, and all that is loaded once is loaded.
        for _ in 0..samples / 10 {
            server.call(&call)?;
        }
        let before = limit(&stage, &call, samples, durably)?;
        let times = (0..samples).map(|_| server.call(&call)).collect::<Outcome<Vec<_>>>()?;
        let after = limit(&stage, &call, samples, durably)?;
        let what = if durably {
            "the same bytes there and back, write + fdatasync"
        } else {
            "the same bytes there and back"
        };
        let ratio = seconds(&times) / seconds(&before).min(seconds(&after));
        table.row(
            format!("a call of the MCP tool `{tool}`, p50 / p99"),
            both(&times),
            twice(what, &before, &after),
            format!("{ratio:.0}×"),
            "",
        );
    }
    Ok(())
}

/// The same bytes to a process that sends them back, and a line made durable if that is part of it.
fn limit(stage: &Stage, call: &Value, samples: usize, durably: bool) -> Outcome<Vec<Duration>> {
    let mut echo = Talker::new(Command::new(std::env::current_exe()?).arg(ECHO))?;
    let mut file = OpenOptions::new().create(true).append(true).open(stage.raw().join("mcp"))?;
    let line = call.to_string();
    let one = |_| {
        let start = Instant::now();
        if durably {
            file.write_all(line.as_bytes())?;
            file.sync_data()?;
        }
        echo.say(call)?;
        echo.hear()?;
        Ok(start.elapsed())
    };
    (0..samples).map(one).collect()
}

/// A process that is spoken to in lines, and ends with its pipe.
struct Talker {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Talker {
    fn new(command: &mut Command) -> Outcome<Talker> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let from = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Talker { to: child.stdin.take(), from, child })
    }

    fn say(&mut self, value: &Value) -> Outcome<()> {
        Ok(self.to.as_mut().ok_or("it is closed")?.write_all(format!("{value}\n").as_bytes())?)
    }

    fn hear(&mut self) -> Outcome<Value> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// The protocol's first words.
    fn hello(&mut self) -> Outcome<()> {
        let us = json!({"name": "figures", "version": "1"});
        let given = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": us});
        self.say(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": given}))?;
        self.hear()?;
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    }

    /// How long a call took, which must succeed.
    fn call(&mut self, call: &Value) -> Outcome<Duration> {
        let start = Instant::now();
        self.say(call)?;
        let answer = self.hear()?;
        let took = start.elapsed();
        match answer["result"]["isError"] == false {
            true => Ok(took),
            false => Err(format!("a tool failed: {answer}").into()),
        }
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.wait();
    }
}
