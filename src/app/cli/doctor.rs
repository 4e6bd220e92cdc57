//! `lanpost doctor`: what the share does, whether an OpenClaw gateway takes our mail, and what to do about it. Exit
//! codes: 0 nothing is wrong, 6 something is; 2, 3.
//!
//! The probes run on a thread of their own: a share that hangs is reported as hanging, and the thread left to it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::out::Out;
use super::{Cx, exit};
use crate::adapt::watch::{Places, Watch};
use crate::app::share::{Reached, reach};
use crate::app::{locate, openclaw, print};
use crate::engine::login::Asks;
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::{Error, Kind, Result};
use crate::model::config::{Config, parse_duration};
use crate::model::finding::{self, Finding, Grade};
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::disk::DiskShare;
use crate::sys::root::Root;
use crate::sys::{files, mount, process, seek};

/// How long one check may take before the share is said to hang.
const PATIENCE: Duration = Duration::from_secs(15);

/// Probe the share: what it is, what it can, how soon changes show; leaves nothing there
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost doctor\n  \
    lanpost doctor --share /mnt/agents --wait 1m\n  \
    lanpost doctor --json | jq -r '.findings[] | select(.grade == \"wrong\").found'")]
pub struct Args {
    /// The folder to probe, also before `init` [default: the config's share]
    #[arg(long, value_name = "PATH")]
    share: Option<PathBuf>,
    /// How long to wait for another PC's change, to see whether it is announced
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = parse_duration)]
    wait: Duration,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    share: String,
    /// Whether nothing is wrong.
    sound: bool,
    findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, finding: Finding, cx: &mut Cx) {
        self.sound &= finding.grade != Grade::Wrong;
        if !cx.json {
            lines(&finding, &cx.out).iter().for_each(|line| cx.out.line(print::line(line)));
            cx.out.flush();
        }
        self.findings.push(finding);
    }
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let asked = patient(&args, cx)?;
    let (tell, told) = channel();
    let (root, wait) = (asked.root.clone(), args.wait);
    let gateway = asked.config.as_ref().and_then(|config| config.wake.openclaw.clone());
    let worker = std::thread::Builder::new().name("doctor".into()).spawn(move || probe(asked, wait, &tell));
    worker.map_err(|error| Error::new(Kind::Io, "start the probes", "", error))?;
    let mut report = Report { share: seek::shown(root.typed()), sound: true, findings: vec![] };
    if !cx.json {
        cx.out.say(print::line(&format!("share    {}", report.share)));
    }
    // The gateway has nothing to do with the share, which may hang.
    if let Some(gateway) = gateway {
        report.add(openclaw::finding(&gateway), cx);
    }
    let after = report.findings.len();
    while let Some(finding) = next(&told, report.findings[after..].last(), wait, root.typed()) {
        report.add(finding, cx);
        if report.findings.last().is_some_and(|finding| finding.check == "answer") {
            break;
        }
    }
    if cx.json {
        cx.out.json(&report)?;
    }
    Ok(if report.sound { exit::DONE } else { exit::UNSOUND })
}

/// What is to be probed.
struct Asked {
    root: Root,
    /// The id by which the config's store knows it.
    known: Option<String>,
    config: Option<Config>,
    reached: Reached,
}

