//! What people, disks and strangers do to lanpost: each is met with words and the right exit code, none of it panics,
//! hangs or loses mail.

use std::fs;
use std::io::Write;
use std::path::{MAIN_SEPARATOR_STR, Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lanpost::model::name::Name;
use lanpost::model::text::{Encoding, encode};
use lanpost::sys::disk::DiskShare;
use lanpost::sys::share::Share;
use serde_json::{Value, json};

use crate::common::Pair;
use crate::common::process::{Done, Lan, Pc, Settings, finish, list, no_unicode, text_of, until, until_true};

/// A file system of its own, or another view of one; taken down when dropped.
struct Mount(PathBuf);

impl Mount {
    /// A disk of `size` at `folder`. `None`, said loudly, if this user may not mount.
    fn small(folder: &Path, size: &str) -> Option<Mount> {
        let options = format!("size={size}");
        Mount::new(folder, &["-t", "tmpfs", "-o", &options, "tmpfs"])
    }

    /// `folder` as it is, but read-only. Root may write everywhere else, whatever the mode bits say.
    fn read_only(folder: &Path) -> Option<Mount> {
        let mount = Mount::new(folder, &["--bind", folder.to_str().unwrap()])?;
        assert!(run("mount", &["-o", "remount,ro,bind", folder.to_str().unwrap()]));
        Some(mount)
    }

    fn new(folder: &Path, options: &[&str]) -> Option<Mount> {
        fs::create_dir_all(folder).unwrap();
        if run("mount", &[options, &[folder.to_str().unwrap()]].concat()) {
            return Some(Mount(folder.to_owned()));
        }
        // Not through the test harness, which would keep it to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: a test of full or read-only disks needs root, to mount them"
        );
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: whatever still uses it, it is gone from the tree that is removed next.
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Takes all the room that is left where `file` lies.
fn fill(file: &Path) {
    let mut full = fs::File::create(file).unwrap();
    let block = vec![b'x'; 64 * 1024];
    while full.write_all(&block).is_ok() {}
    for byte in block {
        if full.write_all(&[byte]).is_err() {
            break;
        }
    }
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn slot(pc: &Pc) -> PathBuf {
    pc.share.join(format!("messages/to-{}.jsonl", pc.name))
}

fn contents(pc: &Pc) -> Vec<String> {
    pc.inbox().iter().map(|message| text_of(message, "content")).collect()
}

/// Sends a text that is too long for a command line.
fn send_long(pc: &Pc, to: &str, text: &str) -> Done {
    pc.feed(&["send", to, "-", "--json"], text.as_bytes())
}

// the share

#[test]
fn a_share_that_is_not_there_is_not_made() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    fs::remove_dir(lan.share()).unwrap();
    pc.try_init(&[]).exits(75).says(&["there is no such folder", "mount it"]);
    assert!(!lan.share().exists() && !pc.config.exists());
    // A plain file instead of it.
    fs::write(lan.share(), "not a folder").unwrap();
    let done = pc.try_init(&[]);
    assert!(matches!(done.code, Some(1 | 2 | 75)), "{done:?}");
    done.says(&["share", "must be a folder"]);
    assert_eq!(fs::read(lan.share()).unwrap(), b"not a folder");
}

#[test]
fn an_unmounted_share_is_no_empty_mailbox() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.send("lab", "before");
    assert_eq!(contents(&lab), ["before"]);
    let _daemon = lab.daemon();
    // The bare mount point is there, and empty.
    lan.unmount();
    fs::create_dir(lan.share()).unwrap();
    let sent = office.json(&["send", "lab", "waits"]);
    assert!(text_of(&sent, "spooled").contains("not mounted"), "{sent}");
    until_true("lab to notice", || lab.json(&["status"])["share"]["available"] == false);
    assert_eq!(fs::read_dir(lan.share()).unwrap().count(), 0, "nothing is written under a mount point");
    // Another share is not ours either.
    let other = Lan::new();
    other.join("somebody");
    fs::copy(other.share().join("lanpost.json"), lan.share().join("lanpost.json")).unwrap();
    let sent = office.json(&["send", "lab", "waits, too"]);
    assert!(text_of(&sent, "spooled").contains("another share"), "{sent}");
    fs::remove_dir_all(lan.share()).unwrap();
    lan.mount();
    office.ok(&["status"]);
    lab.receives("waits, too");
    assert_eq!(contents(&lab), ["before", "waits", "waits, too"]);
}

#[test]
fn a_share_that_is_read_only() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.ok(&["peers"]);
    let Some(mount) = Mount::read_only(&lan.share()) else { return };
    let newcomer = lan.pc("newcomer");
    newcomer.try_init(&[]).exits(1).says(&["Read-only file system", "mount it writable"]);
    assert!(!newcomer.config.exists());
    let sent = office.json(&["send", "lab", "waits"]);
    assert_eq!(sent["state"], "queued");
    assert!(text_of(&sent, "spooled").contains("Read-only file system"), "{sent}");
    let mut daemon = lab.daemon();
    let office_daemon = office.daemon();
    assert_eq!(office.json(&["send", "lab", "waits, too"])["state"], "queued");
    until_true("the daemon to say so", || office_daemon.log().contains("Read-only file system"));
    assert_eq!(daemon.ended(), None);
    drop(mount);
    lab.receives("waits, too");
    assert_eq!(contents(&lab), ["waits", "waits, too"]);
    newcomer.init(&[]);
}

