//! The bytes on the share, word for word: `testdata/wire/v1/` holds what version 1 writes.
//!
//! Files are added there and never edited: what a released lanpost wrote must be read for ever. Each is checked both
//! ways: today's code writes these bytes, and reads them as these values.

use std::path::Path;

use chrono::DateTime;
use lanpost::engine::ops;
use lanpost::model::ask::{PROGRESS, REQUEST};
use lanpost::model::attachment::{self, Attachment, Folder};
use lanpost::model::blob::{Blob, Hash};
use lanpost::model::cancel::{self, Order};
use lanpost::model::claim::Claim;
use lanpost::model::envelope::{Envelope, Priority};
use lanpost::model::group::{ANY, Broadcast};
use lanpost::model::heartbeat::{self, Activity, Heartbeat, Proof, Succession};
use lanpost::model::id::MessageId;
use lanpost::model::identity::Identity;
use lanpost::model::lease::Lease;
use lanpost::model::manifest::{self, Manifest};
use lanpost::model::receipt::{ABANDONED, Delivered, Item, Receipt};
use lanpost::model::sign::Signer;
use lanpost::model::state::State;
use lanpost::model::task::Event;
use lanpost::model::{json, layout, seal};
use lanpost::store::{identity, lease};
use lanpost::sys::memory::MemoryShare;
use lanpost::sys::seal::Identities;
use lanpost::sys::share::Share;
use serde_json::{Map, Value, json};

use crate::common::{Pair, name};

fn golden(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/wire/v1").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn written(file: &str, bytes: &[u8]) {
    let (wanted, found) = (golden(file), String::from_utf8_lossy(bytes));
    assert!(wanted == bytes, "{file} is not what is written today, which is:\n{found}");
}

/// Reads one line as the engine does.
fn read(file: &str) -> Envelope {
    let text = String::from_utf8(golden(file)).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "one line");
    let mut values = json::parse(text.trim_end(), json::Limits::default()).unwrap();
    assert_eq!(values.len(), 1);
    Envelope::from_value(values.remove(0)).unwrap()
}

fn id(text: &str) -> MessageId {
    text.parse().unwrap()
}

fn envelope() -> Envelope {
    Envelope {
        v: Some(1),
        id: Some(id("01942a3f-0c00-7000-8000-000000000001")),
        from: "office/小明".into(),
        to: Some("lab/builder".parse().unwrap()),
        timestamp: Some("2026-02-14T10:40:00.000Z".into()),
        kind: "task".into(),
        content: json!({"text": "你好 \u{1F4EE} \"quoted\" \\ line\nbreak\u{1}", "n": [1, -2.5, null, true]}),
        seq: Some(42),
        thread: Some("build-7".into()),
        in_reply_to: Some(id("01942a3f-0c00-7000-8000-000000000000")),
        priority: Priority::Urgent,
        expires: Some(DateTime::from_timestamp_millis(1_771_065_600_123).unwrap()),
        hops: None,
        broadcast: None,
        sealed: None,
        rest: Map::from_iter([("x-colour".to_owned(), json!("red"))]),
    }
}

fn smallest() -> Envelope {
    Envelope {
        v: Some(1),
        id: Some(id("01942a3f-0c00-7000-8000-000000000002")),
        from: "office".into(),
        to: Some("lab".parse().unwrap()),
        timestamp: Some("2026-02-14T10:40:00.000Z".into()),
        kind: "message".into(),
        content: "ping".into(),
        seq: Some(1),
        thread: None,
        in_reply_to: None,
        priority: Priority::Normal,
        expires: None,
        hops: None,
        broadcast: None,
        sealed: None,
        rest: Map::new(),
    }
}

#[test]
fn an_envelope_in_a_lane() {
    written("envelope.jsonl", &envelope().to_line());
    assert_eq!(read("envelope.jsonl"), envelope());
    written("envelope-smallest.jsonl", &smallest().to_line());
    assert_eq!(read("envelope-smallest.jsonl"), smallest());
}

/// A reader hands on which dead letter it was sent in place of.
#[test]
fn a_letter_that_was_sent_again() {
    let of = json!("01942a3f-0c00-7000-8000-000000000001");
    let redriven = Envelope { rest: Map::from_iter([(ops::REDRIVE_OF.to_owned(), of)]), ..smallest() };
    written("envelope-redriven.jsonl", &redriven.to_line());
    assert_eq!(read("envelope-redriven.jsonl"), redriven);
}

