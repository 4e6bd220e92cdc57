//! What is fuzzed: every parser that meets bytes of a share, a config, or a command line. Each target asserts more than
//! "no panic": what the parser's own header promises.

use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;

use lanpost::engine::intake::{self, Reading, Still};
use lanpost::model::config;
use lanpost::model::envelope::Envelope;
use lanpost::model::heartbeat::Heartbeat;
use lanpost::model::identity::Identity;
use lanpost::model::json::{self, Limits};
use lanpost::model::layout;
use lanpost::model::lease::Lease;
use lanpost::model::lockfile;
use lanpost::model::name::{Address, Name};
use lanpost::model::paths::{self, Pick};
use lanpost::model::receipt::Receipt;
use lanpost::model::seal;
use lanpost::model::sign::Signer;
use lanpost::model::text::mojibake;
use lanpost::model::text::{self, Encoding};
use lanpost::model::trust::{Keys, Pin, Standing, Verdict};
use lanpost::store::db::{Cursor, Via};
use lanpost::sys::seal::Identities;
use serde_json::{Map, Value};

/// A target: one function of bytes.
pub type Target = fn(&[u8]);

/// All of them, by the names of their corpus folders.
pub const TARGETS: [(&str, Target); 11] = [
    ("body", body),
    ("line", line),
    ("document", document),
    ("json", json_line),
    ("envelope", envelope),
    ("config", config_file),
    ("status", status),
    ("lease", lease),
    ("layout", layout_name),
    ("path", path),
    ("sealed", sealed),
];

/// The sealing key of the seeds, known to everybody.
const SEAL: &str = include_str!("../../testdata/wire/v1/seal.txt");

/// Opens what is sealed to the key of the seeds; what comes out is no longer than was asked for.
fn open(bytes: &[u8], most: u64) -> Result<Vec<u8>, String> {
    static KEYS: OnceLock<Identities> = OnceLock::new();
    let keys = KEYS.get_or_init(|| Identities::parse(SEAL).unwrap());
    let mut plain = vec![];
    let size = keys.open(&mut &*bytes, most, &mut plain)?;
    assert!(size <= most && plain.len() as u64 == size);
    Ok(plain)
}

/// What a peer hands over, one signed envelope a line: the bytes of a lane, of a slot, and of a request's body. The peer
/// `a` has a key, so what arrives in its name is signed with it; `seeds/body` was signed with the same.
pub fn body(bytes: &[u8]) {
    let key = Signer::new(&[1; 32]).key();
    let keys = Rc::new(Keys(vec![Pin { key, standing: Standing::Pinned }]));
    let keys = |fold: &str| if fold == "a" { keys.clone() } else { Rc::default() };
    let us = Name::parse("b").unwrap();
    for via in [Via::Lane { peer: "a".into(), lease: 1 }, Via::Slot] {
        let reading = Reading {
            lane: "from-a",
            source: "the fuzzer",
            via,
            us: &us,
            limit: 1 << 16,
            room: 1 << 20,
            at_end: true,
            sealed: false,
            still: Still::Damaged,
            restarted: false,
            keys: &keys,
            open: &|bytes| open(bytes, 1 << 16),
        };
        let outcome = intake::read(&reading, &Cursor::default(), bytes);
        let Some(intake) = outcome.intake else { continue };
        assert_eq!(intake.cursor.offset as usize + outcome.waiting, bytes.len());
        for arrival in &intake.arrivals {
            assert_eq!(arrival.peer == "a", arrival.verdict == Verdict::Verified, "{arrival:?}");
            let signed = serde_json::from_str(&arrival.text).is_ok_and(|object| key.verifies(&object));
            assert!(signed || arrival.verdict == Verdict::Unverified, "{arrival:?}");
        }
    }
}

/// Lines of a mailbox file: what is consumed is made of the lines, and a scan in two pieces gives the same lines.
pub fn line(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let whole = text::scan(bytes, None);
    assert!(whole.consumed <= bytes.len());
    for line in &whole.lines {
        assert_eq!(line.raw, &bytes[line.at..line.at + line.raw.len()]);
    }
    // The border may be anywhere in front of a tail.
    let first = text::scan(&bytes[..bytes.len().min(usize::from(cut))], None);
    let second = text::scan(&bytes[first.consumed..], first.after);
    assert_eq!(first.consumed + second.consumed, whole.consumed);
    let texts = |scan: &text::Scan| -> Vec<_> {
        scan.lines.iter().map(|line| line.text.as_ref().map(|text| text.to_string()).ok()).collect()
    };
    assert_eq!([texts(&first), texts(&second)].concat(), texts(&whole));
    let rest = &bytes[whole.consumed..];
    let _ = text::scan_tail(rest, whole.after);
    let (skipped, _) = text::skip_line(rest, Some(text::begins(rest, whole.after)));
    assert!(skipped <= rest.len() && text::nul_run(rest) <= rest.len());
}

