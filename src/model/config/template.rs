//! The config file that `lanpost init` writes: the given values, and every default as a comment.
//!
//! Invariants: [`super::parse`] gives back what was given; defaults and ranges are the parser's own.

use std::fmt::{Display, Write};
use std::path::Path;
use std::time::Duration;

use toml::Table;

use super::value::*;
use super::{AskConfig, DirectConfig, FilesConfig, Keep, Limits, LogConfig, Look, ShareConfig, WakeConfig};
use crate::error::{Error, Result};
use crate::model::name::Name;

/// The text of a new config file: the given values, and every default as a comment beside what it does.
pub fn template(
    instance: &Name,
    agents: &[Name],
    state: &Path,
    share: &ShareConfig,
    command: &[String],
) -> Result<String> {
    template_after("", instance, agents, state, share, command)
}

/// The same in place of a config whose text is `former`: what that says and is not given anew stays.
pub fn template_after(
    former: &str,
    instance: &Name,
    agents: &[Name],
    state: &Path,
    share: &ShareConfig,
    command: &[String],
) -> Result<String> {
    let mut former: Table = former.parse().unwrap_or_default();
    let path = |path: &Path| match path.to_str() {
        Some(text) => Ok(quoted(text)),
        None => Err(Error::usage("write the config for", path.display(), "the path is not Unicode")),
    };
    let list = |words: &mut dyn Iterator<Item = &str>| {
        format!("[{}]", words.map(quoted).collect::<Vec<_>>().join(", "))
    };
    let mut own: Table =
        ["peers", "groups", "commands"].iter().filter_map(|key| former.remove_entry(*key)).collect();
    let tables = former.get("wake").and_then(toml::Value::as_table).into_iter().flatten();
    let tables: Table = tables
        .filter(|(_, value)| is_table(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    own.insert("wake".to_owned(), tables.into());
    let mut out = Lines { text: HEAD.to_owned(), table: String::new(), former };
    out.given("instance", quoted(instance.as_str()), "the name of this PC's mailbox, unique on the share");
    out.given("agents", list(&mut agents.iter().map(Name::as_str)), "the agents that work behind it");
    out.default(
        "roles",
        "[]",
        "what it and they are there for, as [\"builder\", \"main/reviewer\"]; peers send to @builder",
    );
    out.given("state", path(state)?, "the folder of the local database and keys; never on the share");
    out.default(
        "trust",
        quoted("first-sight"),
        "how a peer's key is believed: \"first-sight\", or \"manual\" by `lanpost trust pin` alone",
    );
    out.table("share");
    out.given("path", path(&share.path)?, "the folder that all instances have in common");
    match (&share.user, &share.password) {
        (Some(user), Some(password)) => {
            out.given("user", quoted(user), "the user that Windows logs in to the server as");
            out.given("password", quoted(&password.to_string()), "where that user's password is kept");
        }
        _ => out.note(
            "user, password: a login of Windows to the server, see docs/operations.md; none is needed here",
        ),
    }

    let look = Look::default();
    out.table("look");
    out.default("notify", look.notify, "use file notifications where they prove to work; true or false");
    out.time("busy", look.busy, INTERVAL, "the interval right after traffic");
    out.time("idle", look.idle, INTERVAL, "the longest interval while notifications are not believed");
    out.time("rest", look.rest, INTERVAL, "the longest interval while they are");
    out.time("full", look.full, INTERVAL, "a full look runs at least this often");
    out.time("heartbeat", look.heartbeat, HEARTBEAT, "how often the others are shown that we live");

    let wake = WakeConfig::default();
    out.table("wake");
    let words = list(&mut command.iter().map(String::as_str));
    out.given("command", words, "program and arguments, run without a shell; []: nobody is woken");
    out.time("window", wake.window, WINDOW, "mail within this time of the last wake goes into one");
    out.time("timeout", wake.timeout, TIMEOUT, "the command is killed after this");
    out.time("retry", wake.retry, RETRY, "the first pause after a failure; it doubles");
    out.time("retry_max", wake.retry_max, RETRY, "the longest pause");
    out.ranged("attempts", wake.attempts, COUNT.0, COUNT.1, "tries before the sender is told");
    out.ranged("batch", wake.batch, COUNT.0, COUNT.1, "messages per wake");
    let what = "the first pause after a wake that was accepted, while nobody reads the mail; it doubles";
    out.time("again", wake.again, RETRY, what);
    out.time("again_max", wake.again_max, RETRY, "the longest such pause");
    out.ranged(
        "again_attempts",
        wake.again_attempts,
        COUNT.0,
        COUNT.1,
        "such wakes before the sender is told",
    );
    let what = "a command's exit code 0, too, is accepted until the mail is read; true or false";
    out.default("until_read", wake.until_read, what);
    out.time("dedupe", wake.dedupe, DEDUPE, "the same words from the same sender wake once in this time");
    out.ranged("budget", wake.budget, COUNT.0, COUNT.1, "wakes in any hour; what is more waits");
    out.default("quiet", "[]", "when nobody is woken, as in [\"22:00-07:00\"]");
    out.default("quiet_urgent", wake.quiet_urgent, "urgent mail wakes then, too; true or false");
    out.optional("zone", "the time zone of `quiet`, as in \"Asia/Shanghai\"; without it, this PC's");
    let what = "rounds of answers without a person after which two agents wake each other no more";
    out.ranged("rounds", wake.rounds, COUNT.0, COUNT.1, what);
    out.ranged("hops", wake.hops, COUNT.0, COUNT.1, "automatic answers in a row after which none is sent");
    out.default("text", quoted("full"), "what an agent is told: \"full\", or the \"count\" alone");
    out.size("text_max", wake.text_max, TEXT, "the longest such text");
    out.default(
        "stdin",
        quoted("json"),
        "what a command reads: the mail as \"json\", or the \"text\" for agents",
    );
    out.note("a table [wake.openclaw] or [wake.webhook] stands for another way to wake: see docs/wake.md");
    out.note(
        "tables [[wake.rules]] say which mail wakes now, with the batch, or never: see docs/operations.md",
    );

    out.table("ask");
    let [min, max] = [SILENCE.0, SILENCE.1].map(|ms| show(Duration::from_millis(ms)));
    let after = AskConfig::default().abandoned_after.map_or(NEVER.to_owned(), show);
    let what = format!(
        "who asked is told when a request was read here and nobody said more of it for so long; \"{NEVER}\", or"
    );
    out.ranged("abandoned_after", quoted(&after), min, max, &what);

    let limits = Limits::default();
    out.table("limits");
    out.size("message", limits.message, MESSAGE, "the largest message");
    out.size("segment", limits.segment, SEGMENT, "a lane's segment rolls at this size");
    out.time("segment_age", limits.segment_age, AGE, "a lane's segment rolls at this age");
    out.ranged("peers", limits.peers, PEERS.0, PEERS.1, "instances of the share that are remembered");
    out.ranged("lanes", limits.lanes, LANES.0, LANES.1, "files of the mailbox that one look asks about");
    let what = "messages that are taken in from one sender within an hour; more waits on the share";
    out.ranged("sender_messages", limits.sender_messages, MESSAGES.0, MESSAGES.1, what);
    out.size("sender_bytes", limits.sender_bytes, SPOOL_BYTES, "and bytes");
    let what = "bytes of one sender's mail that lie unread here before more is taken in";
    out.size("sender_unread", limits.sender_unread, SPOOL_BYTES, what);
    out.size("quarantine", limits.quarantine, SPOOL_BYTES, "bytes of unreadable lines that are kept");
    out.ranged(
        "members",
        limits.members,
        MEMBERS.0,
        MEMBERS.1,
        "instances and agents that one broadcast goes to",
    );

    let keep = Keep::default();
    out.table("keep");
    out.time(
        "messages",
        keep.messages,
        KEEP,
        "read and finished mail, its trace and wakes are deleted after this",
    );
    out.time(
        "segments",
        keep.segments,
        KEEP,
        "acknowledged files of ours on the share are deleted after this",
    );
    out.time("quarantine", keep.quarantine, KEEP, "what was set aside as unreadable is deleted after this");
    out.time("events", keep.events, KEEP, "what the log says of anything but messages is deleted after this");
    out.time("gone_after", keep.gone_after, KEEP, "mail for a peer that has been gone for this long fails");
    out.ranged("spool", keep.spool, SPOOL.0, SPOOL.1, "messages that may wait for a peer that is not online");
    out.size("spool_bytes", keep.spool_bytes, SPOOL_BYTES, "and the bytes of their contents");

    let files = FilesConfig::default();
    out.table("files");
    out.size("message", files.message, FILES, "what may be attached to one message that comes");
    out.size(
        "kept",
        files.kept,
        FILES,
        "all files that are kept in the state folder, those on their way, too",
    );
    let what =
        "endings and whole names of files that are not taken: those that act when a folder is only looked at";
    out.default("refuse", list(&mut files.refuse.iter().map(String::as_str)), what);

    let log = LogConfig::default();
    out.table("log");
    out.size("size", log.size, LOG, "the daemon's log file in the state folder is put aside at this size");
    out.ranged("files", log.files, LOGS.0, LOGS.1, "log files that are kept, with the one being written");

    out.table("plain");
    out.default(
        "policy",
        quoted("allow"),
        "mail that is not signed: \"allow\", \"hold\" until `lanpost release`, or \"deny\"",
    );
    out.note("a peer's own policy counts before this one: the key `policy` of a table `[peers.NAME]`");
    out.note("with `seal` set to true in such a table, mail for that peer is encrypted to it, or not sent");

    let direct = DirectConfig::default();
    out.table("direct");
    out.optional(
        "listen",
        "where mail is taken from peers' daemons over the network, as \"0.0.0.0:7431\"; unset: nowhere",
    );
    out.default(
        "announce",
        "[]",
        "where they find it, as [\"https://10.0.0.5:7431\"]; []: by this PC's addresses",
    );
    out.default("tls", direct.tls, "encrypt it, with a certificate that our heartbeat vouches for");
    out.time(
        "timeout",
        direct.timeout,
        ATTEMPT,
        "after this an attempt has failed, and the share takes over",
    );
    out.note(
        "`routes` in a table `[peers.NAME]`, set to [\"share\"], keeps mail for that peer off the network",
    );
    out.note(
        "a table `[peers.NAME.a2a]` has it go to that peer's agent through its OpenClaw gateway: docs/a2a.md",
    );
    let own = own.iter().filter(|(_, table)| table.as_table().is_some_and(|table| !table.is_empty()));
    let own: Table = own.map(|(key, table)| (key.clone(), table.clone())).collect();
    let own = if own.is_empty() { String::new() } else { format!("\n{own}") };
    Ok(out.text + COMMANDS + GROUPS + &own)
}

/// Whether a value is written under a heading of its own.
fn is_table(value: &toml::Value) -> bool {
    value.is_table() || value.as_array().is_some_and(|list| list.first().is_some_and(toml::Value::is_table))
}

/// What stands above it all.
const HEAD: &str = "\
# lanpost: the config of one instance. Relative paths start at the folder of this file.
# Defaults are commented out: take the `# ` away to change one. Secrets are named here, and
# kept elsewhere: see `lanpost secret --help`.
";

/// How several get one name.
const GROUPS: &str = "
# [groups] gives several one name, for `lanpost send builders TEXT`
# builders = [\"lab\", \"desk/main\"]
";

/// How a command is offered to peers; none is unless somebody writes it.
const COMMANDS: &str = "
# [commands.disk] offers a command to peers, for `lanpost exec`; docs/operations.md has all of it
# run = [\"df\", \"-h\", \"{path}\"]
# peers = [\"lab\"]
# args.path = { type = \"choice\", of = [\"/\", \"/home\"] }
";

/// The template as it grows. Writing to a `String` cannot fail.
struct Lines {
    text: String,
    /// The table at hand; empty before the first.
    table: String,
    /// What was there before.
    former: Table,
}

impl Lines {
    fn table(&mut self, name: &str) {
        name.clone_into(&mut self.table);
        let _ = write!(self.text, "\n[{name}]\n");
    }

    fn given(&mut self, key: &str, value: impl Display, what: &str) {
        let _ = write!(self.text, "# {key}: {what}\n{key} = {value}\n");
    }

    fn default(&mut self, key: &str, value: impl Display, what: &str) {
        let former = match self.table.as_str() {
            "" => self.former.get(key),
            table => self.former.get(table).and_then(|table| table.get(key)),
        };
        if let Some(former) = former.cloned() {
            return self.given(key, former, what);
        }
        let _ = write!(self.text, "# {key}: {what}\n# {key} = {value}\n");
    }

    /// A key that has no default.
    fn optional(&mut self, key: &str, what: &str) {
        match self.former.get(&self.table).and_then(|table| table.get(key)).cloned() {
            Some(former) => self.given(key, former, what),
            None => self.note(&format!("{key}: {what}")),
        }
    }

    fn note(&mut self, text: &str) {
        let _ = writeln!(self.text, "# {text}");
    }

    fn ranged(&mut self, key: &str, value: impl Display, min: impl Display, max: impl Display, what: &str) {
        self.default(key, value, &format!("{what}; from {min} to {max}"));
    }

    fn time(&mut self, key: &str, value: Duration, (min, max): Range, what: &str) {
        let [min, max] = [min, max].map(|ms| show(Duration::from_millis(ms)));
        self.ranged(key, quoted(&show(value)), min, max, what);
    }

    fn size(&mut self, key: &str, value: Size, (min, max): Range, what: &str) {
        self.ranged(key, quoted(&value.to_string()), Size(min), Size(max), what);
    }
}

/// `text` as a TOML string: in single quotes if that leaves backslashes readable, else escaped.
fn quoted(text: &str) -> String {
    if text.contains(['\\', '"']) && !text.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{text}'");
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out += &format!("\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}