#[test]
fn a_copy_of_a_broadcast() {
    let broadcast = id("01942a3f-0c00-7000-8000-000000000003");
    let copy = Envelope {
        thread: Some(broadcast.to_string()),
        broadcast: Some(Broadcast { group: "@builder".into(), id: Some(broadcast), any: None }),
        ..smallest()
    };
    written("envelope-broadcast.jsonl", &copy.to_line());
    assert_eq!(read("envelope-broadcast.jsonl"), copy);
    let any = Broadcast { any: Some(1_800), ..copy.broadcast.clone().unwrap() };
    let offer = Envelope { broadcast: Some(any), ..copy };
    written("envelope-offer.jsonl", &offer.to_line());
    assert_eq!(read("envelope-offer.jsonl"), offer);
    // What a person writes by hand means the slot that it stands in.
    let plain = read("plain-to-all.jsonl");
    assert_eq!((plain.to, plain.broadcast.unwrap().group.as_str()), (None, "all"));
}

#[test]
fn a_heartbeat_with_roles() {
    let roles = ["builder", "小明/审查"].map(|role| role.parse().unwrap()).into();
    let beat = Heartbeat { roles, ..heartbeat() };
    written("heartbeat-roles.json", &beat.to_bytes());
    assert_eq!(Heartbeat::parse(&golden("heartbeat-roles.json")), Some(beat));
}

#[test]
fn a_request_and_a_note_on_how_far_it_is() {
    let request = Envelope { kind: REQUEST.into(), ..smallest() };
    let note = Envelope {
        id: Some(id("01942a3f-0c00-7000-8000-000000000003")),
        from: "lab".into(),
        to: Some("office".parse().unwrap()),
        kind: PROGRESS.into(),
        content: "half of it".into(),
        thread: request.id.as_ref().map(ToString::to_string),
        in_reply_to: request.id.clone(),
        ..smallest()
    };
    written("request.jsonl", &request.to_line());
    assert_eq!(read("request.jsonl"), request);
    written("progress.jsonl", &note.to_line());
    assert_eq!(read("progress.jsonl"), note);
}

#[test]
fn a_heartbeat_with_features() {
    let beat = Heartbeat { features: vec![ANY.into(), cancel::FEATURE.into()], ..heartbeat() };
    written("heartbeat-features.json", &beat.to_bytes());
    assert_eq!(Heartbeat::parse(&golden("heartbeat-features.json")), Some(beat));
}

#[test]
fn orders_that_take_mail_back() {
    let order = |order: Order| Envelope {
        kind: order.as_str().into(),
        content: order.text("office").into(),
        in_reply_to: Some(id("build-42")),
        ..smallest()
    };
    for (file, order) in [("recall.jsonl", order(Order::Recall)), ("cancel.jsonl", order(Order::Cancel))] {
        written(file, &order.to_line());
        assert_eq!(read(file), order);
    }
}

#[test]
fn a_receipt_of_requests_that_nobody_works_on() {
    let item = |id: &str, state: &str, reason: &str| Item {
        id: id.parse().unwrap(),
        state: state.into(),
        at: "2026-02-14T10:41:07.250Z".into(),
        reason: Some(reason.into()),
        sealed: None,
        private: false,
    };
    let items = vec![
        item("build-42", ABANDONED, "it was read, and for 1h nobody said more of it"),
        item("build-43", State::Cancelled.as_str(), "nobody had read it there"),
    ];
    let receipt = Receipt { items, ..Receipt::default() };
    let line = Envelope { kind: "receipt".into(), content: receipt.to_content(), seq: Some(9), ..smallest() };
    written("receipt-requests.jsonl", &line.to_line());
    assert_eq!(Receipt::from_content(&read("receipt-requests.jsonl").content), Some(receipt));
}

#[test]
fn an_envelope_with_attachments_and_a_manifest() {
    let text = Blob::of(b"hello");
    let manifest = Manifest {
        v: manifest::VERSION,
        folders: vec!["empty".into()],
        files: vec![
            manifest::File { path: "a/b.txt".into(), size: 5, blake3: text.blake3, at: Some((0, 0)) },
            manifest::File { path: "大.bin".into(), size: 1 << 20, blake3: Hash::of(b"large"), at: None },
        ],
        packs: vec![manifest::Pack { plain: text, stored: None }],
    };
    written("manifest.json", &manifest.to_bytes());
    assert_eq!(Manifest::parse(&golden("manifest.json")), Ok(manifest.clone()));
    let kept = Blob::of(&manifest.to_bytes());
    let folder = Folder { files: 2, manifest: kept.size };
    let attachment = |name: &str, blob: Blob| {
        let (size, blake3) = (blob.size, blob.blake3);
        Attachment { name: name.into(), size, blake3, folder: None, stored: None }
    };
    let all = [
        attachment("报告.pdf", text),
        Attachment { folder: Some(folder), size: manifest.size(), ..attachment("scans", kept) },
        Attachment { stored: Some(Blob::of(b"sealed")), ..attachment("secret", text) },
    ];
    let mut envelope = smallest();
    attachment::put(&mut envelope.rest, &all);
    written("envelope-attachments.jsonl", &envelope.to_line());
    let found = read("envelope-attachments.jsonl");
    assert_eq!((attachment::of(&found.rest).unwrap().as_slice(), &found), (&all[..], &envelope));
}