/// A whole text of unknown encoding, and the likely original of one that was decoded twice.
pub fn document(bytes: &[u8]) {
    if let Ok(document) = text::decode_document(bytes) {
        let _ = format!("{document:?}");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = mojibake::original(text);
    for encoding in Encoding::ALL {
        let written = text::encode(text, encoding, true);
        assert!(text.is_empty() || !written.is_empty());
    }
}

/// A line of JSON: what is taken is an object, and is taken again as it is written.
pub fn json_line(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match json::parse(text, Limits::default()) {
        Ok(values) => {
            assert!(!values.is_empty() && values.iter().all(serde_json::Value::is_object));
            for value in values {
                assert_eq!(json::parse(&value.to_string(), Limits::default()), Ok(vec![value]));
            }
        }
        Err(reject) => assert!(!reject.reason().is_empty() && reject.reason().len() < 2_000),
    }
}

/// An envelope: one that is taken is written in one line, and means the same when read again.
pub fn envelope(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for value in json::parse(text, Limits::default()).unwrap_or_default() {
        let Ok(envelope) = Envelope::from_value(value) else { continue };
        let _ = Receipt::from_content(&envelope.content);
        for (written, plain) in [(envelope.to_line(), false), (envelope.to_plain_line(), true)] {
            let (newline, line) = written.split_last().unwrap();
            assert!(*newline == b'\n' && !line.contains(&b'\n'));
            let again = json::parse(std::str::from_utf8(line).unwrap(), Limits::default()).unwrap();
            let mut again = Envelope::from_value(again.into_iter().next().unwrap()).unwrap();
            if plain {
                (again.v, again.seq) = (envelope.v, envelope.seq);
            }
            // Times are written with milliseconds.
            again.expires = envelope.expires;
            assert_eq!(again, envelope);
        }
    }
}

/// What is sealed, or claims to be: an age file, an opened message, a line with one; what is opened is no longer than was
/// asked for.
pub fn sealed(bytes: &[u8]) {
    let open = |bytes: &[u8]| open(bytes, 1_024).ok();
    let _ = open(bytes);
    let outer = Map::from_iter(
        [("id", "m-1"), ("from", "a"), ("to", "b")].map(|(key, value)| (key.to_owned(), value.into())),
    );
    if let Ok(message) = seal::unite(outer, bytes) {
        assert!(
            message["id"] == "m-1"
                && message["from"] == "a"
                && message["to"] == "b"
                && message.get("sig").is_none()
        );
    }
    let Ok(Value::Object(line)) = serde_json::from_slice(bytes) else { return };
    let _ = seal::reason(bytes, "a", "m-1");
    if let Some(inner) = seal::from_object(&line).and_then(|bytes| open(&bytes)) {
        let _ = seal::unite(line, &inner);
    }
}

/// A config file in any encoding.
pub fn config_file(bytes: &[u8]) {
    let Ok(document) = text::decode_document(bytes) else { return };
    match config::parse(&document.text, Path::new("/etc/lanpost/config.toml")) {
        Ok(config) => assert!(config.look.busy <= config.look.idle && !config.instance.as_str().is_empty()),
        Err(error) => assert!(!error.to_string().contains('\u{1b}')),
    }
    let _ = config::split_command(&document.text);
}

/// A status file, a lockfile, the share's identity.
pub fn status(bytes: &[u8]) {
    if let Some(beat) = Heartbeat::parse(bytes) {
        assert_eq!(Heartbeat::parse(&beat.to_bytes()), Some(beat));
    }
    if let Ok(identity) = Identity::parse(bytes) {
        assert_eq!(Identity::parse(&identity.to_bytes()), Ok(identity));
    }
    let _ = (Identity::is_newer(bytes), lockfile::patience(bytes), lockfile::is_leftover(bytes, "a", "b"));
}

/// A lease file.
pub fn lease(bytes: &[u8]) {
    let Ok(lease) = serde_json::from_slice::<Lease>(bytes) else { return };
    let again = serde_json::to_vec_pretty(&lease).unwrap();
    assert_eq!(serde_json::from_slice::<Lease>(&again).unwrap(), lease);
}

/// A name found on the share: what is taken is written as it was, and stays below the share's root.
pub fn layout_name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = layout::is_ours(text);
    if let Some(file) = layout::parse_lane(text) {
        let to = Name::parse("b").unwrap();
        below_the_root(&layout::lane(&to, &file));
        assert_eq!(
            layout::parse_lane(layout::lane(&to, &file).as_str().rsplit('/').next().unwrap()),
            Some(file)
        );
    }
    if let Some(name) = layout::parse_status(text) {
        below_the_root(&layout::status(&name));
    }
    if let Some(number) = layout::parse_lease(text) {
        assert!(number < u64::from(u32::MAX));
    }
    let _ = layout::parse_messages(text);
    if let Ok(name) = Name::parse(text) {
        assert_eq!(Name::parse(name.as_str()), Ok(name.clone()));
        for path in
            [layout::mailbox(&name), layout::status(&name), layout::leases(&name), layout::open_slot(&name)]
        {
            below_the_root(&path);
        }
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}

fn below_the_root(path: &layout::SharePath) {
    let root = Path::new("/share");
    let full = path.under(root);
    assert!(full.starts_with(root));
    let plain = |part| matches!(part, std::path::Component::Normal(_) | std::path::Component::RootDir);
    assert!(full.components().all(plain), "{full:?}");
}

/// A name that was typed, looked for among those that are there (separated by `/`).
pub fn path(bytes: &[u8]) {
    let mut names = bytes.split(|byte| *byte == b'/');
    let typed = names.next().unwrap_or_default();
    let there: Vec<&[u8]> = names.take(5).collect();
    match paths::pick(typed, &there) {
        Pick::One(at, _) => assert!(at < there.len()),
        Pick::Several(_, found) => assert!(found.len() > 1 && found.iter().all(|at| *at < there.len())),
        Pick::None => {}
    }
    let _ = (paths::near(typed, &there), paths::readable(typed), paths::shown(typed));
}
