//! One message as the store keeps it, and as `--json` shows it.

use rusqlite::{Row, Transaction, params};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::attachment::{self, Attachment};
use crate::model::envelope::{Envelope, Priority, format_time};
use crate::model::group::Broadcast;
use crate::model::id::MessageId;
use crate::model::state::State;
use crate::model::text::{Encoding, mojibake};
use crate::model::trust::Verdict;
use crate::model::wake::told::Mark;

/// Whether a message came or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// To us.
    In,
    /// From us.
    Out,
}

impl Way {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Way::In => "in",
            Way::Out => "out",
        }
    }
}

/// A message of either direction. Its JSON form is documented in `docs/cli.md` and only ever grows.
#[derive(Clone, Debug, Serialize)]
#[serde(remote = "Self")]
pub struct Message {
    /// Row number: the order of acceptance on this PC.
    #[serde(skip)]
    pub n: i64,
    /// `in` or `out`.
    pub way: Way,
    /// The other instance, folded.
    #[serde(skip)]
    pub peer: String,
    /// Its id.
    pub id: MessageId,
    /// Who wrote it.
    pub from: String,
    /// Whom it is for.
    pub to: String,
    /// What kind of message.
    #[serde(rename = "type")]
    pub kind: String,
    /// The payload: a text or any JSON.
    pub content: Value,
    /// When it was written, as the sender wrote it.
    pub timestamp: String,
    /// How far it has come.
    pub state: State,
    /// When it was accepted here (RFC 3339, this PC's clock).
    pub at: String,
    /// How soon it wants attention.
    pub priority: Priority,
    /// The conversation it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<MessageId>,
    /// Not worth delivering after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// When it is to go, or was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Until when it is out of sight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snoozed: Option<String>,
    /// How many automatic answers led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops: Option<u64>,
    /// Of which broadcast it is a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Broadcast>,
    /// It is work for one of several, and not ours, or not yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub offered: bool,
    /// Why it failed or expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// `due`, `accepted`, `woken`, `failed` or `stopped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake: Option<String>,
    /// How sure it is who wrote it; none for what was written here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// It waits for a person to release it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// On the share it is sealed: nobody but its recipient can read it there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sealed: bool,
    /// How the line was written, for mail that came through the open slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What is attached to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Fields of the envelope that this version doesn't know.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub rest: Map<String, Value>,
}

/// The columns that [`Message::from_row`] reads, in its order.
pub(super) const COLUMNS: &str = "n, way, peer, id, sender, recipient, kind, content, timestamp, state, at, priority, \
                                  thread, in_reply_to, expires, outcome, wake, encoding, rest, verdict, held, \
                                  sealed IS NOT NULL, hops, audience, broadcast, term, offered IS NOT NULL, not_before, \
                                   iif(state = 'read', snoozed, NULL)";

/// How many they are: a query's own columns follow.
pub(super) const WIDTH: usize = 29;

impl Message {
    /// What it is called where others must not speak ([`MessageId::handle`]).
    pub fn handle(&self) -> String {
        self.id.handle(self.n)
    }

    /// The conversation that an answer to it goes on with: its own, or one that it begins.
    pub fn conversation(&self) -> &str {
        self.thread.as_deref().unwrap_or(self.id.as_str())
    }

    /// It as texts of ours name it.
    pub fn mark(&self) -> Mark<'_> {
        Mark { id: self.handle(), from: &self.from, verified: self.verdict == Some(Verdict::Verified) }
    }

    /// What the content likely said before somebody, or we, decoded it wrongly; only where the evidence is strong.
    /// Takes time: what is only counted or woken for need not be asked.
    pub fn likely(&self) -> Option<Value> {
        mojibake::original_of(&self.content, self.encoding.as_deref().and_then(Encoding::from_name))
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            #[serde(flatten, with = "Message")]
            message: &'a Message,
            #[serde(skip_serializing_if = "Option::is_none")]
            likely: Option<Value>,
        }
        Shown { message: self, likely: self.likely() }.serialize(serializer)
    }
}

