//! An agent that is woken by a command. It is played by this very test binary, so that no shell is needed: the wake
//! command runs [`plays`], which notes what it was given, one set of files per run, and does its [`Deed`].

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::process::{Pc, Settings, list, listing, text_of, until};

/// What an agent does when woken, after it took its notes.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Deed {
    /// Nothing: it is done.
    Nothing,
    /// Answers each message and acknowledges it.
    Answer,
    /// Fails three times, each time in another way.
    FailAtFirst,
    /// Fails for good unless it is told something good.
    WantGood,
    /// Is ready only if there is a file `ready` in its folder.
    WantReady,
    /// Hangs with a child of its own; both are in `pid` and `child.<wake>`.
    Hang,
    /// The same with a grandchild, which is in `grandchild`.
    HangDeeply,
    /// Hangs while there is a file `hang` in its folder.
    HangIfTold,
    /// Says much, starts something that outlives it and keeps its pipes, and reads nothing.
    SayMuch,
    /// Sleeps until it is killed.
    Sleep,
    /// Starts a grandchild and sleeps.
    SleepWithChild,
}

/// How long who sleeps would sleep.
const LONG: Duration = Duration::from_secs(1000);

/// Where an agent's notes are.
pub struct Agent {
    pub folder: PathBuf,
    deed: Deed,
}

impl Agent {
    /// An agent on `pc`.
    pub fn new(pc: &Pc, deed: Deed) -> Agent {
        let folder = pc.path("agent");
        fs::create_dir(&folder).unwrap();
        Agent { folder, deed }
    }

    /// A config that wakes it with these arguments, and more lines for the table.
    pub fn settings_with(&self, arguments: &[&str], more: &str) -> Settings {
        let mut command = words(&self.folder, self.deed);
        command.extend(arguments.iter().map(ToString::to_string));
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        Settings::waking(&command, more)
    }

    /// A config that wakes it.
    pub fn settings(&self, more: &str) -> Settings {
        self.settings_with(&[], more)
    }

    /// What each of its runs got, in their order: the contents of the messages.
    pub fn runs(&self) -> Vec<Vec<String>> {
        let mut wakes: Vec<u64> =
            listing(&self.folder).iter().filter_map(|name| name.strip_suffix(".run")?.parse().ok()).collect();
        wakes.sort_unstable();
        let contents = |wake: u64| list(self.mail(wake)).iter().map(|m| text_of(m, "content")).collect();
        wakes.into_iter().map(contents).collect()
    }

    /// What a run got.
    pub fn mail(&self, wake: u64) -> Value {
        serde_json::from_slice(&fs::read(self.folder.join(format!("{wake}.run"))).unwrap()).unwrap()
    }

    /// Waits for so many runs.
    pub fn ran(&self, times: usize) -> Vec<Vec<String>> {
        until(&format!("{times} wakes"), || Some(self.runs()).filter(|runs| runs.len() >= times))
    }

    /// One of its notes.
    pub fn text(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }

    /// Waits for a number that it wrote.
    pub fn number(&self, file: &str) -> u32 {
        let path = self.folder.join(file);
        until(file, || fs::read_to_string(&path).ok()?.strip_suffix('\n')?.parse().ok())
    }
}

/// The command that plays.
fn words(folder: &Path, deed: Deed) -> Vec<String> {
    let me = std::env::current_exe().unwrap().display().to_string();
    let test = concat!(module_path!(), "::plays").split_once("::").unwrap().1;
    let deed = serde_json::to_string(&deed).unwrap();
    [&me, "--exact", "--nocapture", test, "--", PLAY, &folder.display().to_string(), &deed]
        .map(ToOwned::to_owned)
        .to_vec()
}

/// What stands before the folder and the deed.
const PLAY: &str = "as-an-agent";

/// No test: the agent's part. Run as a test, it does nothing.
#[test]
fn plays() {
    let mut args = std::env::args().skip_while(|arg| arg != PLAY).skip(1);
    let (Some(folder), Some(deed)) = (args.next(), args.next()) else { return };
    let (folder, deed) = (PathBuf::from(folder), serde_json::from_str(&deed).unwrap());
    let wake = std::env::var("LANPOST_WAKE").unwrap_or_default();
    if !matches!(deed, Deed::SayMuch | Deed::Sleep | Deed::SleepWithChild) {
        note(&folder, &wake, args);
    }
    std::process::exit(act(deed, &folder, &wake));
}

/// Notes what it was given; the mail last, since who waits for a run waits for that.
fn note(folder: &Path, wake: &str, args: impl Iterator<Item = String>) {
    let mut mail = Vec::new();
    std::io::stdin().read_to_end(&mut mail).unwrap();
    let lines = |lines: &mut dyn Iterator<Item = String>| lines.fold(String::new(), |all, l| all + &l + "\n");
    let mut environment = std::env::vars().filter(|(key, _)| key.starts_with("LANPOST_"));
    let environment = lines(&mut environment.by_ref().map(|(key, value)| format!("{key}={value}")));
    fs::write(folder.join(format!("{wake}.env")), environment).unwrap();
    fs::write(folder.join(format!("{wake}.args")), lines(&mut { args })).unwrap();
    let aside = folder.join(format!("{wake}.stdin"));
    fs::write(&aside, mail).unwrap();
    fs::rename(aside, folder.join(format!("{wake}.run"))).unwrap();
}

/// Does it; the exit code.
fn act(deed: Deed, folder: &Path, wake: &str) -> i32 {
    match deed {
        Deed::Nothing => 0,
        Deed::Answer => answer(),
        Deed::FailAtFirst => match wake {
            "1" => {
                eprintln!("later");
                75
            }
            "2" => 1,
            "3" => std::process::abort(),
            _ => 0,
        },
        Deed::WantGood => {
            let mail = fs::read_to_string(folder.join(format!("{wake}.run"))).unwrap();
            if mail.contains("good") { 0 } else { 64 }
        }
        Deed::WantReady => {
            if folder.join("ready").exists() {
                0
            } else {
                75
            }
        }
        Deed::Hang => {
            fs::write(folder.join("pid"), format!("{}\n", std::process::id())).unwrap();
            start(folder, Deed::Sleep, &format!("child.{wake}"));
            sleep()
        }
        Deed::HangDeeply => {
            start(folder, Deed::SleepWithChild, &format!("child.{wake}"));
            sleep()
        }
        Deed::HangIfTold if folder.join("hang").exists() => act(Deed::Hang, folder, wake),
        Deed::HangIfTold => 0,
        Deed::SayMuch => {
            start(folder, Deed::Sleep, "child");
            std::io::stdout().write_all(&[b'x'; 1_000_000]).unwrap();
            0
        }
        Deed::Sleep => sleep(),
        Deed::SleepWithChild => {
            start(folder, Deed::Sleep, "grandchild");
            sleep()
        }
    }
}

fn answer() -> i32 {
    let [program, ids] = ["LANPOST_BIN", "LANPOST_IDS"].map(|key| std::env::var(key).unwrap());
    let answered =
        |id| Command::new(&program).args(["reply", id, "on it", "--ack"]).status().unwrap().success();
    if ids.split(' ').all(answered) { 0 } else { 75 }
}

/// Starts another of its kind, with the same pipes, and notes its process id.
#[allow(clippy::zombie_processes, reason = "whoever looks at wakes sees to what they leave behind")]
fn start(folder: &Path, deed: Deed, file: &str) {
    let words = words(folder, deed);
    let child = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).spawn().unwrap();
    fs::write(folder.join(file), format!("{}\n", child.id())).unwrap();
}

fn sleep() -> i32 {
    std::thread::sleep(LONG);
    0
}
