//! From bytes to an intake: which lines are mail, which are set aside, and how far the cursor moves. Pure.
//!
//! A line counts when its newline is there. What follows the last newline, or holds NUL bytes, is in flight (a share
//! shows a file's size before its data): it is waited for, and only when it stood [`Still`] for long enough, on
//! our clock, it is taken as it is: in the open slot as a hand-written line without a newline, else set aside. Nothing that can't be parsed stops what comes after it.
//!
//! Whose an object in a line is, and whether it may stand there, is said by `object`.

mod object;

use std::rc::Rc;

use crate::model::envelope::{Envelope, RECEIPT};
use crate::model::json;
use crate::model::name::Name;
use crate::model::text::{self, Damage, Encoding, Line, Scan};
use crate::model::trust::{Cause, Keys, Verdict};
use crate::store::db::{Arrival, Cursor, Intake, Quarantined, Refusal, Refused, Via};

/// What the objects that stand in one line may take: each keeps the bytes of the whole line. Writers that forget their
/// newlines leave a few of them; a line of a million would fill any memory.
const GLUED: usize = 8 << 20;

/// How long the unfinished end of a file has stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Still {
    /// It may be growing.
    No,
    /// Long enough for a line that lacks nothing but its newline.
    Complete,
    /// So long that what is wrong with it will stay wrong.
    Damaged,
}

/// Opens sealed bytes, or says in words why it can't.
pub type Open<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + 'a;

/// What a chunk of a mailbox file is and how to read it.
pub struct Reading<'a> {
    /// The cursor's name.
    pub lane: &'a str,
    /// The file's path on the share, for the quarantine.
    pub source: &'a str,
    /// How its lines come.
    pub via: Via,
    /// Whose mailbox it is.
    pub us: &'a Name,
    /// The longest line taken, in bytes.
    pub limit: usize,
    /// The most bytes of unreadable lines that are kept in all.
    pub room: u64,
    /// No more bytes than were asked for exist: the chunk ends where the file does.
    pub at_end: bool,
    /// Nothing will be added to this file: a later segment exists.
    pub sealed: bool,
    /// How long what was waited for has stood still.
    pub still: Still,
    /// The file was replaced; this chunk is read from its start.
    pub restarted: bool,
    /// The keys of a name, by its fold.
    pub keys: &'a dyn Fn(&str) -> Rc<Keys>,
    /// Opens what is sealed for us, as far as a message may be long; why it can't be, in words.
    pub open: &'a Open<'a>,
}

/// What a chunk came to.
pub struct Outcome {
    /// What to take in; its cursor has moved. `None` if nothing can be taken in now.
    pub intake: Option<Intake>,
    /// Bytes at the end that are waited for.
    pub waiting: usize,
    /// A signature that no key of its sender explains: the sender may have a key, or another one, since we last looked.
    pub doubtful: bool,
}

/// Reads a chunk that begins at `cursor`.
pub fn read(reading: &Reading, cursor: &Cursor, bytes: &[u8]) -> Outcome {
    let mut work = Work {
        reading,
        cursor,
        arrivals: vec![],
        refused: vec![],
        quarantined: vec![],
        refusals: vec![],
        doubtful: false,
    };
    let mut start = 0;
    let mut skipping = cursor.skipping;
    let mut over_long = None;
    let before = cursor.encoding.as_deref().and_then(Encoding::from_name);
    if skipping {
        let (end, ended) = text::skip_line(bytes, before);
        (start, skipping) = (end, !ended);
    }
    let scan = text::scan(&bytes[start..], before);
    let mut consumed = start + work.lines(&scan, start);
    let stopped = consumed < start + scan.consumed;
    if !stopped && consumed < bytes.len() {
        consumed += work.rest(&bytes[consumed..], consumed, scan.after);
    }
    if consumed == 0 && !reading.at_end {
        // The chunk is longer than any line may be, and holds no newline.
        let written = text::begins(bytes, before);
        let (own, _) = text::skip_line(bytes, Some(written));
        work.aside(
            &bytes[..own],
            0,
            format!("longer than {} bytes", reading.limit),
            Some(written.name().into()),
        );
        (consumed, skipping, over_long) = (own, true, Some(written));
    }
    let Work { arrivals, refused, quarantined, refusals, doubtful, .. } = work;
    let waiting = bytes.len() - consumed;
    if consumed == 0 && !reading.restarted {
        return Outcome { intake: None, waiting, doubtful };
    }
    let encoding = over_long.or(if stopped || skipping { before } else { scan.after });
    let encoding = encoding.map(|encoding| encoding.name().to_owned());
    let cursor = Cursor { encoding, skipping, ..cursor.advanced(&bytes[..consumed]) };
    let intake = Intake {
        lane: reading.lane.to_owned(),
        source: reading.source.to_owned(),
        via: reading.via.clone(),
        mailbox: reading.us.fold(),
        arrivals,
        refused,
        quarantined,
        room: reading.room,
        refusals,
        cursor,
        restarted: reading.restarted,
    };
    Outcome { intake: Some(intake), waiting, doubtful }
}

struct Work<'a> {
    reading: &'a Reading<'a>,
    cursor: &'a Cursor,
    arrivals: Vec<Arrival>,
    refused: Vec<Refused>,
    quarantined: Vec<Quarantined>,
    refusals: Vec<Refusal>,
    doubtful: bool,
}