#[test]
fn a_file_where_a_folder_of_the_share_should_be() {
    for place in ["messages", "status", "leases", "messages/to-office"] {
        let lan = Lan::new();
        let pc = lan.pc("office");
        let path = lan.share().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "a note").unwrap();
        let done = pc.try_init(&[]).exits(1);
        done.says(&[&place.replace('/', MAIN_SEPARATOR_STR), "a file stands in its place"]);
        assert!(!pc.config.exists(), "{place}");
        assert_eq!(fs::read(&path).unwrap(), b"a note");
        fs::remove_file(&path).unwrap();
        pc.init(&[]);
    }
}

#[test]
fn a_file_where_a_mailbox_should_be_holds_up_nobody_else() {
    let lan = Lan::new();
    let (office, lab, home) = (lan.join("office"), lan.join("lab"), lan.join("home"));
    office.ok(&["peers"]);
    let mailbox = lan.share().join("messages/to-lab");
    fs::remove_dir_all(&mailbox).unwrap();
    fs::write(&mailbox, "a note").unwrap();
    let sent = office.json(&["send", "lab", "waits"]);
    assert!(sent["state"] == "queued" && text_of(&sent, "spooled").contains("to-lab"), "{sent}");
    let (one, two, three) = (office.daemon(), lab.daemon(), home.daemon());
    office.send("home", "passes");
    home.receives("passes");
    append(&slot(&lab), b"{\"from\":\"x\",\"content\":\"the slot works\"}\n");
    lab.receives("the slot works");
    until_true("lab to say so", || two.log().contains("to-lab"));
    fs::remove_file(&mailbox).unwrap();
    lab.receives("waits");
    for mut daemon in [one, two, three] {
        assert_eq!(daemon.ended(), None);
    }
}

/// Pipes and links where files should be; whose open slots they are.
#[cfg(unix)]
fn special(share: &Path, secret: &Path) -> &'static [&'static str] {
    for place in ["messages/to-lab/from-pipe.1-000001.jsonl", "messages/to-pipe.jsonl", "status/pipe2.json"] {
        assert!(run("mkfifo", &[share.join(place).to_str().unwrap()]), "{place}");
    }
    for place in ["messages/to-lab/from-link.1-000001.jsonl", "messages/to-link.jsonl", "status/link2.json"] {
        std::os::unix::fs::symlink(secret, share.join(place)).unwrap();
    }
    &["pipe", "link"]
}

/// No pipe lies in a folder here, and a link needs an administrator.
#[cfg(windows)]
fn special(_share: &Path, _secret: &Path) -> &'static [&'static str] {
    &[]
}

#[test]
fn folders_pipes_and_links_where_files_should_be() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let at = |place: &str| lan.share().join(place);
    let secret = lan.path("secret");
    fs::write(&secret, "{\"from\":\"x\",\"content\":\"secret\"}\n").unwrap();
    fs::create_dir(at("messages/to-lab.jsonl")).unwrap();
    fs::remove_file(at("messages/to-lab/bell")).unwrap();
    fs::create_dir(at("messages/to-lab/bell")).unwrap();
    fs::create_dir(at("messages/to-lab/from-folder.1-000001.jsonl")).unwrap();
    fs::create_dir(at("status/folder.json")).unwrap();
    fs::create_dir(at("leases/office/000009.json")).unwrap_or(());
    // The next segments of a sender, as a guest would guess them.
    for lease in 1..=9 {
        for segment in 1..=3 {
            fs::create_dir(at(&format!("messages/to-lab/from-office.{lease}-00000{segment}.jsonl"))).unwrap();
        }
    }
    fs::create_dir(at("messages/to-box.jsonl")).unwrap();
    let unwritable = [&["box"], special(&lan.share(), &secret)].concat();
    let daemons = [office.daemon(), lab.daemon()];
    let id = office.send("lab", "through it all");
    lab.receives("through it all");
    office.sees(&id, "delivered");
    for to in unwritable {
        let id = text_of(&office.json(&["send", to, "x", "--create"]), "id");
        until_true("a problem to be said", || daemons[0].log().contains(&format!("to-{to}.jsonl")));
        assert_eq!(office.json(&["trace", &id])["state"], "queued");
    }
    assert_eq!(contents(&lab), ["through it all"], "a link is not followed");
    assert_eq!(fs::read_to_string(&secret).unwrap().lines().count(), 1);
    for mut daemon in daemons {
        assert_eq!(daemon.ended(), None);
    }
}