impl Message {
    pub(super) fn from_row(row: &Row) -> rusqlite::Result<Message> {
        let way: String = row.get(1)?;
        let expires: Option<i64> = row.get(14)?;
        let rest: Option<String> = row.get(18)?;
        let content = serde_json::from_str(&row.get::<_, String>(7)?).unwrap_or_default();
        let encoding: Option<String> = row.get(17)?;
        let mut rest = rest.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        // In an open slot the field is another tool's: it names nothing that could be fetched.
        let attachments = if encoding.is_none() { attachment::take(&mut rest) } else { vec![] };
        Ok(Message {
            n: row.get(0)?,
            way: if way == "in" { Way::In } else { Way::Out },
            peer: row.get(2)?,
            id: parsed(row, 3)?,
            from: row.get(4)?,
            to: row.get(5)?,
            kind: row.get(6)?,
            content,
            timestamp: row.get(8)?,
            state: parsed(row, 9)?,
            at: rfc3339(row.get(10)?),
            priority: row.get::<_, String>(11)?.parse().unwrap_or_default(),
            thread: row.get(12)?,
            in_reply_to: row.get::<_, Option<String>>(13)?.and_then(|id| id.parse().ok()),
            expires: expires.map(rfc3339),
            outcome: row.get(15)?,
            wake: row.get(16)?,
            encoding,
            verdict: row.get::<_, Option<String>>(19)?.and_then(|word| Verdict::parse(&word)),
            held: row.get(20)?,
            sealed: row.get(21)?,
            hops: row.get::<_, Option<i64>>(22)?.map(i64::unsigned_abs),
            broadcast: match row.get::<_, Option<String>>(23)? {
                Some(group) => {
                    let id: Option<String> = row.get(24)?;
                    let any = row.get::<_, Option<i64>>(25)?.map(i64::unsigned_abs);
                    Some(Broadcast { group, id: id.and_then(|id| id.parse().ok()), any })
                }
                None => None,
            },
            offered: row.get(26)?,
            not_before: row.get::<_, Option<i64>>(27)?.map(rfc3339),
            snoozed: row.get::<_, Option<i64>>(28)?.filter(|until| *until > 0).map(rfc3339),
            attachments,
            rest,
        })
    }

    /// The envelope that goes on the share, numbered `seq` in its lane (0 in an open slot); `sealed` is what stands there
    /// in place of the content, which then goes nowhere.
    pub(super) fn to_envelope(&self, seq: u64, sealed: Option<String>) -> Envelope {
        let content = if sealed.is_some() { Value::Null } else { self.content.clone() };
        let mut rest = self.rest.clone();
        attachment::put(&mut rest, &self.attachments);
        Envelope {
            v: Some(crate::model::envelope::VERSION),
            id: Some(self.id.clone()),
            from: self.from.clone(),
            to: self.to.parse().ok(),
            timestamp: Some(self.timestamp.clone()),
            kind: self.kind.clone(),
            content,
            seq: Some(seq),
            thread: self.thread.clone(),
            in_reply_to: self.in_reply_to.clone(),
            priority: self.priority,
            expires: self.expires.as_deref().and_then(|text| text.parse().ok()),
            hops: self.hops,
            broadcast: self.broadcast.clone(),
            sealed,
            rest,
        }
    }
}

/// A text column that this crate wrote and so can parse; a foreign value is an error of the store, not a panic.
pub(super) fn parsed<T: std::str::FromStr>(row: &Row, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| {
        let cause = format!("{text:?} does not belong there");
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, cause.into())
    })
}

/// Wall-clock milliseconds as RFC 3339.
pub fn rfc3339(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).map(format_time).unwrap_or_default()
}

/// What goes into a new row.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// `in` or `out`.
    pub way: Way,
    /// The other instance, folded.
    pub peer: String,
    /// Its id.
    pub id: MessageId,
    /// The envelope.
    pub envelope: Envelope,
    /// The first state.
    pub state: State,
    /// Why, when the first state is the last.
    pub outcome: Option<String>,
    /// When it is to go, if it is scheduled (wall-clock milliseconds).
    pub not_before: Option<i64>,
}

