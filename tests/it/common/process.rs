//! lanpost as its users run it: the real binary, on PCs that are folders, with a home of their own each.
//!
//! Every process has a deadline and is killed with its guard, so that no test can hang and none leaves anything
//! behind. Nothing of the machine's own user is seen or touched: home, XDG folders and temporary folder lie in the
//! test's folder, and no `LANPOST_*` variable gets through.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lanpost::engine::node::Node;
use lanpost::sys::clock::SystemClock;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test fails. No test waits for it to pass.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// The time between two looks at a condition.
const STEP: Duration = Duration::from_millis(10);

/// Looks until `probe` has an answer; fails the test when [`PATIENCE`] is over.
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(since.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(STEP);
    }
}

/// Looks until `probe` is true.
pub fn until_true(what: &str, mut probe: impl FnMut() -> bool) {
    until(what, || probe().then_some(()));
}

/// Several PCs with one folder in common.
pub struct Lan {
    root: TempDir,
}

impl Lan {
    /// An empty share; nobody has joined.
    pub fn new() -> Lan {
        let lan = Lan { root: tempfile::Builder::new().prefix("lan 局域网 ").tempdir().unwrap() };
        fs::create_dir(lan.share()).unwrap();
        lan
    }

    /// The folder in common.
    pub fn share(&self) -> PathBuf {
        self.path("share")
    }

    /// A path in the test's folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    /// A PC on which nothing was set up.
    pub fn pc(&self, name: &str) -> Pc {
        let home = self.path(name);
        let pc = Pc {
            name: name.to_owned(),
            share: self.share(),
            config: home.join("lanpost.toml"),
            state: home.join("state"),
            home,
        };
        for folder in [&pc.home, &pc.temporary()] {
            fs::create_dir_all(folder).unwrap();
        }
        pc
    }

    /// A PC that joined the share, with quick looks.
    pub fn join(&self, name: &str) -> Pc {
        self.join_with(name, &Settings::default())
    }

    /// A PC that joined the share, set up so.
    pub fn join_with(&self, name: &str, settings: &Settings) -> Pc {
        let pc = self.pc(name);
        pc.init(&[]);
        pc.configure(settings);
        pc
    }

    /// The share goes away, as an unmounted one does: its folder is gone.
    pub fn unmount(&self) {
        fs::rename(self.share(), self.path("share.away")).unwrap();
    }

    /// It is back.
    pub fn mount(&self) {
        fs::rename(self.path("share.away"), self.share()).unwrap();
    }
}

/// What a config says beyond the names and places.
#[derive(Clone, Default)]
pub struct Settings {
    pub agents: Vec<&'static str>,
    /// Lines of the tables, after the quick ones.
    pub look: String,
    pub wake: String,
    pub limits: String,
}

impl Settings {
    /// Wakes by `command`, with quick retries and lines of one's own.
    pub fn waking(command: &[&str], more: &str) -> Settings {
        let quick = "window = \"0s\"\nretry = \"100ms\"\nretry_max = \"1s\"\n";
        Settings { wake: format!("command = {command:?}\n{quick}{more}\n"), ..Settings::default() }
    }
}

/// One PC: a home, a config, a state folder.
pub struct Pc {
    pub name: String,
    pub share: PathBuf,
    pub config: PathBuf,
    pub state: PathBuf,
    pub home: PathBuf,
}

impl Pc {
    /// The PC's folder for temporary files.
    pub fn temporary(&self) -> PathBuf {
        self.home.join("tmp")
    }