#[test]
fn a_line_of_the_plain_protocol() {
    let plain = Envelope { v: None, seq: None, ..envelope() };
    written("plain.jsonl", &plain.to_plain_line());
    assert_eq!(read("plain.jsonl"), plain);
    // The line that people know, as the issue gives it.
    let sample = Envelope {
        v: None,
        id: None,
        from: "instance-A".into(),
        to: Some("instance-B".parse().unwrap()),
        timestamp: Some("2026-02-14T18:40:00+08:00".into()),
        content: "你好，我是A实例，收到请回复".into(),
        seq: None,
        ..smallest()
    };
    written("plain-sample.jsonl", &sample.to_plain_line());
    assert_eq!(read("plain-sample.jsonl"), sample);
}

#[test]
fn what_is_said_of_a_task() {
    let task = "01942a3f-0c00-7000-8000-00000000000a";
    let event = |id: &str, version: u64, token: u64, deed: Value| {
        let mut object = json!({"id": id, "from": "lab/main", "timestamp": "2026-02-14T10:40:00.000Z", "task": task,
                                "version": version, "token": token});
        object.as_object_mut().unwrap().extend(deed.as_object().unwrap().clone());
        Event::from_value(object).unwrap()
    };
    let details = json!({"deed": "add", "title": "编译 the release", "body": "all of it", "to": "lab/builder",
                         "role": "builder", "depends": ["01942a3f-0c00-7000-8000-000000000009"], "priority": "high",
                         "due": "2026-02-20", "by_hand": true});
    let events = [
        event("e1", 1, 0, details),
        event("e2", 2, 1, json!({"deed": "claim", "term": 1800})),
        event("e3", 3, 1, json!({"deed": "progress", "text": "half", "percent": 50})),
        event("e4", 4, 1, json!({"deed": "done", "result": "well"})),
    ];
    let signer = Signer::new(&[7; 32]);
    let lines: Vec<u8> =
        events.iter().flat_map(|event| Event::to_line(&event.to_object(), 7, &signer)).collect();
    written("task-events.jsonl", &lines);
    let text = String::from_utf8(golden("task-events.jsonl")).unwrap();
    for (line, event) in text.lines().zip(&events) {
        let object: Map<String, Value> = serde_json::from_str(line).unwrap();
        assert!(signer.key().verifies(&object));
        assert_eq!(Event::from_value(Value::Object(object)).as_ref(), Ok(event));
    }
    let on = layout::task_claims(&task.parse().unwrap());
    let claim = Claim {
        claim: on.path().as_str().to_owned(),
        number: 1,
        by: "lab/main".parse().unwrap(),
        term: 1800,
        word: "ea50a55bd78771fb".into(),
        host: "lab-pc".into(),
        since: "2026-02-14T10:40:00.000Z".into(),
    };
    written("task-claim.json", &claim.to_signed_bytes(&signer));
    let (read, object) = Claim::read(&golden("task-claim.json"), on.path().as_str(), 1).unwrap();
    assert!(read == claim && signer.key().verifies(&object));
    assert_eq!(on.claim(1).as_str(), format!("tasks/claims/{task}/000001.json"));
    let log = layout::LaneFile { from: name("lab"), lease: 7, segment: 1 };
    assert_eq!(layout::task_log(&log).as_str(), "tasks/lab.7-000001.jsonl");
}

