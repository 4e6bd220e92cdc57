//! What of a text acts instead of being shown, and how it is made visible.
//!
//! Shown as escapes: controls (C0 but tab and newline, DEL, C1), and what reorders, hides or breaks lines unseen. So a
//! message can neither recolour, clear nor script a terminal, nor show its words in another order than they have, nor
//! say to a language model what no person sees. What is invisible and has a use beside what is shown (a variation selector, a
//! joiner) stays where it has that use, once: a row of them spells out bytes.

use std::borrow::Cow;

/// Whether a terminal would act on a character instead of showing it. Tab and newline are the caller's matter.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{206A}'..='\u{206F}' | '\u{FFF9}'..='\u{FFFB}')
        // Spaces of no width: two names or words could look the same. (Joiners stay: scripts and emoji need them.)
        || matches!(c, '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}')
        || matches!(c, '\u{200B}' | '\u{2060}'..='\u{2065}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}')
        || matches!(c, '\u{180B}'..='\u{180D}' | '\u{180F}' | '\u{2800}' | '\u{1D173}'..='\u{1D17A}')
        // Tags spell out text that nobody sees and a language model reads (and the flags of three countries).
        || matches!(c, '\u{E0000}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

/// The characters of a text, and whether each acts where it stands.
pub fn judged(text: &str) -> impl Iterator<Item = (char, bool)> + '_ {
    let mut before = None;
    text.chars().map(move |c| {
        let before = before.replace(c);
        let misplaced = match c {
            '\u{FE00}'..='\u{FE0F}' => !before.is_some_and(varies),
            '\u{200C}' | '\u{200D}' => before.is_some_and(is_joiner),
            _ => false,
        };
        (c, misplaced || acts(c))
    })
}

/// Whether a variation selector changes how a character looks: pictures and letters other than ASCII, and what is on keycaps.
fn varies(base: char) -> bool {
    let is_selector = matches!(base, '\u{FE00}'..='\u{FE0F}');
    let foreign =
        !base.is_ascii() && !base.is_whitespace() && !is_selector && !is_joiner(base) && !acts(base);
    foreign || matches!(base, '0'..='9' | '#' | '*')
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// Text of several lines: tabs and newlines stay, `\r\n` is a newline, everything else that acts is escaped.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !judged(text).any(|(c, acts)| acts && !matches!(c, '\n' | '\t')) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escape(&text.replace("\r\n", "\n"), |c| matches!(c, '\n' | '\t')))
}

/// Text that must stay in one line: a tab is a blank, a newline is escaped like the rest.
pub fn line(text: &str) -> Cow<'_, str> {
    if judged(text).any(|(_, acts)| acts) {
        Cow::Owned(escape(&text.replace('\t', " "), |_| false))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text with all that acts escaped, but for what `stays`.
fn escape(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (c, acts) in judged(text) {
        if acts && !stays(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown_instead() {
        let cases = [
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("\u{7}\u{8}\0\u{7f}", "\\u{7}\\u{8}\\u{0}\\u{7f}"),
            ("\u{9b}2J\u{85}", "\\u{9b}2J\\u{85}"),
            ("a\u{202e}b\u{2066}c\u{200f}d\u{61c}", "a\\u{202e}b\\u{2066}c\\u{200f}d\\u{61c}"),
            ("a\u{e0041}b", "a\\u{e0041}b"),
            ("of\u{200b}fi\u{2060}ce\u{feff}\u{115f}", "of\\u{200b}fi\\u{2060}ce\\u{feff}\\u{115f}"),
            ("❤️‍🔥 1️⃣ 葛\u{fe00}", "❤️‍🔥 1️⃣ 葛\u{fe00}"),
            ("x\u{fe0f}😀\u{fe01}\u{fe02}", "x\\u{fe0f}😀\u{fe01}\\u{fe02}"),
            ("😀\u{e0101}\u{2800}\u{180b}\u{1d173}", "😀\\u{e0101}\\u{2800}\\u{180b}\\u{1d173}"),
            ("a\u{200d}\u{200c}\u{fe00}b", "a\u{200d}\\u{200c}\\u{fe00}b"),
            ("one\r\n\ttwo\n", "one\n\ttwo\n"),
            ("over\rwritten", "over\\u{d}written"),
            ("你好，é👩‍🔬", "你好，é👩‍🔬"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(line("a\nb\tc"), "a\\u{a}b c");
    }
}