    /// `lanpost ARGS`, without a config named, in the PC's own surroundings.
    pub fn bare<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lanpost"));
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("LANPOST_")) {
            command.env_remove(key);
        }
        for (key, folder) in [
            ("HOME", "."),
            ("USERPROFILE", "."),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "local/state"),
            ("XDG_DATA_HOME", "local/share"),
            ("XDG_CACHE_HOME", "cache"),
            ("TMPDIR", "tmp"),
        ] {
            command.env(key, self.home.join(folder));
        }
        command.args(args).current_dir(&self.home).stdin(Stdio::null());
        command
    }

    /// `lanpost --config CONFIG ARGS`
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut all: Vec<OsString> = vec!["--config".into(), self.config.clone().into()];
        all.extend(args.iter().map(OsString::from));
        self.bare(&all)
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Done {
        finish(self.command(args), b"")
    }

    /// Runs a command that is fed `stdin`.
    pub fn feed<S: AsRef<OsStr>>(&self, args: &[S], stdin: &[u8]) -> Done {
        finish(self.command(args), stdin)
    }

    /// Runs a command that must succeed; its standard output.
    pub fn ok<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        self.run(args).exits(0).out
    }

    /// Runs a command with `--json` that must succeed; its answer.
    pub fn json<S: AsRef<OsStr>>(&self, args: &[S]) -> Value {
        let mut all: Vec<OsString> = vec!["--json".into()];
        all.extend(args.iter().map(OsString::from));
        self.run(&all).exits(0).json()
    }

    /// Sets the PC up on the share.
    pub fn init(&self, more: &[&str]) -> String {
        self.try_init(more).exits(0).out
    }

    /// Tries to set the PC up on the share.
    pub fn try_init(&self, more: &[&str]) -> Done {
        let paths = [self.share.display().to_string(), self.state.display().to_string()];
        let mut args =
            vec!["init", "--share", &paths[0], "--state", &paths[1], "--instance", self.name.as_str()];
        args.extend(more);
        self.run(&args)
    }

    /// Writes a config with quick looks in the place of what `init` wrote.
    pub fn configure(&self, settings: &Settings) {
        let Settings { agents, look, wake, limits } = settings;
        let (name, state, share) = (&self.name, self.state.display(), self.share.display());
        let mut quick = String::new();
        for (key, value) in
            [("busy", "10ms"), ("idle", "50ms"), ("rest", "100ms"), ("full", "500ms"), ("heartbeat", "1s")]
        {
            if !look.contains(&format!("{key} =")) {
                quick += &format!("{key} = \"{value}\"\n");
            }
        }
        let text = format!(
            "instance = \"{name}\"\nagents = {agents:?}\nstate = '{state}'\n[share]\npath = '{share}'\n\
             [look]\n{quick}{look}\n[wake]\n{wake}\n[limits]\n{limits}\n"
        );
        fs::write(&self.config, text).unwrap();
    }

    /// Starts the daemon and waits until its engine is at work.
    pub fn daemon(&self) -> Daemon {
        self.daemon_under(&[])
    }

    /// The same, started by another program: `RUNNER… lanpost run`.
    pub fn daemon_under(&self, runner: &[&str]) -> Daemon {
        let mut daemon = self.spawn_daemon_under(runner);
        until(&format!("the daemon of {}", self.name), || {
            if let Some(code) = daemon.ended() {
                panic!("the daemon of {} ended with {code:?}:\n{}", self.name, daemon.log());
            }
            daemon.is_at_work().then_some(())
        });
        daemon
    }

    /// Starts the daemon, and doesn't wait for it.
    pub fn spawn_daemon(&self) -> Daemon {
        self.spawn_daemon_under(&[])
    }

    fn spawn_daemon_under(&self, runner: &[&str]) -> Daemon {
        let log = self.home.join("daemon.log");
        let mut command = under(runner, self.command(&["run"]));
        command.stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        Daemon { child: begin(&mut command), log }
    }

    /// The inbox as `inbox --all --json` shows it.
    pub fn inbox(&self) -> Vec<Value> {
        list(self.json(&["inbox", "--all"]))
    }

    /// Waits for a message with this text and returns it.
    pub fn receives(&self, text: &str) -> Value {
        until(&format!("{:?} at {}", text.chars().take(40).collect::<String>(), self.name), || {
            self.inbox().into_iter().find(|message| message["content"] == text)
        })
    }

    /// Waits until a message that is known here has come as far as `state`, and returns its trace.
    pub fn sees(&self, id: &str, state: &str) -> Value {
        until(&format!("{id} to be {state} at {}", self.name), || {
            Some(self.json(&["trace", id])).filter(|trace| trace["state"] == state)
        })
    }

    /// The PC's store, opened by this process as a library user does.
    pub fn node(&self) -> Node {
        let (config, _) = lanpost::app::locate::load(Some(&self.config)).unwrap();
        Node::open(config, Arc::new(SystemClock::new())).unwrap()
    }

    /// A path in the PC's home.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.home.join(relative)
    }

    /// Sends a text; its id.
    pub fn send(&self, to: &str, text: &str) -> String {
        text_of(&self.json(&["send", to, text]), "id")
    }
}

