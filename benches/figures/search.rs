//! Searching 100,000 messages: how fast words are found, and what their index costs.

use std::time::Instant;

use lanpost::engine::node::Node;
use lanpost::engine::ops;
use lanpost::store::db::Scope;

use crate::Outcome;
use crate::stage::{Stage, letter};
use crate::table::{Table, median, ms, per_second, thousands};

/// Messages that are stored with one commit.
const BATCH: u64 = 1_000;
/// What a few of them say besides.
const RARE: [&str; 2] = ["watchdog timeout on node zulu", "生产环境部署失败"];

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    let (messages, repetitions) = if quick { (2_000, 2) } else { (100_000, 7) };
    let stage = Stage::new()?;
    stage.join("lab", "")?;
    let mut office = stage.join("office", "")?;
    for batch in 0..messages / BATCH {
        let drafts = (0..BATCH).map(|n| {
            let mut draft = letter("lab");
            (draft.create, draft.content) = (true, text(batch * BATCH + n).into());
            draft
        });
        ops::send_all(&mut office, drafts.collect())?;
    }
    let count = thousands(messages);
    let searches = [
        ("a word that few have", "zulu"),
        ("two Chinese characters that few have", "失败"),
        ("a phrase that few have", "\"timeout on node\""),
        ("a word that all have", "build"),
        ("one letter", "z"),
        ("a word that none has", "quetzalcoatl"),
    ];
    let mut scans = vec![];
    for (_, words) in searches {
        scans.push(time(&office, words, repetitions.min(3))?);
    }
    let before = size(&office)?;
    let begun = Instant::now();
    while office.db.index(1_000)? {}
    let rate = messages as f64 / begun.elapsed().as_secs_f64();
    let grown = size(&office)?.saturating_sub(before) / messages;
    for ((what, words), scan) in searches.into_iter().zip(scans) {
        let found = time(&office, words, repetitions)?;
        let limit = format!("looking at all of them: {}", ms(scan));
        table.row(format!("`search` for {what}, in {count} messages"), ms(found), limit, "", "");
    }
    table.row("messages taken into the index of words", per_second(rate), "", "", "");
    table.row(
        "bytes of that index a message",
        grown.to_string(),
        format!("of text: {}", text(7).len()),
        "",
        "",
    );
    Ok(())
}

fn text(n: u64) -> String {
    let rare = if n % 10_000 == 77 { RARE[usize::try_from(n / 10_000 % 2).unwrap_or_default()] } else { "" };
    format!(
        "The build {n} of branch feature/{:x} is green after {} s; 测试第{}组通过，日志在共享文件夹里。 {rare}",
        n.wrapping_mul(2_654_435_761) % 0xff_ffff,
        n % 97,
        n % 1_013
    )
}

/// Seconds of one search, as a face does it.
fn time(node: &Node, words: &str, repetitions: usize) -> Outcome<f64> {
    let mut times = vec![];
    for _ in 0..repetitions {
        let start = Instant::now();
        ops::search(node, words, &Scope::default(), 20, |_| true)?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(median(times))
}

/// Bytes of the store, what is still in its log included.
fn size(node: &Node) -> Outcome<u64> {
    let store = node.config.state.join("lanpost.db");
    let mut all = 0;
    for name in [store.clone(), store.with_extension("db-wal")] {
        all += std::fs::metadata(name).map_or(0, |meta| meta.len());
    }
    Ok(all)
}
