//! The log: shown, proven, and taken elsewhere.

use serde::Serialize;

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::chain::{Broken, Head};
use crate::model::ledger::{FORMAT, Findings, Footer, Header, Inquiry, Line, Reader, Row};
use crate::store::db::LogFilter;

/// No entry ages out before this, whatever the config says (the least that `keep` takes), in milliseconds.
const LEAST: i64 = 24 * 3_600_000;

/// What came of checking a log.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Verdict {
    /// It is as it was written.
    Sound {
        /// `true`.
        ok: bool,
        /// Whose log it is.
        instance: String,
        /// What was found out.
        #[serde(flatten)]
        found: Findings,
    },
    /// It is not.
    Broken {
        /// `false`.
        ok: bool,
        /// The first entry that is not as it must be.
        entry: i64,
        /// What is wrong with it.
        why: String,
    },
}

impl Verdict {
    fn of(instance: &str, found: std::result::Result<Findings, Broken>) -> Verdict {
        match found {
            Ok(found) => Verdict::Sound { ok: true, instance: instance.to_owned(), found },
            Err(Broken { n, why }) => Verdict::Broken { ok: false, entry: n, why },
        }
    }

    /// Whether it is as it was written.
    pub fn is_sound(&self) -> bool {
        matches!(self, Verdict::Sound { .. })
    }
}

/// Entries of the log, newest last.
pub fn log(node: &Node, filter: &LogFilter) -> Result<Vec<Line>> {
    Ok(node.db.log(filter)?.into_iter().map(Line::from).collect())
}

/// The newest entry's number and hash.
pub fn log_head(node: &Node) -> Result<Head> {
    node.db.log_head()
}

/// Checks the whole log; `expect`: an entry that must be in it.
pub fn verify_log(node: &Node, expect: Option<Head>) -> Result<Verdict> {
    let snapshot = node.db.log_snapshot()?;
    let mut inquiry = Inquiry::new(None, expect).none_aged_after(node.clock.wall_ms().saturating_sub(LEAST));
    let mut broken = None;
    snapshot.walk(i64::MIN, &mut |entry| {
        broken = inquiry.entry(&entry).err();
        Ok(broken.is_none())
    })?;
    let found = match broken {
        Some(broken) => Err(broken),
        None => inquiry.end(Some(snapshot.last_given()?)),
    };
    Ok(Verdict::of(node.instance().as_str(), found))
}

/// Checks an exported log, whose next line `next` hands over.
///
/// # Errors
/// Those of `next`.
pub fn verify_export(
    expect: Option<Head>,
    next: &mut dyn FnMut() -> Result<Option<Vec<u8>>>,
) -> Result<Verdict> {
    let mut reader = Reader::new(expect);
    while let Some(line) = next()? {
        if let Err(broken) = reader.line(&line) {
            return Ok(Verdict::of("", Err(broken)));
        }
    }
    Ok(match reader.end() {
        Ok((instance, found)) => Verdict::of(&instance, Ok(found)),
        Err(broken) => Verdict::of("", Err(broken)),
    })
}

/// Hands the log to `write`, a line at a time, from the first entry at or after `since` on (wall-clock milliseconds).
///
/// # Errors
/// The store's, or those of `write`.
pub fn export_log(node: &Node, since: Option<i64>, write: &mut dyn FnMut(Row) -> Result<()>) -> Result<()> {
    let snapshot = node.db.log_snapshot()?;
    let before = match since {
        Some(ms) => snapshot.before(ms)?,
        None => i64::MIN,
    };
    let instance = node.instance().to_string();
    let (mut entries, mut head, mut begun) = (0, Head::default(), false);
    snapshot.walk(before, &mut |entry| {
        let this = Head { n: entry.n, hash: entry.hash };
        let first = !std::mem::replace(&mut begun, true);
        if first {
            let after = (this.n == before).then_some(this);
            write(Row::Header(Header { lanpost_log: FORMAT, instance: instance.clone(), after }))?;
        }
        head = this;
        if !first || this.n != before {
            entries += 1;
            write(Row::Line(entry.into()))?;
        }
        Ok(true)
    })?;
    if !begun {
        write(Row::Header(Header { lanpost_log: FORMAT, instance, after: None }))?;
    }
    write(Row::Footer(Footer { entries, head }))
}
