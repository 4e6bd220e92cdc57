//! (e) A full inbox and a long lane: starting again reads neither from the start.

use std::time::Instant;

use lanpost::engine::ops;
use lanpost::store::db::Filter;

use crate::metered::MeteredShare;
use crate::stage::{Stage, everything, name, settle};
use crate::table::{Sandwich, Table, median, ms, per_second, thousands};
use crate::{Outcome, peers};

/// A segment's size, as a writer rolls it by default.
const SEGMENT: usize = 8 << 20;
const CONTENT: &str = "The build is green, the nightly run found two slow tests; see the attached list.";

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    let (messages, lines, repetitions) = if quick { (1_000, 10_000, 2) } else { (100_000, 1_000_000, 7) };
    let stage = Stage::new()?;
    let lab = stage.join("lab", "")?;
    let (segments, bytes) = write_lane(&stage, messages, lines)?;
    let begun = Instant::now();
    let mut engine = stage.engine(lab, stage.share())?;
    settle(&mut engine, everything())?;
    let rate = lines as f64 / begun.elapsed().as_secs_f64();
    drop(engine);
    let (messages, lines) = (thousands(messages), thousands(lines));
    let whole = read_raw(&stage, 1..=segments, 0)?;
    table.row(
        format!(
            "a lane of {lines} lines ({messages} messages, the rest repeats) taken in for the first time"
        ),
        per_second(rate),
        format!("reading its {} MB raw: {}", bytes >> 20, ms(whole)),
        "",
        "",
    );

    let mut most_read = 0;
    let found = Sandwich::measure(
        repetitions,
        || read_raw(&stage, segments..=segments, 1),
        || {
            let share = MeteredShare::new(stage.share());
            let start = Instant::now();
            let mut engine = stage.engine(stage.open("lab")?, share.clone())?;
            engine.step(&everything())?;
            let time = start.elapsed().as_secs_f64();
            most_read = most_read.max(share.bytes_read());
            Ok(time)
        },
    )?;
    let what = format!(
        "start with {messages} messages in the inbox and that lane on the share, until it was looked at"
    );
    let limit = format!("open, seek to its end, read, close, raw: {}", found.limits(ms));
    table.row(what, ms(found.reached), limit, format!("{:.0}×", found.ratio()), "");
    let what = "bytes read from the share in that start, at most";
    table.row(what, thousands(most_read), format!("the lane has {}", thousands(bytes)), "", "not the lane");
    if most_read > bytes / 10 {
        return Err(format!("{} bytes were read of a lane of {bytes}", most_read).into());
    }

    let mut times = vec![];
    for _ in 0..repetitions {
        let node = stage.open("lab")?;
        let start = Instant::now();
        let listed = ops::inbox(&node, &Filter { limit: Some(50), ..Filter::default() })?.len();
        times.push(start.elapsed().as_secs_f64());
        if listed != 50 {
            return Err(format!("{listed} messages were listed").into());
        }
    }
    table.row(format!("`inbox`, the newest 50 of {messages} open messages"), ms(median(times)), "", "", "");
    Ok(())
}

/// A lane of so many lines in segments; ids repeat after `messages` lines. Returns its last segment and its bytes.
fn write_lane(stage: &Stage, messages: u64, lines: u64) -> Outcome<(u64, u64)> {
    let (share, from, to) = (stage.share(), name("office"), name("lab"));
    peers::beat(&*share, &from, 0)?;
    let (mut segment, mut all) = (0, 0);
    let mut chunk = Vec::with_capacity(SEGMENT + 1024);
    for seq in 1..=lines {
        chunk.extend(peers::line(&from, &to, &peers::id(seq % messages), seq, CONTENT));
        if chunk.len() >= SEGMENT || seq == lines {
            segment += 1;
            share.open_append(&peers::lane(&from, &to, segment))?.append(&chunk)?;
            all += chunk.len() as u64;
            chunk.clear();
        }
    }
    Ok((segment, all))
}

/// Seconds to read segments: whole, or their last `tail` bytes.
fn read_raw(stage: &Stage, segments: std::ops::RangeInclusive<u64>, tail: u64) -> Outcome<f64> {
    let share = stage.share();
    let start = Instant::now();
    for segment in segments {
        let path = peers::lane(&name("office"), &name("lab"), segment);
        let from = match tail {
            0 => 0,
            tail => share.stat(&path)?.map_or(0, |meta| meta.len.saturating_sub(tail)),
        };
        share.read(&path, from, usize::MAX >> 1)?;
    }
    Ok(start.elapsed().as_secs_f64())
}