fn patient(args: &Args, cx: &Cx) -> Result<Asked> {
    let plain = |root: PathBuf| {
        let root = Root::new(root);
        let share = Arc::new(DiskShare::new(root.clone(), "doctor"));
        Asked { root, known: None, config: None, reached: Reached { share, login: None } }
    };
    let config = match (&args.share, locate::load(cx.config.as_deref())) {
        // Before `init` there is no config, and none is needed.
        (Some(path), Err(_)) => return Ok(plain(files::absolute(path))),
        (_, config) => config?.0,
    };
    let own = files::absolute(&config.share.path);
    let asked = args.share.as_deref().map_or(own.clone(), files::absolute);
    if seek::readable(&asked).as_ref() != Some(&own) {
        return Ok(plain(asked));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    // A store that can't be opened is not the share's fault, and `status` says so.
    let node = Node::open(config.clone(), clock.clone()).ok();
    let remembered = node.as_ref().filter(|_| asked == own).and_then(|node| node.root().ok());
    let root = remembered.unwrap_or_else(|| Root::new(asked));
    let reached = reach(&config, root.clone(), "doctor", &clock, Asks::ByHand)?;
    let known = node.and_then(|node| node.db.meta("share").ok().flatten());
    Ok(Asked { root, known, config: Some(config), reached })
}

/// Works on the share, on the thread that may hang with it.
fn probe(asked: Asked, wait: Duration, tell: &Sender<Finding>) {
    let Asked { root, known, config, reached } = asked;
    if let Some(login) = &reached.login {
        let stands = login.ensure();
        let refused = stands.is_err();
        let _ = tell.send(finding::login(login.user(), stands.err().as_ref()));
        if refused {
            return;
        }
    }
    root.settle();
    let mount = mount::of(&root.path());
    let refused = Arc::new(Mutex::new(None));
    let (ring, rung) = channel();
    let place = root.clone();
    let announcer = mount.announcer;
    let note = refused.clone();
    let mut watch = None;
    let mut hear = |wait: Duration| {
        // Not before it is needed: a folder that is not there has no changes.
        watch.get_or_insert_with(|| {
            let (ring, note) = (ring.clone(), note.clone());
            let places = Places { share: Some(place.path()), bell: None, instance: None };
            let hint = move |_| {
                let _ = ring.send(());
            };
            let complain = move |_: &Path, why: Option<&str>| {
                *note.lock().unwrap_or_else(PoisonError::into_inner) = why.map(str::to_owned);
            };
            Watch::start(&places, announcer, hint, Arc::new(complain))
        });
        rung.recv_timeout(wait).is_ok()
    };
    let patient = ops::Patient {
        share: &*reached.share,
        mount: &mount,
        known,
        config,
        host: process::host_name(),
        wait,
        room: &|| mount::room(&root.path()),
        rights: &|path| mount::rights(&root.path().join(path.as_str())),
        hear: &mut hear,
        refused: &|| refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    };
    ops::doctor(patient, &SystemClock::new(), &mut |finding| drop(tell.send(finding)));
}

/// The next finding; `None` at the end. A share that does not answer in time is one, too.
fn next(told: &Receiver<Finding>, last: Option<&Finding>, wait: Duration, typed: &Path) -> Option<Finding> {
    let last = last.map_or("", |finding| finding.check);
    // The last check waits for others.
    let patience = if last == "clean" { PATIENCE.saturating_add(wait) } else { PATIENCE };
    match told.recv_timeout(patience) {
        Ok(finding) => Some(finding),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            let after = match last {
                "" => format!("no answer for {} s: the share hangs", patience.as_secs()),
                _ => format!(
                    "no answer for {} s after the check `{last}`: the share hangs",
                    patience.as_secs()
                ),
            };
            let hangs = Finding::new("answer", Grade::Wrong, after)
                .next("look at the server and the network; `lanpost doctor` again when it answers");
            // Before these nothing was made.
            let made =
                !["", "login", "folder", "mount", "options", "age", "path", "identity"].contains(&last);
            // The system's own table: it can't hang.
            let means = format!("the server or the network is away; {}", mount::of(typed).sentence());
            Some(match made {
                true => hangs.means(format!("{means}; a folder lanpost-probe-… may be left there")),
                false => hangs.means(means),
            })
        }
    }
}

fn lines(finding: &Finding, out: &Out) -> Vec<String> {
    let grade = match finding.grade {
        Grade::Good => "good",
        Grade::Unknown => "?",
        Grade::Warning => "warning",
        Grade::Wrong => "WRONG",
    };
    let grade = print::padded(&out.word(grade), 8);
    let mut lines = vec![format!("{grade} {:<9} {}", finding.check, out.word(&finding.found))];
    let means = finding.means.as_ref().map(|means| out.word(means));
    let next = finding.next.as_ref().map(|next| format!("-> {}", out.word(next)));
    lines.extend([means, next].into_iter().flatten().map(|text| format!("{:19}{text}", "")));
    lines
}