#[test]
fn what_is_no_identity_is_not_believed() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.ok(&["peers"]);
    let path = lan.share().join("lanpost.json");
    let good = fs::read(&path).unwrap();
    for bad in [&b""[..], b"\0\0\0\0", b"{\"share\":\"x\",\"format\":2}", &good[..good.len() / 2], b"[]"] {
        fs::write(&path, bad).unwrap();
        let sent = office.json(&["send", "lab", "waits"]);
        assert!(text_of(&sent, "spooled").contains("lanpost.json"), "{sent}");
        let newcomer = lan.pc("newcomer");
        newcomer.try_init(&[]).exits(75).says(&["lanpost.json"]);
        assert_eq!(fs::read(&path).unwrap(), bad);
    }
    fs::write(&path, good).unwrap();
    office.ok(&["status"]);
    assert_eq!(contents(&lab), ["waits"; 5]);
}

/// On a share on disk, where a file that is open lives on after it was removed.
#[test]
fn mail_that_was_written_into_a_removed_file_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let share: Arc<dyn Share> = Arc::new(DiskShare::new(folder.path(), "test"));
    let mut pair = Pair::on(share, |config| config.look.notify = false);
    pair.a.send("b", &["before".into()]);
    pair.until("the first", |pair| pair.b.texts() == ["before"]);
    fs::remove_dir_all(folder.path().join("messages/to-b")).unwrap();
    pair.until("the mailbox", |_| folder.path().join("messages/to-b/bell").exists());
    let sent = pair.a.send("b", &["into nowhere".into(), "this too".into()]);
    pair.until("the rest", |pair| pair.b.texts().len() == 3);
    pair.settle();
    assert_eq!(pair.b.texts(), ["before", "into nowhere", "this too"]);
    assert!(sent.iter().all(|message| pair.a.state_of(message).to_string() == "delivered"));
}

// names

#[test]
fn a_name_that_is_none_is_refused() {
    let lan = Lan::new();
    let office = lan.join("office");
    let long = "x".repeat(65);
    for (name, why) in [
        ("", "empty"),
        (&*long, "65 bytes long; at most 64"),
        ("../x", "'/'"),
        ("..", "begins with '.'"),
        ("a/b", "'/'"),
        ("a\\b", "'\\\\'"),
        ("CON", "device"),
        ("nul.txt", "device"),
        ("COM1", "device"),
        ("a:b", "':'"),
        ("a.", "ends with '.'"),
        ("a b", "' '"),
        ("a\u{200b}b", "200b"),
        ("x\u{1b}[2J", "1b"),
        ("all", "reserved"),
        ("a.jsonl", "like a file of lanpost's own"),
    ] {
        let mut pc = lan.pc("somebody");
        pc.name = name.into();
        pc.try_init(&[]).exits(2).says(&[why]);
        assert!(!pc.config.exists() && !pc.state.exists(), "{name:?}");
        // What is reserved as a name are all, for whoever sends.
        if !name.contains('/') && name != "all" {
            office.run(&["send", name, "x", "--create"]).exits(2).says(&[why]);
        }
    }
    office.run(&["send", "../x", "x", "--create"]).exits(2);
    assert_eq!(fs::read_dir(lan.share().join("messages")).unwrap().count(), 1);
}

