//! What is looked for in messages, and whether a text has it: case, width and composition don't matter, and a word is
//! found within others, in any script.
//!
//! ```text
//! query := (word | '"' phrase '"')*      all must be there; nothing else is an operator
//! ```
//! An index can't know all parts of a text, so it is asked for *grams*: of every place in a text the (at most) three
//! characters from there to the end of its run. A word of any length is then some grams, or the beginning of one, and
//! what has all of them is looked at itself. ASCII punctuation and blanks end a run.

use serde::Serialize;
use serde_json::Value;
use unicode_normalization::char::decompose_compatible;

/// Characters of a message that are looked at.
pub const LOOKED_AT: usize = 100_000;
/// Characters of a gram.
const GRAM: usize = 3;
/// Grams of one word that the index is asked for.
const ASKED: usize = 16;
/// Characters that are shown before a hit, and from it on.
const SHOWN: (usize, usize) = (24, 72);

/// What is looked for, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(Vec<String>);

/// Where it was found: a piece of the text, in three parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// What stands before the hit.
    pub before: String,
    /// The hit as it is written there.
    pub hit: String,
    /// What follows.
    pub after: String,
}

impl Query {
    /// The words of a query; `None` if there are none.
    pub fn parse(text: &str) -> Option<Query> {
        let mut words = vec![];
        for (at, part) in text.split('"').enumerate() {
            match at % 2 {
                // A quote that nothing closes is one that means nothing.
                1 if at < text.matches('"').count() => words.push(folded(part).trim().to_owned()),
                _ => words.extend(folded(part).split_whitespace().map(str::to_owned)),
            }
        }
        words.retain(|word| !word.is_empty());
        (!words.is_empty()).then_some(Query(words))
    }

    /// Whether all of it is in a message of this content.
    pub fn is_in(&self, content: &Value) -> bool {
        let text = folded(&text_of(content));
        self.0.iter().all(|word| text.contains(word.as_str()))
    }

    /// Where the first of the words is.
    pub fn snippet(&self, content: &Value) -> Option<Snippet> {
        let text = text_of(content);
        let (mut folded, mut origin) = (String::new(), vec![]);
        fold(&text, |at, c| {
            folded.push(c);
            origin.push(at);
        });
        let hit = self.0.iter().filter_map(|word| Some((folded.find(word.as_str())?, word))).min()?;
        let first = folded.get(..hit.0)?.chars().count();
        let last = first + hit.1.chars().count();
        let place = |n: usize| origin.get(n).copied().unwrap_or(text.len());
        let end = |n: usize| {
            // Of a character that is several when folded, all is shown.
            (n..).map(place).find(|at| *at != place(n - 1)).unwrap_or(text.len())
        };
        let (from, to) = (place(first), end(last));
        let start = text[..from].char_indices().rev().nth(SHOWN.0 - 1).map_or(0, |(at, _)| at);
        let stop = text[from..].char_indices().nth(SHOWN.1).map_or(text.len(), |(at, _)| from + at).max(to);
        let ellipsis = |cut| if cut { "…" } else { "" };
        Some(Snippet {
            before: format!("{}{}", ellipsis(start > 0), &text[start..from]),
            hit: text[from..to].to_owned(),
            after: format!("{}{}", &text[to..stop], ellipsis(stop < text.len())),
        })
    }

    /// What the index is asked for, in the language of FTS5; `None`: it can't tell. It holds letters and quotes of ours alone.
    pub fn to_match(&self) -> Option<String> {
        let mut asked = vec![];
        for word in &self.0 {
            for run in runs(word) {
                let grams = run.chunks(GRAM).filter(|gram| gram.len() == GRAM).take(ASKED);
                asked.extend(grams.map(|gram| format!("\"{}\"", gram.iter().collect::<String>())));
                // The last ones, too; of a short run only how a gram begins.
                let end: String = run[run.len().saturating_sub(GRAM)..].iter().collect();
                asked.push(format!("\"{end}\"{}", if run.len() < GRAM { " *" } else { "" }));
            }
        }
        asked.sort_unstable();
        asked.dedup();
        (!asked.is_empty()).then(|| asked.join(" AND "))
    }
}

/// The grams of a message, each once, with blanks between: what the index takes in.
pub fn grams(content: &Value) -> String {
    let text = folded(&text_of(content));
    let mut grams: Vec<[char; GRAM]> = vec![];
    for run in runs(&text) {
        for at in 0..run.len() {
            let mut gram = ['\0'; GRAM];
            gram.iter_mut().zip(&run[at..]).for_each(|(to, from)| *to = *from);
            grams.push(gram);
        }
    }
    grams.sort_unstable();
    grams.dedup();
    let mut out = String::with_capacity(grams.len() * (GRAM + 2));
    for gram in grams {
        out.extend(gram.iter().filter(|c| **c != '\0'));
        out.push(' ');
    }
    out
}

/// A content as the text that is looked at: its own, or all strings, names and numbers of the JSON.
fn text_of(content: &Value) -> String {
    let mut text = String::new();
    collect(content, &mut text);
    if let Some((end, _)) = text.char_indices().nth(LOOKED_AT) {
        text.truncate(end);
    }
    text
}

