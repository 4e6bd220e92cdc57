//! A catalogue: what each English text is in another language.
//!
//! Its form, as in `zh/*.txt`: two lines an entry, the English behind `> `, then the other; `#` begins a comment. The
//! English is the literal of the source with `{}` for what varies. In the translation `{}` stands for the next of these
//! and `{1}` for the second, as they are; `{+}` and `{1+}` for the same when it is a text of ours, which is looked up,
//! too. `= ` instead of `> ` marks a deed, as in `could not DEED SUBJECT: CAUSE; NEXT`: `{}` is then where the subject goes.
//!
//! An English text that begins with a comma is what may follow a sentence: `, held`. Where two `{}` stand side by side the
//! first is one word, or a name in quotes.
//!
//! A text matches whole or not at all; of several patterns the one with the most fixed letters counts. What `{}` holds
//! is never looked up, so that no word of a message, name or path is changed, and nothing of it is lost: a translation
//! may leave out the ending of a plural alone.

use std::collections::HashMap;

/// The texts of one language.
#[derive(Debug, Default)]
pub struct Catalogue {
    whole: HashMap<&'static str, &'static str>,
    /// Those with parts that vary, the most fixed letters first.
    patterns: Vec<Entry>,
    /// Those that follow a sentence.
    tails: Vec<Entry>,
    /// As they begin an error, the longest first.
    deeds: Vec<Entry>,
}

/// An entry whose English has parts that vary.
#[derive(Debug)]
struct Entry {
    english: &'static str,
    other: &'static str,
}

/// How an error begins.
const FAILED: &str = "could not ";
/// What stands between cause and next step, or between two sentences.
const STOP: &str = "; ";
/// What stands behind a name, or before a cause.
const COLON: &str = ": ";
/// How what follows a sentence begins.
const COMMA: &str = ", ";
/// Patterns with fewer fixed letters would fit much: what varies in them must be a word.
const FEW: usize = 8;
/// What Chinese has no word for: the endings of an English plural.
const ENDINGS: [&str; 6] = ["", "s", " is", "s are", " waits", "s wait"];

impl Catalogue {
    /// The entries of several files. A line that is none is passed over.
    pub fn read(files: &[&'static str]) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for (mark, english, other) in files.iter().flat_map(|file| entries(file)) {
            if english.starts_with(COMMA) {
                catalogue.tails.push(Entry { english, other });
            }
            match (mark, english.contains("{}")) {
                ('=', _) => catalogue.deeds.push(Entry { english, other }),
                (_, true) => catalogue.patterns.push(Entry { english, other }),
                (_, false) => drop(catalogue.whole.insert(english, other)),
            }
        }
        catalogue.patterns.sort_by_key(|entry| std::cmp::Reverse(fixed(entry.english)));
        catalogue.deeds.sort_by_key(|entry| std::cmp::Reverse(fixed(entry.english)));
        catalogue
    }

    /// The text in this language, if there is an entry for it; blanks around it stay.
    pub fn text(&self, text: &str) -> Option<String> {
        let bare = text.trim();
        let before = text.len() - text.trim_start().len();
        let said = self.sentence(bare)?;
        Some(format!("{}{said}{}", &text[..before], &text[before + bare.len()..]))
    }

