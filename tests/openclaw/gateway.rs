//! A real OpenClaw gateway on a PC: the default layout, `~/.openclaw`, with nothing of it on the machine's own user.
//!
//! It runs in a process group of its own, so that all it started dies with it. It calls nobody but the stub model: no
//! update, no catalogue, no discovery, no heartbeat. What `run` installed is named by the environment.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::model::{self, Model};
use crate::process::{Pc, until_true};

/// Node and OpenClaw, as `run` names them.
const NODE: &str = "LANPOST_TEST_NODE";
const OPENCLAW: &str = "LANPOST_TEST_OPENCLAW";
/// Where node keeps what it compiled, from one start to the next.
const CACHE: &str = "LANPOST_TEST_CACHE";
/// How long one may take to start, on a busy machine.
const START: Duration = Duration::from_secs(180);
/// How often one that ends while it starts is started again.
const RESTARTS: usize = 3;
/// The time between two glances.
const STEP: Duration = Duration::from_millis(100);

/// A gateway, running or not.
pub struct Gateway {
    pub port: u16,
    home: PathBuf,
    /// The config of lanpost that its agent works with.
    lanpost: PathBuf,
    child: Option<Child>,
}

impl Gateway {
    /// Writes the config of a gateway on `pc`, which has no hooks yet.
    pub fn on(pc: &Pc, port: u16, model: &Model) -> Gateway {
        let gateway = Gateway { port, home: pc.home.clone(), lanpost: pc.config.clone(), child: None };
        for folder in [gateway.folder(), gateway.workspace()] {
            fs::create_dir_all(folder).unwrap();
        }
        gateway.write(&gateway.first(&model.url(&pc.name)));
        gateway
    }

    fn first(&self, model: &str) -> Value {
        let thinks = json!({"id": model::NAME, "name": model::NAME, "reasoning": false, "input": ["text"],
            "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}, "contextWindow": 128_000, "maxTokens": 4096});
        json!({
            "gateway": {"mode": "local", "port": self.port, "bind": "loopback",
                "auth": {"mode": "token", "token": format!("the gateway's own token {}", self.port)},
                "controlUi": {"enabled": false}, "terminal": {"enabled": false}},
            "update": {"checkOnStart": false}, "telemetry": {"enabled": false},
            "logging": {"file": self.home.join("openclaw.log")},
            "models": {"mode": "replace", "catalogRefresh": {"enabled": false}, "providers": {"stub": {
                "baseUrl": model, "apiKey": "none", "api": "openai-completions", "models": [thinks]}}},
            "agents": {"defaults": {"model": {"primary": format!("stub/{}", model::NAME)}, "workspace": self.workspace(),
                "skipBootstrap": true, "heartbeat": {"every": "0m", "target": "none"}}, "entries": {"main": {}}},
        })
    }

    fn folder(&self) -> PathBuf {
        self.home.join(".openclaw")
    }

    fn workspace(&self) -> PathBuf {
        self.folder().join("workspace")
    }

    /// Its config.
    pub fn config(&self) -> PathBuf {
        self.folder().join("openclaw.json")
    }

    /// Its config as it is now.
    pub fn read(&self) -> Value {
        serde_json::from_slice(&fs::read(self.config()).unwrap()).unwrap()
    }

    /// Puts another config in the place of this one; a running gateway takes it up.
    pub fn write(&self, config: &Value) {
        let aside = self.config().with_extension("new");
        fs::write(&aside, serde_json::to_vec_pretty(config).unwrap()).unwrap();
        fs::rename(aside, self.config()).unwrap();
    }

    /// `openclaw ARGS` on its PC. Its agent finds lanpost on the path.
    pub fn openclaw(&self, args: &[&str]) -> Command {
        let (node, openclaw) = (named(NODE), named(OPENCLAW));
        let built = Path::new(env!("CARGO_BIN_EXE_lanpost")).parent().unwrap().to_owned();
        let path = std::env::join_paths([
            built,
            node.parent().unwrap().to_owned(),
            "/usr/bin".into(),
            "/bin".into(),
        ]);
        let mut command = Command::new(node);
        command.arg(openclaw).args(args).current_dir(self.workspace()).env_clear();
        command.env("HOME", &self.home).env("PATH", path.unwrap()).env("LANPOST_CONFIG", &self.lanpost);
        command.env("NODE_COMPILE_CACHE", named(CACHE));
        for switch in
            ["OPENCLAW_NO_AUTO_UPDATE", "OPENCLAW_DISABLE_BONJOUR", "OPENCLAW_NO_RESPAWN", "DO_NOT_TRACK"]
        {
            command.env(switch, "1");
        }
        command.stdin(Stdio::null()).process_group(0);
        command
    }

    /// Starts it if it does not run, and doesn't wait for it.
    pub fn start(&mut self) {
        if self.child.is_some() {
            return;
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let mut command = self.openclaw(&["gateway", "run"]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    fn log(&self) -> PathBuf {
        self.home.join("gateway.log")
    }

    /// Waits until it says that it is ready. One that ends before is started again: on a busy machine it may miss a
    /// deadline of its own, and says so.
    pub fn await_ready(&mut self) {
        let (since, mut ends) = (Instant::now(), 0);
        while !self.is_ready() {
            let ended = self.child.as_mut().expect("it was started").try_wait().unwrap();
            ends += usize::from(ended.is_some());
            if ends > RESTARTS || since.elapsed() > START {
                panic!("the gateway on port {} is not ready ({ended:?}):\n{}", self.port, self.last_words());
            }
            if let Some(status) = ended {
                println!("the gateway on port {} ended with {status}, and is started again", self.port);
                self.child = None;
                self.start();
            }
            std::thread::sleep(STEP);
        }
    }

    /// Waits until it began again what turns died with it before this start, which may read mail, too.
    pub fn await_recovery(&self) {
        until_true("the gateway to begin again what died with it", || {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let run = log.rsplit("loading configuration").next().unwrap_or_default();
            !run.contains("startup-orphaned main session")
                || run.contains("restart recovery startup complete")
        });
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
    }

    /// SIGKILL, for it and all it started.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            child.wait().unwrap();
        }
    }
}

fn named(key: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(key).unwrap_or_else(|| panic!("no {key}: use tests/openclaw/run")))
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}
