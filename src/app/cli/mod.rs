//! The command line: one file per command; each parses, calls one operation of the engine, prints.
//!
//! Invariants: no input panics; exit codes are those of `exit`; answers go to standard output, everything else to
//! standard error; `--json` prints what the operation returned.

mod ack;
pub(super) mod args;
pub(super) mod ask;
mod backup;
pub(super) mod bar;
mod cancel;
mod completions;
mod dead;
mod demo;
mod doctor;
mod ear;
mod exec;
mod exit;
mod fetch;
mod help;
mod inbox;
mod init;
pub(super) mod listing;
mod log;
pub(super) mod look;
mod man;
mod mcp;
mod misused;
mod out;
pub(super) mod peers;
mod progress;
mod read;
mod release;
pub(super) mod reply;
mod restore;
mod run;
mod scheduled;
pub(super) mod search;
mod secret;
pub(super) mod send;
mod service;
pub(super) mod since;
mod snooze;
mod status;
pub(super) mod task;
mod thread;
mod trace;
mod trust;
pub(super) mod wait;
mod wake;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::app::pass::Passes;
use crate::app::{locate, tongue};
use crate::engine::node::Node;
use crate::error::Result;
use crate::store::db::Message;
use crate::sys::clock::SystemClock;

pub(super) use ear::{Ear, Told};
pub(super) use out::Kept;
use out::Out;

/// The heading of the options that every command has.
const COMMON: &str = "For every command";

/// A post office in a shared folder: AI agents on different PCs exchange mail
#[derive(Parser, Debug)]
#[command(name = "lanpost", version, max_term_width = 110)]
struct Cli {
    /// The config file [default: LANPOST_CONFIG, else the one in this user's config folder]
    #[arg(long, global = true, value_name = "FILE", help_heading = COMMON)]
    config: Option<PathBuf>,
    /// Print JSON, of the shape that docs/cli.md promises
    #[arg(long, global = true, help_heading = COMMON)]
    json: bool,
    /// Write JSON in ASCII alone, other characters as \uXXXX: for pipes that are not read as UTF-8 [default on Windows]
    #[arg(long, global = true, help_heading = COMMON)]
    ascii: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Init(init::Args),
    Run(run::Args),
    Send(send::Args),
    Ask(ask::Args),
    Cancel(cancel::Cancel),
    Recall(cancel::Recall),
    Inbox(inbox::Args),
    Read(read::Args),
    Fetch(fetch::Args),
    Ack(ack::Args),
    Reply(reply::Args),
    Progress(progress::Args),
    Release(release::Args),
    Wait(wait::Args),
    Wake(wake::Args),
    Trace(trace::Args),
    Thread(thread::Args),
    Search(search::Args),
    Scheduled(scheduled::Args),
    Snooze(snooze::Args),
    Dead(dead::Args),
    Log(log::Args),
    Peers(peers::Args),
    Trust(trust::Args),
    Exec(exec::Args),
    Task(task::Args),
    Mcp(mcp::Args),
    Status(status::Args),
    Service(service::Args),
    Doctor(doctor::Args),
    Secret(secret::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Completions(completions::Args),
    Man(man::Args),
    Demo(demo::Args),
    #[command(name = crate::app::demo::AGENT)]
    DemoAgent(demo::AgentArgs),
}

/// What every command is given.
pub(super) struct Cx {
    config: Option<PathBuf>,
    json: bool,
    out: Out,
    passes: Passes,
    /// Who hears what is no answer.
    ear: Ear,
}

impl Cx {
    /// For another face: what would be printed is kept.
    pub(super) fn kept(config: Option<PathBuf>, passes: Passes, ear: Ear, text: &Kept) -> Cx {
        Cx { config, json: false, out: Out::kept(text), passes, ear }
    }

    /// The node that the config names.
    pub(super) fn open(&self) -> Result<Node> {
        let (config, _) = locate::load(self.config.as_deref())?;
        Node::open(config, Arc::new(SystemClock::new()))
    }

    /// Tells something that is no failure, and no answer.
    pub(super) fn note(&mut self, text: &str) {
        self.out.flush();
        self.ear.note(self.json, text);
    }

    /// Whether whoever asked still waits for the answer.
    pub(super) fn is_heard(&self) -> bool {
        self.ear.still_there().is_ok()
    }