/// `command`, started by another program that becomes it.
fn under(runner: &[&str], command: Command) -> Command {
    let [program, args @ ..] = runner else { return command };
    let mut outer = Command::new(program);
    outer.args(args).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    outer.current_dir(command.get_current_dir().unwrap_or(Path::new("."))).stdin(Stdio::null());
    outer
}

/// The elements of an array.
pub fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        other => panic!("not an array: {other}"),
    }
}

/// A key that must hold a text.
pub fn text_of(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no text in {key:?} of {value}")).to_owned()
}

/// What a process left.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Fails the test unless the process ended so, and without a panic.
    #[track_caller]
    pub fn exits(self, code: i32) -> Done {
        assert_eq!(self.code, Some(code), "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Fails the test unless standard error holds all of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Done {
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in:\n{}", self.err);
        }
        self
    }

    /// The last thing on standard error, as JSON.
    #[track_caller]
    pub fn error(&self) -> Value {
        let last = self.err.lines().last().unwrap_or_default();
        let said: Value =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {:?}", self.err));
        said["error"].clone()
    }

    /// The message of that.
    #[track_caller]
    pub fn json_error(&self) -> String {
        text_of(&self.error(), "message")
    }

    /// The answer as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {:?}", self.out))
    }
}

/// Runs a command to its end or to [`PATIENCE`], which fails the test.
#[track_caller]
pub fn finish(mut command: Command, stdin: &[u8]) -> Done {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{command:?}");
    let mut child = begin(&mut command);
    let (out, err) = (drain(child.0.stdout.take()), drain(child.0.stderr.take()));
    let (mut to, bytes) = (child.0.stdin.take().unwrap(), stdin.to_vec());
    // One that doesn't read is no failure here.
    let feeder = std::thread::spawn(move || to.write_all(&bytes).is_ok());
    let since = Instant::now();
    let code = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status.code();
        }
        if since.elapsed() > PATIENCE {
            drop(child);
            panic!("{shown} did not end within {PATIENCE:?}:\n{}{}", join(out), join(err));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    feeder.join().unwrap();
    Done { code, out: join(out), err: join(err) }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    let mut pipe = pipe.unwrap();
    std::thread::spawn(move || {
        let mut bytes = vec![];
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn join(reader: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8(reader.join().unwrap()).expect("lanpost prints UTF-8")
}

/// Begins a process. Wine, when it is pressed, has now and then an internal error (1359) of its own, or too many open files
/// (4), before anything of the program ran: then it is begun again.
#[track_caller]
pub fn begin(command: &mut Command) -> Guard {
    let mut child = command.spawn();
    for _ in 0..5 {
        match &child {
            Err(error) if cfg!(windows) && matches!(error.raw_os_error(), Some(4 | 1359)) => {
                println!("begun again: {command:?}: {error}");
                child = command.spawn();
            }
            _ => break,
        }
    }
    Guard(child.unwrap())
}

/// A process that is killed when dropped.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process whose lines are read as they come.
pub struct Follower {
    child: Guard,
    lines: Receiver<String>,
}

impl Follower {
    pub fn start(mut command: Command) -> Follower {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = begin(&mut command);
        let (to, lines) = channel();
        let out = BufReader::new(child.0.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).all(|line| to.send(line).is_ok()));
        Follower { child, lines }
    }

    /// The next line; waits for it.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("one more line")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_none()
    }

    /// Waits for its end; the exit code.
    pub fn end(&mut self) -> Option<i32> {
        until("the end of a process", || self.child.0.try_wait().unwrap()).code()
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Guard,
    log: PathBuf,
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// What it said on standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether its engine has begun.
    pub fn is_at_work(&self) -> bool {
        self.log().contains(" runs instance ")
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<Option<i32>> {
        self.child.0.try_wait().unwrap().map(|status| status.code())
    }

    /// Waits for its end; the exit code.
    pub fn end(&mut self) -> Option<i32> {
        until("the daemon's end", || self.ended())
    }

    /// Asks it to stop, as a service manager or a person does, and waits.
    pub fn stop(mut self) -> String {
        ask_to_stop(self.pid(), &self.log.with_file_name("lanpost.toml"));
        assert_eq!(self.end(), Some(0), "{}", self.log());
        self.log()
    }

    /// SIGKILL. Whether it was alive until then.
    pub fn kill(mut self) -> bool {
        let alive = self.ended().is_none();
        drop(self);
        alive
    }
}

/// Removes a folder with all in it, if need be a little later: Windows refuses while a file in it is open.
pub fn remove_folder(folder: &Path) {
    until("a folder to be removed", || fs::remove_dir_all(folder).ok().or((!folder.exists()).then_some(())));
}

/// A name that no Unicode text gives, between two that do.
#[cfg(unix)]
pub fn no_unicode(before: &str, after: &str) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec([before.as_bytes(), b"\xff", after.as_bytes()].concat())
}

/// A name that no Unicode text gives, between two that do: with half of a surrogate pair.
#[cfg(windows)]
pub fn no_unicode(before: &str, after: &str) -> OsString {
    use std::os::windows::ffi::OsStringExt;
    OsString::from_wide(
        &before.encode_utf16().chain([0xD800]).chain(after.encode_utf16()).collect::<Vec<_>>(),
    )
}

/// All files and folders below `folder`, relative, sorted.
pub fn listing(folder: &Path) -> Vec<String> {
    let mut found: Vec<String> = walkdir::WalkDir::new(folder)
        .min_depth(1)
        .into_iter()
        .map(|entry| entry.unwrap().path().strip_prefix(folder).unwrap().display().to_string())
        .collect();
    found.sort();
    found
}

/// Who asks a daemon to stop here, in its own words.
pub const ASKED: &str = if cfg!(windows) { "Ctrl-C" } else { "SIGTERM" };
/// How a process ended that aborted, in lanpost's words.
pub const ABORTED: &str = if cfg!(windows) { "exit code -1073740791" } else { "signal: 6" };

#[cfg(unix)]
fn ask_to_stop(pid: u32, _config: &Path) {
    lanpost::sys::process::terminate(pid);
}

/// Ctrl-C, which no process can give another that shares no console with it. Wine gives it to a process that gets
/// Linux's SIGINT; its process id of Linux is found by its command line, which holds `config`.
#[cfg(windows)]
fn ask_to_stop(_pid: u32, config: &Path) {
    let config = config.display().to_string();
    let is_it = |pid: &str| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains(&config) && line.trim_end_matches('\0').ends_with("run")
    };
    let processes = fs::read_dir("/proc").expect("a process can be interrupted under Wine alone");
    let mut names = processes.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pid = names.find(|name| name.parse::<u32>().is_ok() && is_it(name)).expect("the daemon's process");
    assert!(Command::new("start").args(["/unix", "/bin/kill", "-INT", &pid]).status().unwrap().success());
}

/// Ends a process that is nobody's child any more.
pub fn kill(pid: u32) {
    let pid = pid.to_string();
    let (program, args) = if cfg!(windows) { ("taskkill", ["/F", "/PID"]) } else { ("kill", ["-9", "--"]) };
    let _ = Command::new(program).args(args).arg(pid).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Whether a process runs. One that nobody waited for yet doesn't.
pub fn is_running(pid: u32) -> bool {
    let state = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The state follows the program's name, which stands in brackets and may hold anything.
        Ok(stat) => stat.rsplit(") ").next().unwrap_or_default().to_owned(),
        Err(_) if Path::new("/proc/self").exists() => String::new(),
        Err(_) => {
            let asked = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
            String::from_utf8(asked.stdout).unwrap()
        }
    };
    !matches!(state.trim_start().chars().next(), None | Some('Z' | 'X'))
}
