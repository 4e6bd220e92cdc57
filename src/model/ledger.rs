//! The log outside of its store: the lines of an export, and the questions that are asked of a log, here or there.
//!
//! ```text
//! export := header entry* footer             one JSON object a line, UTF-8
//! header := {"lanpost_log": 1, "instance", "after": "NUMBER:HASH" | null}
//! entry  := {"n", "ms", "at", "way", "peer", "id", "what", "detail"?, "hash"} | {"n", "ms", "at", "digest", "hash"}
//! footer := {"entries", "head": "NUMBER:HASH"}
//! ```
//! `after` is the entry before the first, `null` where the log itself begins. A key that is not named here is refused:
//! no hash covers it. Pure; a hostile file makes no more than an error.

use serde::{Deserialize, Serialize};

use super::chain::{Body, Broken, Chain, Entry, Hash, Head, Said};
use super::envelope::format_time;

/// The version of the export's lines.
pub const FORMAT: u32 = 1;

/// The first line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub lanpost_log: u32,
    /// Whose log it is.
    pub instance: String,
    /// The entry before the first one.
    pub after: Option<Head>,
}

/// The last line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footer {
    /// How many entries there are.
    pub entries: u64,
    /// The last one, or, if there is none, the one before.
    pub head: Head,
}

/// An entry as one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its number.
    pub n: i64,
    /// When, in milliseconds since 1970 by that PC's clock; this is what the hash covers.
    pub ms: i64,
    /// The same for people.
    pub at: String,
    /// The rest is as in [`Said`]; none of it if the entry aged out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// See [`Said`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// See [`Said`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// See [`Said`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// See [`Said`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What an entry that aged out left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Hash>,
    /// Its hash.
    pub hash: Hash,
}

/// One line of an export.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// The first one.
    Header(Header),
    /// An entry.
    Line(Line),
    /// The last one.
    Footer(Footer),
}

/// Milliseconds since 1970 as RFC 3339; empty beyond the years that it can write.
fn words(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).map(format_time).unwrap_or_default()
}

impl From<Entry> for Line {
    fn from(entry: Entry) -> Line {
        let Entry { n, ms, body, hash } = entry;
        let (said, digest) = match body {
            Body::Said(said) => (Some(said), None),
            Body::Aged(digest) => (None, Some(digest)),
        };
        let mut line = Line {
            n,
            ms,
            at: words(ms),
            way: None,
            peer: None,
            id: None,
            what: None,
            detail: None,
            digest,
            hash,
        };
        if let Some(Said { way, peer, id, what, detail }) = said {
            (line.way, line.peer, line.id, line.what, line.detail) =
                (Some(way), Some(peer), Some(id), Some(what), detail);
        }
        line
    }
}

impl TryFrom<Line> for Entry {
    type Error = Broken;

    fn try_from(line: Line) -> Result<Entry, Broken> {
        let Line { n, ms, at, way, peer, id, what, detail, digest, hash } = line;
        let broken = |why: &str| Err(Broken { n, why: why.into() });
        if at != words(ms) {
            return broken("it was changed: \"at\" is not \"ms\" in words");
        }
        let body = match (way, peer, id, what, digest) {
            (Some(way), Some(peer), Some(id), Some(what), None) => {
                Body::Said(Said { way, peer, id, what, detail })
            }
            (None, None, None, None, Some(digest)) if detail.is_none() => Body::Aged(digest),
            _ => return broken("it is neither whole nor one that aged out"),
        };
        Ok(Entry { n, ms, body, hash })
    }
}

/// What was found out about a log that is as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Entries that were checked.
    pub entries: u64,
    /// How many of them aged out: their number, time and place are proven, and not what they said.
    pub aged_out: u64,
    /// The time of the youngest of those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aged_until: Option<String>,
    /// The first entry; of what was before it nothing is known here.
    pub first: i64,
    /// The last entry.
    pub head: Head,
}

/// Asks of a log, entry by entry, whether it is as it was written.
#[derive(Clone, Debug, Default)]
pub struct Inquiry {
    chain: Chain,
    expect: Option<Head>,
    entries: u64,
    aged_out: u64,
    aged_until: Option<i64>,
    /// No entry of after this can have aged out.
    none_aged_after: Option<i64>,
    first: Option<i64>,
}

impl Inquiry {
    /// Of a log that goes on after `after`, or begins with its first entry. `expect`: an entry that must be in it.
    pub fn new(after: Option<Head>, expect: Option<Head>) -> Inquiry {
        Inquiry { chain: after.map(Chain::after).unwrap_or_default(), expect, ..Inquiry::default() }
    }