    /// A word or fixed sentence, without parts that vary.
    pub fn word(&self, word: &str) -> Option<&'static str> {
        self.whole.get(word).copied()
    }

    fn sentence(&self, text: &str) -> Option<String> {
        if let Some(rest) = text.strip_prefix(FAILED)
            && let Some(said) = self.failure(rest)
        {
            return Some(said);
        }
        // What holds a stop or a colon is hardly one part; only when nothing else fits it may be.
        let whole = self.word(text).map(str::to_owned).or_else(|| self.tailed(text));
        let strict = whole.or_else(|| self.phrase(text, true)).or_else(|| self.sentences(text));
        strict.or_else(|| self.phrase(text, false)).or_else(|| self.named(text))
    }

    /// One entry for all of it; `strict`: with neither stop nor colon in a part that varies.
    fn phrase(&self, text: &str, strict: bool) -> Option<String> {
        if let Some(said) = self.word(text) {
            return Some(said.to_owned());
        }
        self.patterns.iter().find_map(|entry| {
            let parts = matched(entry.english, text)?;
            let letters = entry.english.chars().filter(char::is_ascii_alphabetic).count();
            // What stands in columns is known by that.
            let few = letters < FEW && !entry.english.contains("  ");
            let banned: &[&str] = match (few, strict) {
                (true, _) => &[" "],
                (_, true) => &[STOP, COLON],
                _ => &[],
            };
            self.filled(entry.other, &parts, banned)
        })
    }

    /// A sentence and what follows it, as in `from the lane under lease 3, verified, held`. This comes before the patterns,
    /// whose last part would take it for its own.
    fn tailed(&self, text: &str) -> Option<String> {
        text.match_indices(COMMA).find_map(|(at, _)| {
            let tails = self.tails(&text[at..])?;
            Some(self.phrase(&text[..at], true)? + &tails)
        })
    }

    /// One or more of what may follow a sentence.
    fn tails(&self, text: &str) -> Option<String> {
        let tail = |text: &str| {
            self.tails
                .iter()
                .find_map(|entry| self.filled(entry.other, &matched(entry.english, text)?, &[STOP, COLON]))
        };
        let mut cuts = text.match_indices(COMMA).map(|(at, _)| at).skip(1);
        let several = cuts.find_map(|at| Some(tail(&text[..at])? + &self.tails(&text[at..])?));
        several.or_else(|| tail(text))
    }

    /// Several sentences, each of which has an entry.
    fn sentences(&self, text: &str) -> Option<String> {
        // Some entries hold such a stop themselves, so it is not always the first that ends one.
        text.match_indices(STOP).find_map(|(at, _)| {
            let first = self.phrase(&text[..at], true)?;
            let rest = &text[at + STOP.len()..];
            let rest = self.phrase(rest, true).or_else(|| self.sentences(rest))?;
            Some(format!("{first}；{rest}"))
        })
    }

    /// A sentence about somebody or something, whose name stands before it.
    fn named(&self, text: &str) -> Option<String> {
        let (name, rest) = text.split_once(COLON)?;
        let name = self.word(name).or(Some(name).filter(|name| !name.contains(' ')))?;
        Some(format!("{name}：{}", self.sentence(rest)?))
    }

    /// `DEED SUBJECT: CAUSE; NEXT`.
    fn failure(&self, text: &str) -> Option<String> {
        self.deeds.iter().find_map(|entry| {
            let bare = matched(&format!("{}: {{}}", entry.english), text);
            let (mut parts, subject) = match bare {
                Some(parts) => (parts, ""),
                None => {
                    let mut parts = matched(&format!("{} {{}}: {{}}", entry.english), text)?;
                    let subject = parts.remove(parts.len() - 2);
                    (parts, subject)
                }
            };
            let rest = self.because(parts.pop()?);
            // A subject of several words may be one of ours, as in "standard output"; one word is a name.
            let subject =
                Some(subject).filter(|it| it.contains(' ')).and_then(|it| self.word(it)).unwrap_or(subject);
            // The deed's own parts come before its subject, as in the English.
            parts.push(subject);
            let placed = match subject.is_empty() || entry.other.contains('{') {
                true => entry.other.to_owned(),
                false => format!("{} {{}}", entry.other),
            };
            let deed = self.filled(&placed, &parts, &[])?;
            Some(format!("无法{}：{rest}", deed.trim()))
        })
    }

    /// A cause, and perhaps a next step; what has no entry stays.
    fn because(&self, text: &str) -> String {
        if let Some(said) = self.phrase(text, true).or_else(|| text.strip_prefix(FAILED).and(self.text(text)))
        {
            return said;
        }
        let cuts: Vec<_> =
            text.match_indices(STOP).map(|(at, _)| (&text[..at], &text[at + STOP.len()..])).collect();
        let cause = |text: &str| self.sentence(text);
        let next = cause;
        let both = cuts.iter().find_map(|(a, b)| Some(format!("{}；{}", cause(a)?, next(b)?)));
        let second = || cuts.iter().find_map(|(a, b)| Some(format!("{a}；{}", next(b)?)));
        let first = || cuts.iter().find_map(|(a, b)| Some(format!("{}；{b}", cause(a)?)));
        both.or_else(|| cause(text)).or_else(second).or_else(first).unwrap_or_else(|| text.to_owned())
    }

    /// A translation with its parts in place, none of which may be lost, or hold what is `banned` if it stays as it is.
    fn filled(&self, other: &str, parts: &[&str], banned: &[&str]) -> Option<String> {
        let (mut out, mut rest, mut next) = (String::new(), other, 0);
        let mut lost: Vec<&str> = parts.to_vec();
        while let Some((before, (inside, after))) =
            rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        {
            let (number, ours) = match inside.strip_suffix('+') {
                Some(number) => (number, true),
                None => (inside, false),
            };
            let at = if number.is_empty() { next } else { number.parse().unwrap_or(usize::MAX) };
            let part = parts.get(at)?;
            if !ours && !is_quoted(part) && banned.iter().any(|word| part.contains(word)) {
                return None;
            }
            lost[at] = "";
            out += before;
            match ours.then(|| self.text(part)).flatten() {
                Some(said) => out += &said,
                None => out += part,
            }
            next = at + 1;
            rest = after;
        }
        lost.iter().all(|part| ENDINGS.contains(part)).then(|| out + rest)
    }
}