    /// Passes on how far something is.
    fn progress(&mut self, note: &Message) {
        self.out.flush();
        self.ear.progress(self.json, note);
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match parsed() {
        Ok(cli) => cli,
        Err(error) => return misused::tell(&error),
    };
    let mut cx = Cx {
        config: cli.config,
        json: cli.json,
        out: Out::stdout(cli.ascii),
        passes: Passes::default(),
        ear: Ear::StandardError,
    };
    let stores = matches!(cli.command, Command::Send(_) | Command::Reply(_) | Command::Progress(_));
    let done = cli.command.run(&mut cx);
    // The answer comes first, even when the command goes on to fail.
    let printed = cx.out.finish();
    let code = match (done, printed) {
        (Ok(code), Ok(())) => code,
        // The message is stored whatever becomes of the answer: no script must send it twice.
        (Ok(code), Err(error)) if stores => {
            out::complain(cx.json, exit::word(error.kind()), &error.to_string());
            code
        }
        (Err(error), _) | (Ok(exit::DONE), Err(error)) => {
            out::complain(cx.json, exit::word(error.kind()), &error.to_string());
            exit::code(error.kind())
        }
        (Ok(code), Err(error)) => {
            out::complain(cx.json, exit::word(error.kind()), &error.to_string());
            code
        }
    };
    ExitCode::from(code)
}

/// The arguments; the help that they may ask for is in the person's language.
fn parsed() -> Result<Cli, clap::Error> {
    let words: Vec<_> = std::env::args_os().collect();
    // A program reads what is wrong as JSON, and that is English.
    let tongue = tongue::of_stdout().filter(|_| !misused::wants_json(&words));
    Cli::from_arg_matches(&tree(tongue).try_get_matches_from(words)?)
}

/// All commands with their help in a language.
pub fn tree(tongue: Option<&tongue::Catalogue>) -> clap::Command {
    let command = match tongue {
        Some(tongue) => tongue::help::translated(Cli::command(), tongue),
        None => Cli::command(),
    };
    help::ordered(command, tongue)
}

impl Command {
    fn run(self, cx: &mut Cx) -> Result<u8> {
        match self {
            Command::Init(args) => init::run(args, cx),
            Command::Run(_) => run::run(cx),
            Command::Send(args) => send::run(args, cx),
            Command::Ask(args) => ask::run(args, cx),
            Command::Cancel(args) => cancel::cancel(&args, cx),
            Command::Recall(args) => cancel::recall(&args, cx),
            Command::Inbox(args) => inbox::run(args, cx),
            Command::Read(args) => read::run(args, cx),
            Command::Fetch(args) => fetch::run(args, cx),
            Command::Ack(args) => ack::run(args, cx),
            Command::Reply(args) => reply::run(args, cx),
            Command::Progress(args) => progress::run(args, cx),
            Command::Release(args) => release::run(args, cx),
            Command::Wait(args) => wait::run(args, cx),
            Command::Wake(args) => wake::run(args, cx),
            Command::Trace(args) => trace::run(args, cx),
            Command::Thread(args) => thread::run(args, cx),
            Command::Search(args) => search::run(args, cx),
            Command::Scheduled(_) => scheduled::run(cx),
            Command::Snooze(args) => snooze::run(args, cx),
            Command::Dead(args) => dead::run(args, cx),
            Command::Log(args) => log::run(args, cx),
            Command::Peers(_) => peers::run(cx),
            Command::Trust(args) => trust::run(args, cx),
            Command::Exec(args) => exec::run(args, cx),
            Command::Task(args) => task::run(args, cx),
            Command::Mcp(args) => mcp::run(args, cx),
            Command::Status(_) => status::run(cx),
            Command::Service(args) => service::run(args, cx),
            Command::Doctor(args) => doctor::run(args, cx),
            Command::Secret(args) => secret::run(args, cx),
            Command::Backup(args) => backup::run(&args, cx),
            Command::Restore(args) => restore::run(&args, cx),
            Command::Completions(args) => completions::run(&args, cx),
            Command::Man(args) => man::run(&args, cx),
            Command::Demo(_) => demo::run(cx),
            Command::DemoAgent(_) => demo::agent(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent_and_every_command_has_help_and_an_example() {
        tree(None).debug_assert();
        let mut all: Vec<_> = Cli::command().get_subcommands().cloned().collect();
        while let Some(command) = all.pop() {
            all.extend(command.get_subcommands().cloned());
            if command.is_hide_set() {
                continue;
            }
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains("lanpost "), "{name}: give an example");
            for arg in command.get_arguments() {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{name}: say what {} is", arg.get_id());
                assert!(!help.contains(r"\\") && !help.contains("\\\""), "{name}: {help}");
            }
        }
    }

    #[test]
    fn the_command_line_of_the_manual_parses() {
        for line in [
            "lanpost init --share /mnt/x --instance lab --agent a --agent b --wake-command [\"x\"] --state s --force",
            "lanpost send lab - --type t --thread u --reply-to 01 --priority urgent --ttl 2h --id a.1 --wait processed --timeout 30s",
            "lanpost send lab/main hi --json-content --create --as main --json --config c",
            "lanpost send @builder hi --self --wait delivered",
            "lanpost send ALL hi --id notice-7",
            "lanpost send @builder hi --any --lease 1h",
            "lanpost ask lab/main - --timeout 5m --thread t --priority high --ttl 1h --id a.1 --create --seal --as main",
            "lanpost ask --all @builder hi --timeout 2m",
            "lanpost ask --wait 01 --timeout 1h --json",
            "lanpost progress 01 - --as main",
            "lanpost cancel 01 --wait 1m --json",
            "lanpost recall 01 --wait 0s",
            "lanpost --json inbox --all --from lab --thread t --follow --limit 3",
            "lanpost inbox --quarantine",
            "lanpost inbox --held --json",
            "lanpost release 01",
            "lanpost trust list --json",
            "lanpost trust show",
            "lanpost trust pin lab ed25519:00",
            "lanpost trust accept lab 66384-52766-39727-81917-03278-56358",
            "lanpost trust import -",
            "lanpost init --share x --instance lab --user nas\\agents --password env:X",
            "lanpost secret set share-password",
            "lanpost secret set file:C:\\x --service",
            "lanpost secret check --json",
            "lanpost secret remove keyring:x",
            "lanpost doctor --share /mnt/x --wait 1m --json",
            "lanpost log --peer lab --message 01 --since 2h --events --limit 3",
            "lanpost log verify --file x --json",
            "lanpost log export --since 2026-02-14",
            "lanpost log head",
            "lanpost backup x",
            "lanpost restore x --force",
            "lanpost read 01 --peek",
            "lanpost send lab see --attach report.pdf --attach data",
            "lanpost reply 01 here --attach report.pdf",
            "lanpost fetch 01 --to incoming --json",
            "lanpost ack 01 02 --failed why",
            "lanpost reply 01 - --ack",
            "lanpost service install --user --now --print --account me",
            "lanpost --json service status --instance lab",
            "lanpost service logs --follow -n 20 --config c",
            "lanpost thread 01 --limit 5 --json",
            "lanpost search build \"of-main\" --from lab/main --since 7d --until 2026-02-14 --limit 3 --json",
            "lanpost search x --to lab --out",
            "lanpost send lab x --in 2h --ttl 1h",
            "lanpost send lab x --at 9:00",
            "lanpost scheduled --json",
            "lanpost dead",
            "lanpost dead list --json",
            "lanpost dead redrive 01 02 --to lab/main",
            "lanpost dead redrive --all",
            "lanpost dead drop 01",
            "lanpost snooze 01 --for 2h",
            "lanpost snooze 01 --until 2026-12-01T09:00",
            "lanpost inbox --snoozed",
            "lanpost wait --timeout 5m --from lab --thread t",
            "lanpost wake test --agent main --json",
            "lanpost wake hold --for 2h",
            "lanpost wake resume",
            "lanpost wake log --limit 50",
            "lanpost exec lab disk path=/home n=3 --timeout 20m --json",
            "lanpost task add Build --body x --to lab/main --for builder --depends 3f2 a1b --priority high --due 2026-02-14",
            "lanpost task edit 3f2 --title x --to lab --priority low",
            "lanpost task list --mine --all --json",
            "lanpost task show 3f2",
            "lanpost task claim 3f2 --for 1h --as main",
            "lanpost task claim --next --role builder --timeout 5s",
            "lanpost task renew 3f2 --for 1h",
            "lanpost task progress 3f2 halfway --percent 50",
            "lanpost task done 3f2 --result x",
            "lanpost task fail 3f2 --why x",
            "lanpost task release 3f2",
            "lanpost task block 3f2 --why x",
            "lanpost task unblock 3f2",
            "lanpost task depend 3f2 a1b c2d --remove",
            "lanpost task cancel 3f2 --why x",
            "lanpost task reopen 3f2",
            "lanpost completions powershell",
            "lanpost man --dir x",
            "lanpost mcp --as main --config c",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap();
        }
        for line in [
            "lanpost",
            "lanpost send",
            "lanpost send CON x",
            "lanpost send lab x --wait done",
            "lanpost ack",
            "lanpost ask",
            "lanpost ask lab x --wait 01",
            "lanpost progress",
            "lanpost snooze 01",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).unwrap_err().use_stderr(), "{line}");
        }
    }
}