    /// Of a log that is still written: an entry of after `ms` is too young to have aged out.
    #[must_use]
    pub fn none_aged_after(self, ms: i64) -> Inquiry {
        Inquiry { none_aged_after: Some(ms), ..self }
    }

    /// The next entry.
    ///
    /// # Errors
    /// It is not what was written.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), Broken> {
        let before = self.chain.head();
        self.chain.check(entry)?;
        self.entries += 1;
        if matches!(entry.body, Body::Aged(_)) {
            if self.none_aged_after.is_some_and(|ms| entry.ms > ms) {
                let why = "what it said was removed, and it is too young to have aged out";
                return Err(Broken { n: entry.n, why: why.into() });
            }
            self.aged_out += 1;
            self.aged_until = self.aged_until.max(Some(entry.ms));
        }
        // What an export says it goes on after, may be the one that is expected.
        for head in [before, self.chain.head()] {
            if let Some(expected) = self.expect.filter(|expected| expected.n == head.n && head.n > 0) {
                self.is_expected(expected, head)?;
            }
        }
        self.first.get_or_insert(entry.n);
        Ok(())
    }

    fn is_expected(&mut self, expected: Head, found: Head) -> Result<(), Broken> {
        if expected.hash != found.hash {
            let why = "it is not the one that was expected: it, or something before it, was written anew";
            return Err(Broken { n: found.n, why: why.into() });
        }
        self.expect = None;
        Ok(())
    }

    /// The end. `given`: the number that was given last, if somebody knows.
    ///
    /// # Errors
    /// The end is missing, or the entry that was expected.
    pub fn end(mut self, given: Option<i64>) -> Result<Findings, Broken> {
        let head = self.chain.head();
        if let Some(expected) = self.expect.filter(|expected| expected.n == head.n) {
            self.is_expected(expected, head)?;
        }
        let first = self.first.unwrap_or(head.n.saturating_add(1));
        if let Some(expected) = self.expect.filter(|expected| expected.n > 0) {
            if expected.n < first {
                let why = format!(
                    "it was expected, and the log begins with entry {first}: it aged out, or was removed"
                );
                return Err(Broken { n: expected.n, why });
            }
            let why = format!(
                "it is missing: the log ends with entry {}, and entry {} was expected",
                head.n, expected.n
            );
            return Err(Broken { n: head.n + 1, why });
        }
        if let Some(given) = given.filter(|given| *given > head.n) {
            let why = format!("it is missing: the log ends with entry {}, and {given} were written", head.n);
            return Err(Broken { n: head.n + 1, why });
        }
        let (entries, aged_out, aged_until) = (self.entries, self.aged_out, self.aged_until.map(words));
        Ok(Findings { entries, aged_out, aged_until, first, head })
    }
}

/// Asks the same of the lines of an export.
#[derive(Debug, Default)]
pub struct Reader {
    expect: Option<Head>,
    inquiry: Option<Inquiry>,
    footer: Option<Footer>,
    instance: String,
}

impl Reader {
    /// `expect`: an entry that must be in it.
    pub fn new(expect: Option<Head>) -> Reader {
        Reader { expect, ..Reader::default() }
    }

    /// The next line.
    ///
    /// # Errors
    /// It is no line of an export, or not what was written.
    pub fn line(&mut self, text: &[u8]) -> Result<(), Broken> {
        let next = self.inquiry.as_ref().map_or(0, |inquiry| inquiry.chain.head().n + 1);
        let broken = |why: String| Broken { n: next, why };
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        if self.footer.is_some() {
            return Err(broken("it stands behind the closing line".into()));
        }
        let Some(inquiry) = &mut self.inquiry else {
            let header: Header = serde_json::from_slice(text)
                .map_err(|error| broken(format!("the first line is not that of an exported log: {error}")))?;
            if header.lanpost_log != FORMAT {
                return Err(broken(format!(
                    "the export is of format {}, and this lanpost knows {FORMAT}",
                    header.lanpost_log
                )));
            }
            self.instance = header.instance;
            self.inquiry = Some(Inquiry::new(header.after, self.expect));
            return Ok(());
        };
        if let Ok(footer) = serde_json::from_slice::<Footer>(text) {
            self.footer = Some(footer);
            return Ok(());
        }
        let line: Line = serde_json::from_slice(text)
            .map_err(|error| broken(format!("it is no entry of a log: {error}")))?;
        inquiry.entry(&Entry::try_from(line)?)
    }