#[test]
fn a_receipt() {
    let receipt = Receipt {
        delivered: Some(Delivered { lease: 7, up_to: 42, missing: vec![3, 40] }),
        items: vec![
            Item {
                id: id("01942a3f-0c00-7000-8000-000000000001"),
                state: State::Processed.as_str().into(),
                at: "2026-02-14T10:41:07.250Z".into(),
                reason: None,
                sealed: None,
                private: false,
            },
            Item {
                id: id("build-42"),
                state: State::Failed.as_str().into(),
                at: "2026-02-14T10:41:08.000Z".into(),
                reason: Some("没有权限".into()),
                sealed: None,
                private: false,
            },
        ],
        restored: None,
    };
    let line = Envelope { kind: "receipt".into(), content: receipt.to_content(), seq: Some(9), ..smallest() };
    written("receipt.jsonl", &line.to_line());
    let found = read("receipt.jsonl");
    assert_eq!(found, line);
    assert_eq!(Receipt::from_content(&found.content), Some(receipt));
}

#[test]
fn a_receipt_of_a_store_that_went_back_in_time() {
    let lanes = vec![
        Delivered { lease: 3, up_to: 118, missing: vec![] },
        Delivered { lease: 7, up_to: 42, missing: vec![40] },
    ];
    let receipt = Receipt { restored: Some(lanes), ..Receipt::default() };
    let line = Envelope { kind: "receipt".into(), content: receipt.to_content(), seq: Some(9), ..smallest() };
    written("receipt-restored.jsonl", &line.to_line());
    let found = read("receipt-restored.jsonl");
    assert_eq!(found, line);
    assert_eq!(Receipt::from_content(&found.content), Some(receipt));
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        lanpost: "0.1.0".into(),
        v: heartbeat::VERSION,
        instance: name("实验室"),
        state: Activity::Stopped,
        reason: Some("SIGTERM".into()),
        beat: 1_234,
        timestamp: "2026-02-14T10:40:00.000Z".into(),
        interval: 15,
        agents: vec![name("builder"), name("小明")],
        roles: vec![],
        lease: 7,
        key: "ed25519:00ff".into(),
        succeeds: vec![],
        seal: None,
        host: "PC-2".into(),
        direct: None,
        features: vec![],
        max_message: 1 << 20,
        rest: Map::new(),
    }
}

#[test]
fn a_heartbeat() {
    let beat = heartbeat();
    written("heartbeat.json", &beat.to_bytes());
    assert_eq!(Heartbeat::parse(&golden("heartbeat.json")), Some(beat.clone()));
}

/// The keys of these files: they are known to everybody, and good for nothing else.
fn signer(n: u8) -> Signer {
    Signer::new(&[n; 32])
}

/// Reads one signed line, and checks it against the key.
fn verified(file: &str) -> Map<String, Value> {
    let text = String::from_utf8(golden(file)).unwrap();
    let Value::Object(object) = json::parse(text.trim_end(), json::Limits::default()).unwrap().remove(0)
    else {
        panic!("{text}")
    };
    assert!(signer(7).key().verifies(&object), "{file}");
    object
}

#[test]
fn a_signed_envelope_in_a_lane_and_in_an_open_slot() {
    written("envelope-signed.jsonl", &envelope().to_signed_line(7, &signer(7)));
    assert_eq!(verified("envelope-signed.jsonl")["lease"], 7);
    let plain = Envelope { v: None, seq: None, ..envelope() };
    written("plain-signed.jsonl", &plain.to_signed_plain_line(&signer(7)));
    assert!(!verified("plain-signed.jsonl").contains_key("lease"));
}

#[test]
fn a_signed_heartbeat_with_a_key_that_succeeds_another() {
    let lab = name("实验室");
    let beat = Heartbeat {
        key: signer(7).key().to_string(),
        succeeds: vec![Succession::sign(&lab, &signer(6), &signer(7).key())],
        ..heartbeat()
    };
    written("heartbeat-signed.json", &beat.to_signed_bytes(&signer(7)));
    let (read, proof) = Heartbeat::read(&golden("heartbeat-signed.json")).unwrap();
    assert_eq!(proof, Proof::Signed(signer(7).key()));
    assert_eq!(read.former_keys(signer(7).key()), [signer(6).key()]);
    assert_eq!(signer(7).key().fingerprint(), "66384-52766-39727-81917-03278-56358");
}

/// The sealing key of these files, known to everybody as the others are.
fn identities() -> Identities {
    Identities::parse(&String::from_utf8(golden("seal.txt")).unwrap()).unwrap()
}

#[test]
fn a_sealed_envelope() {
    let object = verified("envelope-sealed.jsonl");
    let mut inner = vec![];
    identities().open(&mut seal::from_object(&object).unwrap().as_slice(), 4_096, &mut inner).unwrap();
    assert_eq!(inner, seal::inner(&envelope()), "what is sealed is the plain line");
    // What is sealed is never twice the same; what stands around it is.
    let sealed = object["sealed"].as_str().map(str::to_owned);
    written("envelope-sealed.jsonl", &Envelope { sealed, ..envelope() }.to_signed_line(7, &signer(7)));
    let Value::Object(mut whole) = seal::unite(object, &inner).unwrap() else { panic!() };
    whole.retain(|field, _| !["sig", "lease"].contains(&field.as_str()));
    assert_eq!(Envelope::from_value(Value::Object(whole)), Ok(envelope()));
}

