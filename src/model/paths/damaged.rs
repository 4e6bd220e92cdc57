//! Text that a misreading damaged: `共享文件夹` is 15 bytes, which don't pair up in GBK, so that its last one is lost.
//!
//! What is left is a pattern: characters that stayed, and places at which something may stand for what went (`�`, `?`,
//! `_`, a space) or nothing. Invariant: at least as many characters stayed as were lost, so that a name which fits is
//! no accident; but names that differ in the lost bytes alone fit the same pattern, and nothing can tell them apart.

use unicode_normalization::UnicodeNormalization;

use super::misread::Code;

/// What programs put in the place of what they can't read.
const FILLERS: [&str; 5] = ["\u{fffd}", "?", "_", " ", ""];
/// What UTF-8 is taken for; each loses some bytes.
const ONCE: [Code; 4] = [Code::Gb18030, Code::Big5, Code::ShiftJis, Code::Windows1252];
/// The same, for text that has gone through it before.
const AGAIN: [Code; 2] = [Code::Gb18030, Code::Windows1252];

/// One place of a [`Pattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// This character.
    Kept(char),
    /// One that only some programs know, such as those of private use.
    Doubtful(char),
    /// Nothing that can be read.
    Lost,
}

/// What a text may look like after a misreading that lost some of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Place>);

impl Pattern {
    /// `text`, written in UTF-8 and read as `code`.
    fn new(text: &str, code: Code) -> Pattern {
        let bytes = text.as_bytes();
        let (mut places, mut at) = (vec![], 0);
        while at < bytes.len() {
            let lens = [1, 2].into_iter().filter(|len| at + len <= bytes.len());
            let mut read = lens.filter_map(|len| Some((len, one(&code.read(&bytes[at..at + len])?)?)));
            let (len, place) = read.next().unwrap_or((1, Place::Lost));
            places.push(place);
            at += len;
        }
        Pattern(places)
    }

    fn count(&self, of: impl Fn(Place) -> bool) -> usize {
        self.0.iter().filter(|place| of(**place)).count()
    }

    /// Characters that tell something.
    fn kept(&self) -> usize {
        self.count(|place| matches!(place, Place::Kept(c) if !c.is_ascii()))
    }

    /// Whether enough stayed.
    fn tells(&self) -> bool {
        self.kept() > 0 && self.kept() >= self.count(|place| place == Place::Lost)
    }

    /// The text with `filler` wherever something was lost, and at the doubtful places as well or not.
    fn filled(&self, filler: &str, doubtful: bool) -> String {
        let text = |place: &Place| match *place {
            Place::Kept(c) => c.to_string(),
            Place::Doubtful(c) if !doubtful => c.to_string(),
            Place::Doubtful(_) | Place::Lost => filler.to_owned(),
        };
        self.0.iter().map(text).collect()
    }

    /// Whether `text` may be what is left. Cost: the product of both lengths.
    pub fn fits(&self, text: &str) -> bool {
        // One character alone is a name of its own, unless it shows that something is missing.
        let all = self.kept() > 1;
        let filler = |c: char| c == '\u{fffd}' || all && FILLERS.iter().any(|filler| filler.starts_with(c));
        let text: Vec<char> = text.chars().collect();
        // Where in the text the places so far may end.
        let mut ends = vec![false; text.len() + 1];
        ends[0] = true;
        for place in &self.0 {
            let stays = all && !matches!(place, Place::Kept(_));
            let step = |c: char| match *place {
                Place::Kept(kept) => kept == c,
                Place::Doubtful(kept) => kept == c || filler(c),
                Place::Lost => filler(c),
            };
            let next = |at: usize| ends[at] && stays || at > 0 && ends[at - 1] && step(text[at - 1]);
            ends = (0..=text.len()).map(next).collect();
        }
        ends[text.len()]
    }
}

/// The place that a reading of one or two bytes gives, if it is one character.
fn one(read: &str) -> Option<Place> {
    let mut chars = read.nfc();
    let (first, None) = (chars.next()?, chars.next()) else { return None };
    Some(match first {
        '\u{80}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '€' => Place::Doubtful(first),
        _ => Place::Kept(first),
    })
}

/// What may be left of `text` after it was misread, once or twice.
pub(super) fn damaged(text: &str) -> Vec<Pattern> {
    let mut found = vec![];
    let (composed, split) = (text.nfc().collect::<String>(), text.nfd().collect::<String>());
    let forms = if composed == split { vec![composed] } else { vec![composed, split] };
    for form in forms {
        found.extend(ONCE.map(|code| Pattern::new(&form, code)).into_iter().filter(Pattern::tells));
        for code in AGAIN {
            let first = Pattern::new(&form, code);
            if first.kept() == 0 {
                continue;
            }
            let mut between: Vec<String> =
                FILLERS.iter().flat_map(|f| [first.filled(f, true), first.filled(f, false)]).collect();
            between.sort_unstable();
            between.dedup();
            found.extend(between.iter().map(|text| Pattern::new(text, code)).filter(Pattern::tells));
        }
    }
    found
}