#[test]
fn names_that_a_file_server_may_confuse_do_not_coexist() {
    let lan = Lan::new();
    let (office, _) = (lan.join("office"), lan.join("caf\u{e9}"));
    for (name, words) in [
        ("Office", &["office is on the share", "differ only in case"][..]),
        ("OFFICE", &["office is on the share", "differ only in case"]),
        ("CAFE\u{301}", &["caf\u{e9} is on the share"]),
        ("cafe\u{301}", &["in use"]),
    ] {
        let mut twin = lan.pc("twin");
        twin.name = name.into();
        twin.try_init(&[]).exits(2).says(words);
        assert!(!twin.config.exists(), "{name}");
    }
    // Whoever writes the name in another way still means the same mailbox.
    for to in ["cafe\u{301}", "CAF\u{c9}"] {
        assert_eq!(office.json(&["send", to, "x"])["to"], "caf\u{e9}");
    }
}

#[test]
fn foreign_names_on_the_share_are_stepped_over() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let at = |place: &str| lan.share().join(place);
    let beat = fs::read(at("status/lab.json")).unwrap();
    for name in
        ["CON.json", "a:b.json", ".json", "a..json", "all.json", "notes.txt", "x\u{1b}[2J.json", "Thumbs.db"]
    {
        let made = [
            fs::write(at("status").join(name), &beat),
            fs::write(at("messages/to-lab").join(name), "?"),
            fs::write(at("messages").join(format!("to-{name}l")), "?"),
            fs::create_dir(at("leases").join(name)),
        ];
        // Windows knows better than to make some of them.
        assert!(cfg!(windows) || made.iter().all(Result::is_ok), "{name}");
    }
    let unspeakable = no_unicode("from-", ".1-000001.jsonl");
    let made = fs::write(at("messages/to-lab").join(unspeakable), "{}\n");
    assert!(cfg!(windows) || made.is_ok(), "Wine can't make it, since Linux has no such names");
    // A status file under another's name, one that is half written, one of a stranger.
    fs::write(at("status/impostor.json"), &beat).unwrap();
    fs::write(at("status/torn.json"), &beat[..beat.len() / 2]).unwrap();
    fs::write(at("status/plain.json"), "{\"instance\":\"plain\",\"status\":\"online\"}").unwrap();
    office.send("lab", "x");
    assert_eq!(contents(&lab), ["x"]);
    let peers = list(office.json(&["peers"]));
    let named =
        |name: &str| peers.iter().find(|peer| peer["name"] == name).map(|peer| text_of(peer, "presence"));
    for plain in ["impostor", "torn", "plain"] {
        assert_eq!(named(plain).as_deref(), Some("plain"), "{plain}");
    }
    assert!(peers.iter().all(|peer| Name::parse(peer["name"].as_str().unwrap()).is_ok()), "{peers:?}");
}

// messages

#[test]
fn a_message_over_the_limit_is_refused_at_the_sender() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let done = send_long(&office, "lab", &"x".repeat(1 << 20)).exits(2);
    assert!(done.json_error().contains("at most 1048576"), "{}", done.err);
    for text in ["x".repeat(5 << 20), "\u{1}".repeat(300_000)] {
        let said = send_long(&office, "lab", &text).exits(2).json_error();
        assert!(said.contains("1048576"), "{said}");
    }
    let longest = "x".repeat((1 << 20) - 1_000);
    assert_eq!(send_long(&office, "lab", &longest).exits(0).json()["state"], "sent");
    assert_eq!(contents(&lab), [longest]);
    // What the recipient takes counts as well.
    let small =
        lan.join_with("small", &Settings { limits: "message = \"1KiB\"".into(), ..Settings::default() });
    small.daemon().stop();
    assert!(send_long(&office, "small", &"x".repeat(1_100)).exits(2).json_error().contains("at most 1024"));
}

#[test]
fn a_message_over_the_limit_is_set_aside_at_the_reader() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let line = |size: usize| format!("{{\"from\":\"x\",\"content\":\"{}\"}}\n", "y".repeat(size));
    append(&slot(&lab), line(1 << 20).as_bytes());
    append(&slot(&lab), b"{\"from\":\"x\",\"content\":\"between\"}\n");
    append(&slot(&lab), line(7 << 20).as_bytes());
    append(&slot(&lab), b"{\"from\":\"x\",\"content\":\"after\"}\n");
    assert_eq!(contents(&lab), ["between", "after"]);
    let aside = list(lab.json(&["inbox", "--quarantine"]));
    assert_eq!(aside.len(), 2);
    let size = |entry: &Value| entry["length"].as_u64().unwrap();
    assert_eq!(size(&aside[0]), (1 << 20) + 26);
    for entry in &aside {
        assert!(text_of(entry, "reason").contains("1048576"), "{}", entry["reason"]);
        assert!(text_of(entry, "raw").len() <= 2 * 64 * 1024);
    }
}

