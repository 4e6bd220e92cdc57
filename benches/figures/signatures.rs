//! What it costs to know who said it: lines signed and verified, against bare Ed25519 over the same bytes; and that nobody
//! else reads it: lines sealed and opened, against bare age over the same bytes.

use std::hint::black_box;
use std::time::Instant;

use ed25519_dalek::{Signer as _, SigningKey};
use lanpost::model::envelope::{Envelope, Priority};
use lanpost::model::sign::Signer;
use lanpost::model::{json, seal};
use lanpost::sys::seal::{self as crypt, Identities};
use serde_json::{Map, Value};

use crate::Outcome;
use crate::table::{Sandwich, Table, per_second};

const SECRET: [u8; 32] = [7; 32];

fn envelope(n: usize) -> Envelope {
    Envelope {
        v: Some(1),
        id: format!("01942a3f-0c00-7000-8000-{n:012}").parse().ok(),
        from: "office/main".into(),
        to: "lab/builder".parse().ok(),
        timestamp: Some("2026-02-14T10:40:00.000Z".into()),
        kind: "task".into(),
        content: Value::from("Please build the branch feature/signatures and tell me what fails. ".repeat(3)),
        seq: Some(n as u64 + 1),
        thread: Some("build-7".into()),
        in_reply_to: None,
        priority: Priority::Normal,
        expires: None,
        hops: None,
        broadcast: None,
        sealed: None,
        rest: Map::new(),
    }
}

/// Messages a second of `deed`, done with each of `items`.
fn rate<T>(items: &[T], mut deed: impl FnMut(&T) -> bool) -> Outcome<f64> {
    let start = Instant::now();
    if !items.iter().all(|item| black_box(deed(item))) {
        return Err("a signature does not verify".into());
    }
    Ok(items.len() as f64 / start.elapsed().as_secs_f64())
}

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    let (count, times) = if quick { (200, 1) } else { (5_000, 5) };
    let (signer, raw) = (Signer::new(&SECRET), SigningKey::from_bytes(&SECRET));
    let key = signer.key();
    let envelopes: Vec<_> = (0..count).map(envelope).collect();
    let lines: Vec<String> = envelopes
        .iter()
        .map(|envelope| String::from_utf8_lossy(&envelope.to_signed_line(7, &signer)).into_owned())
        .collect();
    let unsigned: Vec<Vec<u8>> = envelopes.iter().map(Envelope::to_line).collect();
    let signatures: Vec<_> = unsigned.iter().map(|bytes| (bytes, raw.sign(bytes))).collect();
    let public = raw.verifying_key();

    // A batch is what the engine signs for one write, or takes from one read.
    for (size, word) in [(1, "one by one"), (500, "in batches of 500")] {
        let signed = Sandwich::measure(
            times,
            || rate(&unsigned, |bytes| raw.sign(bytes).to_bytes()[0] as usize <= 255),
            || {
                let batches: Vec<_> = envelopes.chunks(size).collect();
                let sign = |batch: &&[Envelope]| {
                    let bytes: Vec<u8> =
                        batch.iter().flat_map(|one| one.to_signed_line(7, &signer)).collect();
                    !black_box(bytes).is_empty()
                };
                Ok(rate(&batches, sign)? * size.min(count) as f64)
            },
        )?;
        let verified = Sandwich::measure(
            times,
            || rate(&signatures, |(bytes, signature)| public.verify_strict(bytes, signature).is_ok()),
            || {
                let batches: Vec<_> = lines.chunks(size).collect();
                let verify = |batch: &&[String]| {
                    batch.iter().all(|line| {
                        let value =
                            json::parse(line, json::Limits::default()).ok().and_then(|mut one| one.pop());
                        let Some(Value::Object(object)) = value else { return false };
                        key.verifies(&object) && Envelope::from_value(Value::Object(object)).is_ok()
                    })
                };
                Ok(rate(&batches, verify)? * size.min(count) as f64)
            },
        )?;
        for (what, figure) in [("made into signed lines", signed), ("read from lines and verified", verified)]
        {
            table.row(
                format!("messages {what}, {word}, one core"),
                per_second(figure.reached),
                format!("bare Ed25519: {}", figure.limits(per_second)),
                format!("{:.2}", figure.ratio()),
                "none",
            );
        }
    }
    sealed(count / 5, times, &envelopes, &signer, table)
}

/// Lines that are sealed and signed, and verified and opened.
fn sealed(count: usize, times: usize, all: &[Envelope], signer: &Signer, table: &mut Table) -> Outcome<()> {
    let (keys, bare) = (Identities::default().renewed(), age::x25519::Identity::generate());
    let (to, recipient) = (keys.key().ok_or("no sealing key")?, bare.to_public());
    let envelopes = all.get(..count).unwrap_or(all);
    let plain: Vec<Vec<u8>> = envelopes.iter().map(seal::inner).collect();
    let encrypt = |bytes: &Vec<u8>| age::encrypt(&recipient, bytes).unwrap_or_default();
    let encrypted: Vec<Vec<u8>> = plain.iter().map(encrypt).collect();
    let line = |envelope: &Envelope| {
        let mut out = vec![];
        crypt::seal(&to, &mut seal::inner(envelope).as_slice(), &mut out).ok()?;
        let sealed = Envelope { sealed: Some(seal::to_text(&out)), ..envelope.clone() };
        Some(String::from_utf8_lossy(&sealed.to_signed_line(7, signer)).into_owned())
    };
    let lines: Vec<String> = envelopes.iter().filter_map(line).collect();
    let key = signer.key();
    let open = |line: &String| {
        let value = json::parse(line, json::Limits::default()).ok()?.pop()?;
        let Value::Object(outer) = value else { return None };
        let mut inner = vec![];
        let sealed = seal::from_object(&outer).filter(|_| key.verifies(&outer))?;
        keys.open(&mut sealed.as_slice(), 1 << 20, &mut inner).ok()?;
        Envelope::from_value(seal::unite(outer, &inner).ok()?).ok()
    };
    let made = Sandwich::measure(
        times,
        || rate(&plain, |bytes| !encrypt(bytes).is_empty()),
        || rate(envelopes, |envelope| line(envelope).is_some()),
    )?;
    let read = Sandwich::measure(
        times,
        || rate(&encrypted, |bytes| age::decrypt(&bare, bytes).is_ok()),
        || rate(&lines, |line| open(line).is_some()),
    )?;
    for (what, figure) in [("sealed into signed lines", made), ("verified and opened", read)] {
        table.row(
            format!("messages {what}, one by one, one core"),
            per_second(figure.reached),
            format!("bare age: {}", figure.limits(per_second)),
            format!("{:.2}", figure.ratio()),
            "none",
        );
    }
    Ok(())
}