#[test]
fn a_heartbeat_with_a_sealing_key() {
    let seal = identities().key().map(|key| key.to_string());
    let beat = Heartbeat { key: signer(7).key().to_string(), seal: seal.clone(), ..heartbeat() };
    written("heartbeat-seal.json", &beat.to_signed_bytes(&signer(7)));
    let (read, proof) = Heartbeat::read(&golden("heartbeat-seal.json")).unwrap();
    assert_eq!((read.seal, proof), (seal, Proof::Signed(signer(7).key())));
}

#[test]
fn a_lease() {
    let share = MemoryShare::new();
    for folder in layout::folders() {
        share.make_folder(&folder).unwrap();
    }
    let claim = Lease {
        holder: "00112233aabbccdd".into(),
        host: "PC-2".into(),
        since: "2026-02-14T10:40:00.000Z".into(),
    };
    let number = lease::acquire(&share, &name("lab"), &claim, 0).unwrap();
    let path = layout::lease(&name("lab"), number);
    assert_eq!(path.as_str(), "leases/lab/000001.json");
    written("lease.json", &share.read(&path, 0, 4_096).unwrap().unwrap());
    assert_eq!(lease::holder(&share, &name("lab"), number).unwrap(), Some(claim));
}

#[test]
fn a_share_identity() {
    let fresh = Identity {
        share: "5f0c1f7e-0000-4000-8000-000000000000".into(),
        format: 1,
        created: "2026-02-14T10:40:00.000Z".into(),
        rest: Map::new(),
    };
    let share = MemoryShare::new();
    identity::establish(&share, &fresh).unwrap();
    written("lanpost.json", &share.read(&layout::identity(), 0, 4_096).unwrap().unwrap());
    let share = MemoryShare::new();
    assert!(share.create_new(&layout::identity(), &golden("lanpost.json")).unwrap());
    assert_eq!(identity::read(&share).unwrap(), Some(fresh));
}

/// Versions to come add fields, words and numbers; today's reader takes what it knows and keeps the rest.
#[test]
fn a_line_from_the_future_arrives() {
    let mut pair = Pair::new();
    let lines = golden("from-the-future.jsonl");
    // It is office's lane; office is nobody that we ever saw a heartbeat of.
    let file = layout::LaneFile { from: name("office"), lease: 900, segment: 1 };
    pair.share.open_append(&layout::lane(&name("b"), &file)).unwrap().append(&lines).unwrap();
    pair.until("the future", |pair| !pair.b.inbox().is_empty());
    pair.settle();
    let inbox = pair.b.inbox();
    assert_eq!(inbox.len(), 2, "{inbox:?}");
    assert_eq!(inbox[0].kind, "hologram");
    assert_eq!(inbox[0].content, json!({"frames": ["a", "b"], "depth": 3}));
    assert_eq!(inbox[0].priority, Priority::Normal, "a priority nobody knows is a normal one");
    assert_eq!(inbox[0].rest["priority"], "cosmic", "and kept");
    assert_eq!(inbox[0].rest["hops"], json!([{"via": "moon", "at": 1.5}]));
    assert_eq!(inbox[0].rest["sig"], json!({"alg": "ed448", "value": "…"}));
    assert_eq!(inbox[1].content, "plain again");
    assert_eq!(pair.b.status().quarantined, 0, "{:?}", pair.b.node().db.quarantine(9));
    // The receipt among them holds states and fields of a later version, and one that is known.
    let known: Vec<Value> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert!(known.iter().all(|line| line["v"] == 2), "this file speaks of version 2");
}

#[test]
fn status_and_identity_from_the_future_are_read() {
    let beat = Heartbeat::parse(&golden("heartbeat-from-the-future.json")).unwrap();
    assert_eq!((beat.v, beat.lanpost.as_str(), beat.max_message), (2, "9.0.0", 4 << 20));
    assert_eq!(beat.rest["mood"], json!({"valence": 0.9}));
    let found = Identity::parse(&golden("lanpost-from-the-future.json")).unwrap();
    assert_eq!(found.rest["region"], "moon");
    assert_eq!(Identity::parse(&found.to_bytes()), Ok(found));
}
