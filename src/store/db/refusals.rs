//! What was refused in whose name and why: counted, and told once to the person, as a report in the inbox.
//!
//! Both are bounded, since whoever can write to the share can bring them about: [`NAMES`] rows, [`REPORTS`] reports.

use rusqlite::{Transaction, params};
use serde::Serialize;
use serde_json::json;

use super::Db;
use super::audit::log;
use super::message::{NewMessage, Way, rfc3339};
use super::quarantine::{Quarantined, set_aside};
use super::retention;
use crate::error::Result;
use crate::model::envelope::{Envelope, Priority, VERSION};
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::state::State;
use crate::model::trust::{Cause, TRUST_REPORT};

/// Rows that are kept; what comes beyond is counted as of nobody.
const NAMES: i64 = 1_000;
/// Reports that may lie unread; more are counted, and not told.
const REPORTS: i64 = 50;

/// Something that was refused in somebody's name.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// In whose name: an instance, folded.
    pub peer: String,
    /// Why.
    pub cause: Cause,
    /// Where it stood on the share.
    pub source: String,
}

/// What was refused so far in one name for one cause.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// In whose name, folded; empty: of many.
    pub peer: String,
    /// Why, in one word.
    pub cause: String,
    /// How often.
    pub count: u64,
    /// When it was first seen (RFC 3339, this PC's clock).
    pub first: String,
    /// When it was last seen.
    pub last: String,
}

impl Db {
    /// What was refused so far, the newest last.
    pub fn refusals(&self) -> Result<Vec<Refused>> {
        self.query("read", |c| {
            let sql = "SELECT peer, cause, count, first, last FROM refusal ORDER BY last, peer";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(Refused {
                    peer: row.get(0)?,
                    cause: row.get(1)?,
                    count: row.get::<_, i64>(2)? as u64,
                    first: rfc3339(row.get(3)?),
                    last: rfc3339(row.get(4)?),
                })
            })?;
            rows.collect()
        })
    }

    /// Notes something that was refused outside a mailbox: a heartbeat.
    /// What it was is set aside as long as there is `room` for its bytes.
    pub fn refuse(&mut self, refusal: &Refusal, what: &[Quarantined], room: u64, now: i64) -> Result<()> {
        self.write("note what was refused in", |tx| {
            set_aside(tx, what, room, now)?;
            refuse(tx, refusal, now)
        })
    }
}

/// Counts what was refused, and tells it if it is the first of its kind since the name has its key.
pub(super) fn refuse(tx: &Transaction, refusal: &Refusal, now: i64) -> rusqlite::Result<()> {
    let (mut peer, cause) = (refusal.peer.as_str(), refusal.cause.as_str());
    let sql = "UPDATE refusal SET count = count + 1, last = ?3 WHERE peer = ?1 AND cause = ?2";
    if tx.prepare_cached(sql)?.execute(params![peer, cause, now])? == 0 {
        let rows: i64 = tx.prepare_cached("SELECT count(*) FROM refusal")?.query_row([], |row| row.get(0))?;
        if rows >= NAMES {
            peer = "";
        }
        let sql = "INSERT INTO refusal VALUES (?1, ?2, 1, ?3, ?3)
                   ON CONFLICT (peer, cause) DO UPDATE SET count = count + 1, last = excluded.last";
        tx.prepare_cached(sql)?.execute(params![peer, cause, now])?;
    }
    // Whom the config denies is no news.
    if refusal.cause == Cause::Denied { Ok(()) } else { tell(tx, refusal, now) }
}

fn tell(tx: &Transaction, refusal: &Refusal, now: i64) -> rusqlite::Result<()> {
    let Refusal { peer, cause, source } = refusal;
    // A name that has another key since, by a person's word, is told of anew.
    let sql = "SELECT name, key FROM pin WHERE peer = ?1 ORDER BY state != 'pinned', since DESC LIMIT 1";
    let known = tx
        .prepare_cached(sql)?
        .query_row([peer], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    // Only of names that have a key: there may be any number of others.
    let Ok((name, key)) = known else { return Ok(()) };
    let id = MessageId::derived(TRUST_REPORT, &format!("{peer} {} {key}", cause.as_str()), 1);
    let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE id = ?3 AND way = 'in' AND kind = ?1)
               OR (SELECT count(*) FROM message INDEXED BY message_counts
                   WHERE way = 'in' AND state IN ('delivered', 'read') AND kind = ?1) >= ?2";
    let enough: bool =
        tx.prepare_cached(sql)?.query_row(params![TRUST_REPORT, REPORTS, id.as_str()], |row| row.get(0))?;
    let own: rusqlite::Result<String> =
        tx.prepare_cached("SELECT value FROM meta WHERE key = 'instance'")?.query_row([], |row| row.get(0));
    let Some(own) = own.ok().and_then(|own| own.parse::<Address>().ok()).filter(|_| !enough) else {
        return Ok(());
    };
    let us = own.instance.fold();
    if retention::is_known(tx, &us, &id)? {
        return Ok(());
    }
    let envelope = Envelope {
        v: Some(VERSION),
        id: Some(id.clone()),
        from: own.to_string(),
        to: Some(own),
        timestamp: Some(rfc3339(now)),
        kind: TRUST_REPORT.into(),
        content: json!({"cause": cause.as_str(), "peer": name, "reason": cause.reason(), "source": source,
                        "advice": cause.advice(&name)}),
        seq: None,
        thread: None,
        in_reply_to: None,
        priority: Priority::Normal,
        expires: None,
        hops: None,
        broadcast: None,
        sealed: None,
        rest: serde_json::Map::new(),
    };
    let state = State::Delivered;
    let report = NewMessage {
        way: Way::In,
        peer: us,
        id: id.clone(),
        envelope,
        state,
        outcome: None,
        not_before: None,
    };
    if report.insert(tx, now)?.is_some() {
        log(tx, now, Way::In, &report.peer, id.as_str(), state.as_str(), Some("a report of our own"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;
    use crate::model::sign::Signer;
    use crate::model::trust::Trust;

    #[test]
    fn what_anybody_can_bring_about_is_bounded() {
        let mut db = Db::in_memory().unwrap();
        db.set_meta("instance", "us").unwrap();
        let key = Signer::new(&[1; 32]).key();
        for n in 0..NAMES + 50 {
            let name = Name::parse(&format!("p{n}")).unwrap();
            if n < 100 {
                db.meet_key(&name, key, &[], Trust::FirstSight, 0).unwrap();
            }
            for _ in 0..2 {
                let refusal = Refusal { peer: name.fold(), cause: Cause::Forged, source: "x".into() };
                db.refuse(&refusal, &[], 0, n).unwrap();
            }
        }
        let refused = db.refusals().unwrap();
        assert_eq!(refused.len() as i64, NAMES + 1);
        assert_eq!(refused.iter().map(|row| row.count as i64).sum::<i64>(), 2 * (NAMES + 50));
        let inbox = db.inbox(&crate::store::db::Filter::default()).unwrap();
        assert_eq!(inbox.len() as i64, REPORTS);
    }
}