fn collect(value: &Value, text: &mut String) {
    let mut add = |part: &str| {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(part);
    };
    match value {
        Value::String(part) => add(part),
        Value::Number(number) => add(&number.to_string()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, text)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            collect(&Value::from(name.as_str()), text);
            collect(value, text);
        }),
        Value::Null | Value::Bool(_) => {}
    }
}

fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold(text, |_, c| folded.push(c));
    folded
}

/// Each character as it is compared, and the byte of `text` that it comes of. Blanks in a row are one.
fn fold(text: &str, mut each: impl FnMut(usize, char)) {
    let mut blank = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            if !std::mem::replace(&mut blank, true) {
                each(at, ' ');
            }
            continue;
        }
        blank = false;
        if c.is_ascii() {
            each(at, c.to_ascii_lowercase());
        } else {
            decompose_compatible(c, |part| part.to_lowercase().for_each(|lower| each(at, lower)));
        }
    }
}

/// The runs of characters that grams are made of.
fn runs(folded: &str) -> Vec<Vec<char>> {
    let ends = |c: char| !c.is_ascii_alphanumeric() && (c.is_ascii() || c.is_whitespace());
    folded.split(ends).filter(|run| !run.is_empty()).map(|run| run.chars().collect()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    #[test]
    fn words_are_found_in_any_order_and_phrases_as_they_stand() {
        let text = json!("The build of\n  main is GREEN");
        for found in ["green build", "\"build of main\"", "uil", "\"is green", "ＭＡＩＮ", "e"] {
            assert!(query(found).is_in(&text), "{found}");
        }
        for not in ["green red", "\"main build\"", "buildof"] {
            assert!(!query(not).is_in(&text), "{not}");
        }
        assert_eq!((Query::parse(""), Query::parse(" \"\" \" ")), (None, None));
    }

    #[test]
    fn chinese_words_of_any_length_are_found() {
        let text = json!("今天部署到生产环境，完成。");
        for found in ["部署", "好".replace('好', "今").as_str(), "生产环境", "完成", "境，完", "成。"]
        {
            assert!(query(found).is_in(&text), "{found}");
        }
        assert_eq!(query("部署").to_match().unwrap(), "\"部署\" *");
        assert_eq!(query("生产环境").to_match().unwrap(), "\"产环境\" AND \"生产环\"");
    }

    #[test]
    fn json_is_looked_at_by_its_strings_names_and_numbers() {
        let job = json!({"job": 7, "steps": [{"say": "you \"win\""}], "done": true});
        for found in ["job 7", "win", "steps", "\"you "] {
            assert!(query(found).is_in(&job), "{found}");
        }
        assert!(!query("true").is_in(&job) && !query("{").is_in(&job));
    }

    #[test]
    fn a_snippet_shows_the_hit_as_it_is_written() {
        let long = json!(format!("{} Größe {}", "a ".repeat(40), "b ".repeat(90)));
        let snippet = query("GRÖSSE").snippet(&long);
        assert_eq!(snippet, None, "ß is no ss");
        let snippet = query("größe").snippet(&long).unwrap();
        assert_eq!(snippet.hit, "Größe");
        assert!(snippet.before.starts_with("…") && snippet.after.ends_with('…'));
        let all = query("b").snippet(&json!("a b")).unwrap();
        assert_eq!((all.before.as_str(), all.hit.as_str(), all.after.as_str()), ("a ", "b", ""));
    }

    #[test]
    fn nothing_in_a_query_is_an_operator() {
        for evil in ["AND", "a OR b", "NEAR(a b)", "x* -y ^z", "{grams} : x", "\" \"\" '", "a\0b", "NOT"] {
            let Some(query) = Query::parse(evil) else { continue };
            let asked = query.to_match().unwrap_or_default();
            let plain = asked.split(" AND ").all(|part| {
                part.trim_end_matches(" *")
                    .trim_matches('"')
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || !c.is_ascii())
            });
            assert!(plain, "{evil}: {asked}");
        }
        assert_eq!(query("->").to_match(), None);
    }

    proptest! {
        /// Whatever is part of a text is found by the index, too.
        #[test]
        fn the_index_misses_nothing(text in "[a-cÄ部署到。 .\"-]{0,30}", from in 0..30_usize, len in 1..12_usize) {
            let part: String = text.chars().skip(from).take(len).collect();
            let Some(query) = Query::parse(&part) else { return Ok(()) };
            let content = Value::from(text);
            prop_assert!(query.is_in(&content));
            prop_assert!(query.snippet(&content).is_some());
            let grams = grams(&content);
            for asked in query.to_match().iter().flat_map(|asked| asked.split(" AND ")) {
                let begins = asked.strip_suffix(" *");
                let word = begins.unwrap_or(asked).trim_matches('"');
                let known = grams.split(' ').any(|gram| if begins.is_some() { gram.starts_with(word) } else { gram == word });
                prop_assert!(known, "{asked} of {grams}");
            }
        }
    }
}