/// How a message came.
#[derive(Default)]
pub(super) struct Origin {
    /// How sure it is who wrote it.
    pub verdict: Option<Verdict>,
    /// It waits for a person.
    pub held: bool,
    /// The lease of its lane, and its number there.
    pub lane: Option<(u64, u64)>,
}

impl NewMessage {
    /// The message as it is kept, without asking the store: row `n`, accepted at `now`.
    pub(super) fn stored(&self, n: i64, now: i64) -> Message {
        let e = &self.envelope;
        let mut rest = e.rest.clone();
        Message {
            n,
            way: self.way,
            peer: self.peer.clone(),
            id: self.id.clone(),
            from: e.from.clone(),
            to: e.to.as_ref().map(ToString::to_string).unwrap_or_default(),
            kind: e.kind.clone(),
            content: e.content.clone(),
            timestamp: e.timestamp.clone().unwrap_or_default(),
            state: self.state,
            at: rfc3339(now),
            priority: e.priority,
            thread: e.thread.clone(),
            in_reply_to: e.in_reply_to.clone(),
            expires: e.expires.map(format_time),
            not_before: self.not_before.map(rfc3339),
            snoozed: None,
            hops: e.hops,
            broadcast: e.broadcast.clone(),
            offered: false,
            outcome: self.outcome.clone(),
            wake: None,
            encoding: None,
            verdict: None,
            held: false,
            sealed: e.sealed.is_some(),
            attachments: attachment::take(&mut rest),
            rest,
        }
    }

    /// Inserts the row of a message that was made here, and returns its number; `None` if that id of that peer is known.
    pub(super) fn insert(&self, tx: &Transaction, now: i64) -> rusqlite::Result<Option<i64>> {
        self.insert_from(tx, now, &Origin::default())
    }

    /// The same for one that came.
    pub(super) fn insert_from(
        &self,
        tx: &Transaction,
        now: i64,
        from: &Origin,
    ) -> rusqlite::Result<Option<i64>> {
        let e = &self.envelope;
        let rest = (!e.rest.is_empty()).then(|| Value::Object(e.rest.clone()).to_string());
        let sql = "INSERT INTO message (way, peer, id, sender, recipient, kind, content, timestamp, thread, in_reply_to,
                   priority, expires, rest, at, state, outcome, verdict, held, lease, seq, sealed,
                   hops, audience, broadcast, term, not_before)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                   ?21, ?22, ?23, ?24, ?25, ?26)
                   ON CONFLICT (id, peer, way) DO NOTHING";
        let inserted = tx.prepare_cached(sql)?.execute(params![
            self.way.as_str(),
            self.peer,
            self.id.as_str(),
            e.from,
            e.to.as_ref().map(ToString::to_string).unwrap_or_default(),
            e.kind,
            e.content.to_string(),
            e.timestamp.as_deref().unwrap_or_default(),
            e.thread,
            e.in_reply_to.as_ref().map(MessageId::as_str),
            e.priority.as_str(),
            e.expires.map(|at| at.timestamp_millis()),
            rest,
            now,
            self.state.as_str(),
            self.outcome,
            from.verdict.map(Verdict::as_str),
            from.held,
            from.lane.map(|(lease, _)| lease as i64),
            from.lane.map(|(_, seq)| seq as i64),
            e.sealed,
            e.hops.map(|hops| hops as i64),
            e.broadcast.as_ref().map(|broadcast| broadcast.group.as_str()),
            e.broadcast.as_ref().and_then(|broadcast| broadcast.id.as_ref()).map(MessageId::as_str),
            e.broadcast.as_ref().and_then(|broadcast| broadcast.any).map(|seconds| seconds as i64),
            self.not_before,
        ])?;
        Ok((inserted == 1).then(|| tx.last_insert_rowid()))
    }
}