/// The entries of a file: their mark, the English, the other.
pub(super) fn entries(file: &'static str) -> impl Iterator<Item = (char, &'static str, &'static str)> {
    let mut lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            if let Some(english) = line.strip_prefix("> ") {
                return Some(('>', english, lines.next()?));
            }
            if let Some(english) = line.strip_prefix("= ") {
                return Some(('=', english, lines.next()?));
            }
        }
    })
}

/// How many of its characters are fixed.
fn fixed(english: &str) -> usize {
    english.len() - 2 * english.matches("{}").count()
}

/// What stands in `text` for each `{}` of a pattern; each takes as little as it can, the last one the rest. One that
/// another follows at once is a word.
fn matched<'a>(pattern: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut fixed = pattern.split("{}");
    let mut rest = text.strip_prefix(fixed.next()?)?;
    let mut parts = vec![];
    let mut fixed = fixed.peekable();
    while let Some(word) = fixed.next() {
        let at = match fixed.peek() {
            Some(_) if word.is_empty() => word_of(rest)?,
            Some(_) => rest.find(word)?,
            None => rest.strip_suffix(word)?.len(),
        };
        parts.push(&rest[..at]);
        rest = &rest[at + word.len()..];
    }
    rest.is_empty().then_some(parts)
}

/// Whether it is a name in quotes, and nothing else.
fn is_quoted(part: &str) -> bool {
    let inside = part.strip_prefix('"').and_then(|part| part.strip_suffix('"'));
    inside.is_some_and(|name| !name.contains('"'))
}