/// The lane's numbers go on behind a line that the reader will never take.
#[test]
fn a_lane_goes_on_behind_what_its_reader_sets_aside() {
    let mut pair = Pair::with(|config| {
        config.limits.message.0 = 4 << 20;
        config.look.notify = false;
    });
    pair.b.configure(|config| config.limits.message.0 = 1 << 20);
    let sent = pair.a.send("b", &["before".into(), "x".repeat(2 << 20), "after".into()]);
    pair.settle();
    assert_eq!(pair.b.texts(), ["before", "after"]);
    for n in 0..5 {
        pair.a.send("b", &[format!("later {n}")]);
        pair.settle();
    }
    pair.run(Duration::from_secs(1_800));
    pair.settle();
    let lines = pair.lane_lines("a", "b").len();
    assert!(lines < 60, "{lines} lines, most of them the same again");
    let aside = pair.b.status().quarantined;
    assert!((1..20).contains(&aside), "{aside} set aside");
    assert_eq!(pair.b.texts().len(), 7);
    let state = pair.a.state_of(&sent[1]).to_string();
    assert_ne!(state, "delivered");
}

#[test]
fn lines_that_are_no_messages_stop_nothing_after_them() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let good = |n: usize| format!("{{\"from\":\"x\",\"content\":\"good {n}\"}}\n");
    let message = |content: &str| format!("{{\"from\":\"x\",\"content\":{content}}}").into_bytes();
    let deep = |levels: usize| message(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (deep(100), "deeper"),
        (deep(100_000), "deeper"),
        (message(&"[".repeat(100_000)), "deeper"),
        (message("1e999"), "number"),
        (message(&format!("\"{}\"", "y".repeat(2 << 20))), "1048576"),
        (b"{\"from\":\"x\",\"content\":\"brok".to_vec(), "middle"),
        (b"{\"from\":\"x\",\"content\":".to_vec(), "middle"),
        (b"[1,2]".to_vec(), "not a JSON object"),
        (b"17".to_vec(), "not a JSON object"),
        (b"\"text\"".to_vec(), "not a JSON object"),
        (b"null".to_vec(), "not a JSON object"),
        (b"hello?".to_vec(), "not a JSON object"),
        (b"{\"from\":\"x\",\"from\":\"y\",\"content\":1}".to_vec(), "twice"),
        (message("{\"a\":{\"b\":1,\"b\":2}}"), "twice"),
        (message("\"\\ud800\""), "lone surrogate"),
        (message("\"\\udc00\\ud800\""), "lone surrogate"),
        (b"{\"content\":1}".to_vec(), "\"from\""),
        (b"{\"from\":\"x\"}".to_vec(), "\"content\""),
        (b"{}".to_vec(), "\"from\""),
        (b"{\"from\":7,\"content\":1}".to_vec(), "\"from\""),
        (b"{\"from\":\"x\",\"to\":\"office\",\"content\":1}".to_vec(), "not to lab"),
        (b"{\"from\":\"x\",\"to\":\"../x\",\"content\":1}".to_vec(), "\"to\""),
        (b"{\"from\":\"x\",\"id\":\"../../x\",\"content\":1}".to_vec(), "id"),
        (b"{\"from\":\"x\",\"type\":\"receipt\",\"content\":{}}".to_vec(), "receipt"),
        (b"\xff\xfe\xfd\xfc\x80\x81".to_vec(), ""),
        (b"{\"from\":\"x\",\"content\":\"\x01\"}".to_vec(), "JSON"),
    ];
    let mut file = vec![];
    for (n, (line, _)) in bad.iter().enumerate() {
        file.extend([line, &b"\n"[..], good(n).as_bytes()].concat());
    }
    append(&slot(&lab), &file);
    let expected: Vec<_> = (0..bad.len()).map(|n| format!("good {n}")).collect();
    let got = until("the last one", || Some(contents(&lab)).filter(|got| got.last() == expected.last()));
    assert_eq!(got, expected);
    let aside = list(lab.json(&["inbox", "--quarantine"]));
    assert_eq!(aside.len(), bad.len(), "{aside:?}");
    for ((line, why), entry) in bad.iter().zip(&aside) {
        let reason = text_of(entry, "reason");
        assert!(reason.contains(why), "{:?}: {reason}", String::from_utf8_lossy(&line[..line.len().min(80)]));
        let raw: String = line.iter().take(64 * 1024).map(|byte| format!("{byte:02x}")).collect();
        let kept = text_of(entry, "raw");
        assert!(kept.starts_with(&raw) && kept.len() <= raw.len() + 4, "{reason}: {kept}");
        assert_eq!(entry["source"], "messages/to-lab.jsonl");
    }
    let status = lab.json(&["status"]);
    assert_eq!(status["quarantined"], bad.len());
    assert!(status["problems"].to_string().contains("set aside"), "{status}");
    lab.ok(&["inbox", "--quarantine"]);
    assert_eq!(contents(&lab), expected, "nothing is taken twice");
}