impl Work<'_> {
    /// Takes complete lines; returns how far, which is less than all if one has a hole that may still be filled.
    fn lines(&mut self, scan: &Scan, base: usize) -> usize {
        for line in &scan.lines {
            if self.is_condemned() {
                break;
            }
            if matches!(line.text, Err(Damage::Nul)) && self.reading.still < Still::Damaged {
                return line.at;
            }
            self.line(line, base);
        }
        scan.consumed
    }

    /// Deals with what follows the last complete line; returns how much of it is done with.
    fn rest(&mut self, rest: &[u8], base: usize, after: Option<Encoding>) -> usize {
        let Reading { still, at_end, sealed, ref via, .. } = *self.reading;
        let slot = *via == Via::Slot;
        if still == Still::No || !at_end || !(slot || sealed) {
            return 0;
        }
        if slot {
            let aside = self.quarantined.len();
            let (arrived, refused, named) = (self.arrivals.len(), self.refused.len(), self.refusals.len());
            let done = self.unfinished_lines(rest, base, after);
            if done == rest.len() && self.quarantined.len() == aside || still == Still::Damaged && done > 0 {
                return done;
            }
            // Half a line: whoever writes it may not be done.
            self.quarantined.truncate(aside);
            self.arrivals.truncate(arrived);
            self.refused.truncate(refused);
            self.refusals.truncate(named);
        }
        // A sealed segment's writer has given its end up for lost; were it a line after all, its number is missed.
        if still < Still::Damaged && !sealed {
            return 0;
        }
        let (bad, why) = match text::nul_run(rest) {
            0 => (rest.len(), "a torn tail: its writer went on elsewhere".to_owned()),
            nul => (nul, Damage::Nul.to_string()),
        };
        self.aside(&rest[..bad], base, why, None);
        bad
    }

    /// Takes the rest as lines whose newline was forgotten; returns how much of it reads so.
    fn unfinished_lines(&mut self, rest: &[u8], base: usize, after: Option<Encoding>) -> usize {
        if rest.trim_ascii().is_empty() {
            return rest.len();
        }
        let mut done = 0;
        while let Some(line) = text::scan_tail(&rest[done..], after).filter(|line| !line.raw.is_empty()) {
            self.line(&line, base + done);
            done += line.raw.len();
        }
        done
    }

    /// Whether what was handed over is refused as a whole already: then nothing more of it is worth a look, and above all
    /// not the cost of its signatures.
    fn is_condemned(&self) -> bool {
        let Via::Direct { .. } = self.reading.via else { return false };
        self.refusals.iter().any(|refusal| refusal.cause != Cause::Sealed)
            || self.arrivals.last().is_some_and(|arrival| arrival.verdict != Verdict::Verified)
            || self.quarantined.len() != self.refused.len()
    }

    fn line(&mut self, line: &Line, base: usize) {
        let at = base + line.at;
        let encoding = Some(line.encoding.name().to_owned());
        if line.raw.len() > self.reading.limit {
            let reason = format!("{} bytes long; at most {} are taken", line.raw.len(), self.reading.limit);
            return self.aside(line.raw, at, reason, encoding);
        }
        let text = match &line.text {
            Ok(text) => text,
            Err(damage) => return self.aside(line.raw, at, damage.to_string(), encoding),
        };
        let values = match json::parse(text, json::Limits::default()) {
            Ok(values) => values,
            Err(reject) => return self.aside(line.raw, at, reject.to_string(), encoding),
        };
        let alone = values.len() == 1;
        if !alone && values.len().saturating_mul(line.raw.len()) > GLUED {
            let reason = format!("{} messages in one line of {} bytes", values.len(), line.raw.len());
            return self.aside(line.raw, at, reason, encoding);
        }
        let mut bad = None;
        for value in values {
            if self.is_condemned() {
                break;
            }
            let canonical = if alone { text.trim().to_owned() } else { value.to_string() };
            let verdict = match self.verdict(&value) {
                Ok(verdict) => verdict,
                Err((peer, cause)) => {
                    let reason = match (self.reading.via.lane(), cause) {
                        (Some((lane, _)), Cause::ForeignLane) => {
                            format!("in the lane of {lane}, but from {peer}, who signs")
                        }
                        _ => cause.reason().to_owned(),
                    };
                    self.refusals.push(Refusal { peer, cause, source: self.reading.source.to_owned() });
                    self.aside(line.raw, at, reason, encoding.clone());
                    continue;
                }
            };
            let named = self.named(&value);
            let arrival = self.opened(value).and_then(|(value, sealed)| {
                let envelope = Envelope::from_value(value).map_err(|reject| reject.to_string());
                // A receipt is never sealed.
                let envelope = envelope.and_then(|envelope| match sealed && envelope.kind == RECEIPT {
                    true => Err("it is a receipt".to_owned()),
                    false => Ok(envelope),
                });
                let arrival = envelope.and_then(|mut envelope| {
                    envelope.sealed = sealed.then(String::new);
                    self.arrival(envelope, verdict, canonical, (line, at))
                });
                // The words that were sealed stay unsaid.
                arrival
                    .map_err(|reason| if sealed { "sealed, and no message to us".to_owned() } else { reason })
            });
            match arrival {
                Ok(arrival) => self.arrivals.push(arrival),
                Err(reason) => {
                    self.refused.extend(named.map(|(id, seq)| Refused { id, seq, reason: reason.clone() }));
                    bad.get_or_insert(reason);
                }
            }
        }
        // Once, whatever it holds.
        if let Some(reason) = bad {
            self.aside(line.raw, at, reason, encoding);
        }
    }

    fn aside(&mut self, raw: &[u8], at: usize, reason: String, encoding: Option<String>) {
        let offset = self.cursor.offset + at as u64;
        self.quarantined.push(Quarantined::new(self.reading.source, offset, raw, reason, encoding));
    }
}

#[cfg(test)]
mod tests;