/// How long the word is that a text begins with, or the name in quotes; `None` if it begins with neither.
fn word_of(text: &str) -> Option<usize> {
    let end = match text.strip_prefix('"') {
        Some(inside) => inside.find('"')? + 2,
        None => text.find([' ', ',', ';', ':', '(', ')']).unwrap_or(text.len()),
    };
    (end > 0).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &str = "# a comment\n> no such instance\n没有这个实例\n> did you mean {}?\n您是指 {} 吗？\n\
        = send to\n发送给 {}\n= write the heartbeat to\n把心跳写入 {}\n= the {} of\n办 {1} 的 {0}\n> the log\n日志\n\
        > {} waits in the spool; {}\n{} 在队列里等候；{+}\n> {} has it\n{} 已占有它\n> from {} to {}\n到 {1}，从 {0}\n\
        > {} message{}\n{} 条消息\n> from the lane {}\n从通道 {}\n> , held\n，扣下\n> , until {} or so\n，到 {}\n\
        > it holds {}{} there\n那里有 {}（{}）\n";

    fn said(text: &str) -> String {
        Catalogue::read(&[SOME]).text(text).unwrap_or_default()
    }

    #[test]
    fn an_error_is_said_piece_by_piece() {
        assert_eq!(
            said("could not send to lb: no such instance; did you mean lab?"),
            "无法发送给 lb：没有这个实例；您是指 lab 吗？"
        );
        assert_eq!(said("could not send to: no such instance"), "无法发送给：没有这个实例");
        assert_eq!(
            said("could not send to lb: ENOENT (2); did you mean lab?"),
            "无法发送给 lb：ENOENT (2)；您是指 lab 吗？"
        );
        assert_eq!(said("could not send to lb: something else"), "无法发送给 lb：something else");
        assert_eq!(said("could not send to the log: x"), "无法发送给 日志：x");
        assert_eq!(said("could not the y of z: x"), "无法办 z 的 y：x");
        assert_eq!(said("could not dance: no such instance"), "", "a deed without an entry");
    }

    #[test]
    fn a_text_matches_whole_and_its_parts_stay_as_they_are() {
        assert_eq!(said("  from yes to b"), "  到 b，从 yes");
        assert_eq!(said("from a"), "");
        assert_eq!(
            said("7 waits in the spool; could not write the heartbeat to /x: no such instance"),
            "7 在队列里等候；无法把心跳写入 /x：没有这个实例"
        );
        assert_eq!(said("no such instance; b has it"), "没有这个实例；b 已占有它");
        assert_eq!(said("a; b has it"), "", "of few letters, and no word before them");
        assert_eq!((said("7 messages"), said("7 messages fell")), ("7 条消息".to_owned(), String::new()));
        assert_eq!(said("3f2: no such instance"), "3f2：没有这个实例");
        assert_eq!(said("some words: no such instance"), "");
        assert_eq!(said("the log: no such instance"), "日志：没有这个实例");
        assert_eq!(said(""), "");
    }

    #[test]
    fn what_follows_a_sentence_is_no_part_of_it() {
        assert_eq!(said("from the lane 3"), "从通道 3");
        assert_eq!(said("from the lane 3, held"), "从通道 3，扣下");
        assert_eq!(said("from the lane 3, until 12:00 or so, held"), "从通道 3，到 12:00，扣下");
        assert_eq!(said("from the lane 3, or so"), "从通道 3, or so", "that is no such thing");
        assert_eq!(said("who knows, held"), "");
    }

    #[test]
    fn of_two_parts_side_by_side_the_first_is_a_word_or_a_name_in_quotes() {
        assert_eq!(said("it holds mail, too there"), "那里有 mail（, too）");
        assert_eq!(said("it holds \"a b\": x there"), "那里有 \"a b\"（: x）");
        assert_eq!(matched("{}{}", "3 (a)"), Some(vec!["3", " (a)"]));
        assert_eq!(matched("{}{}", "3"), Some(vec!["3", ""]));
        assert_eq!(matched("{}{}", " (a)"), None, "a word is never empty");
        assert_eq!(matched("{}{}", "\"a"), None);
    }

    #[test]
    fn parts_are_found_as_short_as_can_be() {
        assert_eq!(matched("{}: {}", "a: b: c"), Some(vec!["a", "b: c"]));
        assert_eq!(matched("x {} y", "x y"), None);
        assert_eq!(matched("x{}", "x"), Some(vec![""]));
        assert_eq!(matched("aba{}aba", "aba"), None);
        assert_eq!(matched("x", "x"), Some(vec![]));
    }
}