    /// The end of the file; also says whose log it is.
    ///
    /// # Errors
    /// Something is missing.
    pub fn end(self) -> Result<(String, Findings), Broken> {
        let missing = |n, what: &str| Broken { n, why: format!("{what} is missing: the file was cut off") };
        let inquiry = self.inquiry.ok_or_else(|| missing(0, "the first line"))?;
        let found = inquiry.end(None)?;
        let next = found.head.n + 1;
        let footer = self.footer.ok_or_else(|| missing(next, "the closing line"))?;
        if footer.head != found.head || footer.entries != found.entries {
            let why = format!("the closing line tells of {} entries up to {}", footer.entries, footer.head.n);
            return Err(Broken { n: next, why });
        }
        Ok((self.instance, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn export(count: i64, from: i64) -> Vec<String> {
        let (mut head, mut lines) = (Head::default(), vec![]);
        let mut after = None;
        for n in 1..=count {
            if n == from {
                after = Some(head);
            }
            let said = Said {
                way: "event".into(),
                peer: String::new(),
                id: String::new(),
                what: "x".into(),
                detail: Some(n.to_string()),
            };
            head = head.after(n, said.digest());
            let entry = Entry { n, ms: n, body: Body::Said(said), hash: head.hash };
            if n >= from {
                lines.push(serde_json::to_string(&Line::from(entry)).unwrap());
            }
        }
        let header =
            Header { lanpost_log: 1, instance: "lab".into(), after: after.filter(|after| after.n > 0) };
        lines.insert(0, serde_json::to_string(&header).unwrap());
        let entries = lines.len() as u64 - 1;
        lines.push(serde_json::to_string(&Footer { entries, head }).unwrap());
        lines
    }

    fn read(lines: &[String], expect: Option<Head>) -> Result<Findings, Broken> {
        let mut reader = Reader::new(expect);
        lines.iter().try_for_each(|line| reader.line(line.as_bytes()))?;
        reader.end().map(|(_, found)| found)
    }

    #[test]
    fn an_export_proves_itself_and_names_the_first_bad_entry() {
        let lines = export(5, 1);
        let found = read(&lines, None).unwrap();
        assert_eq!((found.entries, found.first, found.head.n), (5, 1, 5));
        for (bad, n) in [
            ([&lines[..2], &lines[3..]].concat(), 2),
            ([&lines[..3], &lines[2..]].concat(), 2),
            (vec![lines[0].clone(), lines[2].clone(), lines[1].clone()], 1),
            (lines.iter().map(|line| line.replace("\"detail\":\"3\"", "\"detail\":\"4\"")).collect(), 3),
            (
                lines
                    .iter()
                    .map(|line| line.replace("\"detail\":\"3\"", "\"detail\":\"3\",\"note\":1"))
                    .collect(),
                3,
            ),
            (lines[..5].to_vec(), 5),
            (lines[1..].to_vec(), 0),
            ([&lines[..], &lines[1..2]].concat(), 6),
        ] {
            assert_eq!(read(&bad, None).unwrap_err().n, n, "{bad:?}");
        }
    }

    #[test]
    fn a_removed_end_is_found_by_who_knows_the_head() {
        let head = read(&export(5, 1), None).unwrap().head;
        for from in 1..=5 {
            assert!(read(&export(5, from), Some(head)).is_ok(), "{from}");
            assert!(read(&export(7, from), Some(head)).is_ok(), "it went on");
        }
        assert!(read(&export(7, 6), Some(head)).is_ok(), "it is the one that the export goes on after");
        assert_eq!(read(&export(4, 1), Some(head)).unwrap_err().n, 5);
        let other = Head { hash: Hash([7; 32]), ..head };
        assert_eq!(read(&export(7, 1), Some(other)).unwrap_err().n, 5);
        assert_eq!(read(&export(7, 6), Some(Head { n: 3, ..head })).unwrap_err().n, 3, "nobody can tell");
    }

    proptest! {
        #[test]
        fn no_file_panics(lines: Vec<Vec<u8>>, at in 0usize..5, byte in 0usize..40, other: u8) {
            let mut reader = Reader::new(None);
            let _ = lines.iter().try_for_each(|line| reader.line(line));
            let mut bytes: Vec<Vec<u8>> = export(3, 1).into_iter().map(String::into_bytes).collect();
            bytes[at][byte.min(3)] = other;
            let mut reader = Reader::new(None);
            let _ = bytes.iter().try_for_each(|line| reader.line(line));
            let _ = reader.end();
        }
    }
}