/// Each command looks at the share in a pass of its own, and is over before half a line has stood still.
#[test]
fn half_a_line_stops_no_pc_without_a_daemon() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.send("lab", "before");
    assert_eq!(contents(&lab), ["before"]);
    append(&slot(&lab), b"{\"from\":\"x\",\"content\":\"a newline was forgotten\"}");
    append(&lan.share().join("messages/to-lab/from-office.1-000001.jsonl"), b"{\"v\":1,\"from\":\"off");
    let id = office.send("lab", "after");
    // Which of the two is taken in first is nobody's promise.
    let mut all = until("both", || Some(contents(&lab)).filter(|all| all.len() == 3));
    all.sort();
    assert_eq!(all, ["a newline was forgotten", "after", "before"]);
    office.sees(&id, "delivered");
    let aside = list(lab.json(&["inbox", "--quarantine"]));
    assert!(aside.len() == 1 && text_of(&aside[0], "reason").contains("torn tail"), "{aside:?}");
}

/// What stands in a lane is looked at as closely: a hostile or broken peer harms itself alone.
#[test]
fn bad_lines_in_a_lane_stop_nothing_after_them() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let lane = lan.share().join("messages/to-lab/from-evil.1-000001.jsonl");
    let line = |seq: u64, more: &str| {
        format!("{{\"v\":1,\"id\":\"evil-{seq}\",\"from\":\"evil\",\"content\":{seq},\"seq\":{seq}{more}}}\n")
    };
    for bad in [
        "\n\n\n",
        "{\"from\":\"evil\",\"content\":1}\n",
        "{\"v\":1,\"id\":\"x\",\"from\":\"office\",\"content\":1,\"seq\":1}\n",
        "{\"v\":1,\"id\":\"x\",\"from\":\"evil\",\"content\":1,\"seq\":0}\n",
        "{\"v\":1,\"id\":\"x\",\"from\":\"evil\",\"content\":1,\"seq\":18446744073709551615}\n",
        "{\"v\":1,\"id\":\"x\",\"from\":\"evil\",\"type\":\"receipt\",\"content\":{\"delivered\":\"no\"},\"seq\":1}\n",
        "{\"v\":1,\"id\":\"y\",\"from\":\"evil\",\"type\":\"receipt\",\"content\":{\"items\":[{\"id\":\"nobody\",\"state\":\"read\",\"at\":\"\"}]},\"seq\":2}\n",
    ] {
        append(&lane, bad.as_bytes());
    }
    append(&lane, line(3, ",\"expires\":\"tomorrow\"").as_bytes());
    append(&lane, line(4, ",\"priority\":\"yesterday\",\"v2\":{\"new\":true}").as_bytes());
    append(&lane, line(9_000_000_000_000_000_000, "").as_bytes());
    append(&lane, line(5, "").as_bytes());
    office.send("lab", "mine");
    let inbox = lab.inbox();
    let from = |who: &str| inbox.iter().filter(|message| message["from"] == who).cloned().collect::<Vec<_>>();
    assert_eq!((from("evil").len(), from("office").len()), (3, 1), "{inbox:?}");
    assert_eq!(from("evil")[0]["rest"]["v2"], json!({"new": true}));
    assert!(lab.json(&["status"])["quarantined"].as_u64().unwrap() >= 5);
    let daemon = lab.daemon();
    office.send("lab", "more");
    lab.receives("more");
    daemon.stop();
}

// config and state

#[test]
fn a_config_in_any_encoding_is_read() {
    let lan = Lan::new();
    let pc = lan.join("实验室");
    let text = format!("# 配置文件\n{}", fs::read_to_string(&pc.config).unwrap()).replace('\n', "\r\n");
    for encoding in Encoding::ALL {
        for bom in [false, true] {
            fs::write(&pc.config, encode(&text, encoding, bom)).unwrap();
            let status = pc.json(&["status"]);
            assert_eq!(status["instance"], "实验室", "{encoding:?}, BOM: {bom}");
            assert_eq!(status["share"]["available"], true, "the share's path is not ASCII either");
        }
    }
    for bad in [&b"\xff\xff\xff\x00\x00"[..], b"\0\0\0\0", b"instance = \"x\"\0\n"] {
        fs::write(&pc.config, bad).unwrap();
        pc.run(&["status"]).exits(2).says(&["lanpost.toml"]);
    }
    fs::write(&pc.config, "").unwrap();
    pc.run(&["status"]).exits(2).says(&["lanpost.toml", "missing", "instance"]);
    fs::remove_file(&pc.config).unwrap();
    fs::create_dir(&pc.config).unwrap();
    pc.run(&["status"]).exits(1).says(&["lanpost.toml"]);
}

#[test]
fn a_state_folder_that_is_none() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    fs::write(&pc.state, "a note").unwrap();
    pc.try_init(&[]).exits(2).says(&["a file stands in its place"]);
    assert_eq!(fs::read(&pc.state).unwrap(), b"a note");
    fs::remove_file(&pc.state).unwrap();
    pc.init(&[]);
    let aside = pc.path("aside");
    fs::rename(&pc.state, &aside).unwrap();
    for command in [&["status"][..], &["send", "lab", "x"], &["run"], &["inbox"]] {
        pc.run(command).exits(3).says(&["state", "lanpost init"]);
    }
    pc.try_init(&[]).exits(3).says(&["bring it back"]);
    assert!(!pc.state.exists(), "a new key would be another identity");
    fs::write(&pc.state, "a note").unwrap();
    pc.run(&["status"]).exits(3);
    fs::remove_file(&pc.state).unwrap();
    fs::rename(&aside, &pc.state).unwrap();
    // State on the share is refused.
    let mut on_share = lan.pc("other");
    on_share.state = lan.share().join("state");
    on_share.try_init(&[]).exits(2).says(&["on the share"]);
    // What is no database.
    for bad in [
        &b""[..],
        &b"this is no database, but long enough to look like one at first sight"[..],
        &b"SQLite format 3\0garbage"[..],
    ] {
        for file in ["lanpost.db", "lanpost.db-wal", "lanpost.db-shm"] {
            let _ = fs::remove_file(pc.state.join(file));
        }
        fs::write(pc.state.join("lanpost.db"), bad.repeat(200)).unwrap();
        for command in [&["status"][..], &["run"], &["send", "office", "x"]] {
            pc.run(command).exits(1).says(&["lanpost.db"]);
        }
        assert_eq!(
            fs::read(pc.state.join("lanpost.db")).unwrap(),
            bad.repeat(200),
            "a person decides what to do"
        );
    }
}

#[test]
fn a_key_that_is_gone_or_damaged_is_told_with_the_way_out() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let (path, key) = (lab.state.join("key"), fs::read(lab.state.join("key")).unwrap());
    for bad in [None, Some(&b"zz"[..]), Some(b"")] {
        match bad {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        for command in [&["status"][..], &["run"], &["send", "office", "x"]] {
            lab.run(command).exits(1).says(&["key", "backup"]);
        }
        lab.try_init(&[]).exits(1).says(&["key", "backup"]);
        assert_eq!(fs::read(&path).ok().as_deref(), bad, "a person decides what to do");
        fs::write(&path, &key).unwrap();
    }
    lab.send("office", "x");
    office.receives("x");
}

#[test]
fn a_state_folder_that_is_read_only() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.send("lab", "before");
    lab.inbox();
    let Some(mount) = Mount::read_only(&lab.state) else { return };
    for command in [
        &["send", "office", "x"][..],
        &["run"],
        &["ack", "0"],
        &["init", "--force", "--instance", "lab", "--share", lan.share().to_str().unwrap()],
    ] {
        let done = lab.run(command).exits(1);
        done.says(&["let this user write"]);
    }
    office.send("lab", "meanwhile");
    drop(mount);
    assert_eq!(contents(&lab), ["before", "meanwhile"]);
}

// full disks

#[test]
fn a_full_disk_under_the_state_folder() {
    for daemons in [false, true] {
        let lan = Lan::new();
        let (office, lab) = (lan.pc("office"), lan.join("lab"));
        let Some(_mount) = Mount::small(&office.state, "2m") else { return };
        office.init(&[]);
        office.configure(&Settings::default());
        office.ok(&["peers"]);
        let mut running = daemons.then(|| (office.daemon(), lab.daemon()));
        // Accepted before, and not out yet.
        lan.unmount();
        office.ok(&["send", "lab", "accepted", "--id", "accepted"]);
        let filler = office.state.join("filler");
        fill(&filler);
        // Whatever fits into the room that SQLite holds is accepted; at the latest a long one is not.
        let mut accepted = vec!["accepted".to_owned()];
        let refused = (0..200).find_map(|n| {
            let text = format!("{n} {}", "x".repeat(20_000));
            let done = send_long(&office, "lab", &text);
            if done.code == Some(0) {
                accepted.push(text);
                return None;
            }
            Some((text, done))
        });
        let (text, done) = refused.expect("a disk of 2 MB gets full");
        let done = done.exits(75);
        assert_eq!(done.error()["kind"], "full", "{}", done.err);
        assert!(done.json_error().contains("make room"), "{}", done.err);
        office.run(&["send", "lab", &"y".repeat(60_000)]).exits(75).says(&["make room"]);
        for command in ["status", "inbox", "peers"] {
            let done = office.run(&[command]);
            assert!(matches!(done.code, Some(0 | 75)), "{command}: {done:?}");
            assert!(!done.err.contains("panicked"), "{}", done.err);
        }
        if let Some((one, two)) = &mut running {
            assert_eq!((one.ended(), two.ended()), (None, None), "{}", one.log());
        }
        fs::remove_file(&filler).unwrap();
        lan.mount();
        accepted.push(text.clone());
        send_long(&office, "lab", &text).exits(0);
        lab.receives(&text);
        assert_eq!(contents(&lab), accepted, "daemons: {daemons}");
    }
}

#[test]
fn a_full_disk_under_the_recipients_state_folder() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.pc("lab"));
    let Some(_mount) = Mount::small(&lab.state, "4m") else { return };
    lab.init(&[]);
    lab.configure(&Settings::default());
    let mut daemon = lab.daemon();
    office.send("lab", "before");
    lab.receives("before");
    let filler = lab.state.join("filler");
    fill(&filler);
    let text = "x".repeat(900_000);
    let id = text_of(&send_long(&office, "lab", &text).exits(0).json(), "id");
    until_true("the daemon to say so", || daemon.log().contains("make room"));
    assert_eq!(daemon.ended(), None);
    assert_eq!(office.json(&["trace", &id])["state"], "sent");
    fs::remove_file(&filler).unwrap();
    lab.receives(&text);
    office.sees(&id, "delivered");
    assert_eq!(contents(&lab), ["before", &text]);
}

#[test]
fn a_full_share() {
    for daemons in [false, true] {
        let lan = Lan::new();
        let Some(_mount) = Mount::small(&lan.share(), "1m") else { return };
        let (office, lab) = (lan.join("office"), lan.join("lab"));
        office.send("lab", "before");
        assert_eq!(contents(&lab), ["before"]);
        let mut running = daemons.then(|| (office.daemon(), lab.daemon()));
        let filler = lan.share().join("filler");
        fill(&filler);
        let texts: Vec<_> = (0..5).map(|n| format!("{n} {}", "x".repeat(20_000))).collect();
        for text in &texts {
            let sent = send_long(&office, "lab", text).exits(0).json();
            assert_eq!(sent["state"], "queued", "{sent}");
            if !daemons {
                assert!(text_of(&sent, "spooled").contains("could not append to"), "{}", sent["spooled"]);
            }
        }
        if let Some((one, two)) = &mut running {
            until_true("the daemon to say so", || one.log().contains("could not append to"));
            assert_eq!((one.ended(), two.ended()), (None, None), "{}", one.log());
        }
        let newcomer = lan.pc("newcomer");
        newcomer.try_init(&[]).exits(75).says(&["No space left"]);
        fs::remove_file(&filler).unwrap();
        office.ok(&["status"]);
        lab.receives(texts.last().unwrap());
        assert_eq!(contents(&lab)[1..], texts, "daemons: {daemons}");
        let last = text_of(lab.inbox().last().unwrap(), "id");
        office.sees(&last, "delivered");
        newcomer.init(&[]);
    }
}

#[test]
fn standard_output_that_is_full_is_said() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no /dev/full here");
        return;
    };
    let mut command = pc.command(&["status"]);
    command.stdout(full).stderr(Stdio::piped());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    assert!(String::from_utf8(output.stderr).unwrap().contains("standard output"));
}

#[test]
fn an_argument_that_is_no_unicode_is_refused() {
    let lan = Lan::new();
    let mut command = lan.join("office").command(&["send", "office"]);
    command.arg(no_unicode("", ""));
    finish(command, b"").exits(2);
}
