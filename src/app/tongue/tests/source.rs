//! The texts in the sources of `src/`, found as text: for the proof that each has a Chinese one.
//!
//! Which literal is a text for people can't be told for sure, so it is told generously: whatever has two words in a row.
//! Test code is passed over.

/// A text and what it is used for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    /// As the catalogue has it: `{}` for what varies.
    pub text: String,
    /// It says what could not be done.
    pub deed: bool,
    /// Some two words in a row.
    pub prose: bool,
    /// Where it stands, below `src/`.
    pub file: String,
}

/// A piece of source.
#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Mark(char),
    Literal(String),
}

/// The texts of one file.
pub fn texts_of(file: &str, source: &str) -> Vec<Text> {
    let end = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub mod tests {"];
    let end = end.iter().filter_map(|end| source.find(end)).min().unwrap_or(source.len());
    let tokens = without_attributes(tokens(&source[..end]));
    let deeds = deeds(&tokens);
    let mut texts = vec![];
    for (at, token) in tokens.iter().enumerate() {
        if let Token::Literal(literal) = token {
            let text = pattern(literal);
            let prose = is_prose(&text) && !literal.trim_end().contains('\n');
            texts.push(Text { text, deed: deeds.contains(&at), prose, file: file.to_owned() });
        }
    }
    texts
}

/// Two words in a row, of which one may vary.
fn is_prose(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let is_word = |word: &str| word.chars().filter(char::is_ascii_alphabetic).count() >= 2;
    let follows = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '{');
    words.windows(2).any(|pair| {
        pair[0].ends_with(|c: char| c.is_ascii_alphabetic()) && is_word(pair[0]) && follows(pair[1])
            || pair[0].ends_with('}') && pair[1].starts_with(|c: char| c.is_ascii_lowercase())
    })
}

/// A literal as the catalogue has it: `{}` for whatever stands in braces, without blanks and stops around it.
fn pattern(literal: &str) -> String {
    let literal = literal.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let (mut out, mut rest) = (String::new(), literal.as_str());
    while let Some((before, (_, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        out += before;
        out += "{}";
        rest = after;
    }
    out += rest;
    let out = out.replace('\u{1}', "{").replace('\u{2}', "}");
    let out = out.trim();
    let out = out.strip_prefix("; ").unwrap_or(out);
    out.strip_suffix(';').unwrap_or(out).to_owned()
}

/// The literals that say what could not be done.
fn deeds(tokens: &[Token]) -> Vec<usize> {
    let word = |at: usize, word: &str| matches!(tokens.get(at), Some(Token::Word(it)) if it == word);
    let mark = |at: usize, mark: char| tokens.get(at) == Some(&Token::Mark(mark));
    let literal = |at: usize| match tokens.get(at) {
        Some(Token::Literal(_)) => Some(at),
        _ if word(at, "format") && mark(at + 1, '!') => Some(at + 3),
        _ => None,
    };
    let mut found = vec![];
    for at in 3..tokens.len() {
        let called = mark(at + 1, '(');
        let of_error = called && word(at - 3, "Error") && mark(at - 1, ':');
        if called && word(at, "at") && mark(at - 1, '.')
            || of_error && ["usage", "io", "login"].iter().any(|name| word(at, name))
        {
            found.extend(literal(at + 2));
        } else if of_error && word(at, "new") {
            let comma = (at + 2..at + 10).find(|at| mark(*at, ','));
            found.extend(comma.and_then(|comma| literal(comma + 1)));
        } else if (word(at, "deed") || word(at, "DEED")) && mark(at + 1, '=') {
            found.extend(literal(at + 2));
        } else if word(at, "DEED") && mark(at + 1, ':') {
            found.extend(literal(at + 5));
        }
    }
    found
}

/// `#[...]` is for the compiler, and for clap, whose texts are found in its tree.
fn without_attributes(tokens: Vec<Token>) -> Vec<Token> {
    let (mut out, mut depth, mut begins) = (vec![], 0, false);
    for token in tokens {
        match (&token, depth) {
            (Token::Mark('#'), 0) => begins = true,
            (Token::Mark('!'), 0) if begins => {}
            (Token::Mark('['), 0) if begins => (depth, begins) = (1, false),
            (Token::Mark('['), 1..) => depth += 1,
            (Token::Mark(']'), 1..) => depth -= 1,
            (_, 1..) => {}
            _ => {
                begins = false;
                out.push(token);
            }
        }
    }
    out
}

/// Words, marks and string literals; comments, numbers, characters and blanks are left out.
fn tokens(source: &str) -> Vec<Token> {
    let (mut out, mut rest) = (vec![], source);
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = &rest[rest.find("*/").map_or(rest.len(), |at| at + 2)..];
        } else if let Some((literal, after)) = raw(rest) {
            out.push(Token::Literal(literal));
            rest = after;
        } else if rest.starts_with("b\"") {
            rest = &rest[1..];
        } else if let Some(inside) = rest.strip_prefix('"') {
            let (literal, after) = quoted(inside);
            out.push(Token::Literal(literal));
            rest = after;
        } else if c == '\'' {
            rest = character(rest);
        } else if is_word(c) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            out.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !c.is_whitespace() {
                out.push(Token::Mark(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// `r"..."`, `r#"..."#`, `br"..."`.
fn raw(source: &str) -> Option<(String, &str)> {
    let inside = source.strip_prefix("br").or_else(|| source.strip_prefix('r'))?;
    let hashes = inside.len() - inside.trim_start_matches('#').len();
    let inside = inside[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let at = inside.find(&end)?;
    Some((inside[..at].to_owned(), &inside[at + end.len()..]))
}

/// A literal up to its quote, its escapes resolved, and what follows.
fn quoted(inside: &str) -> (String, &str) {
    let (mut out, mut rest) = (String::new(), inside);
    loop {
        let at = rest.find(['"', '\\']).unwrap();
        out += &rest[..at];
        let escape = rest[at..].strip_prefix('\\');
        let Some(escape) = escape else { return (out, &rest[at + 1..]) };
        let kind = escape.chars().next().unwrap();
        let after = &escape[kind.len_utf8()..];
        let code = |hex: &str| char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap();
        rest = match kind {
            'n' | 'r' | 't' | '0' => {
                out.push('\n');
                after
            }
            '\n' => after.trim_start(),
            'x' => {
                out.push(code(&after[..2]));
                &after[2..]
            }
            'u' => {
                let (hex, after) = after[1..].split_once('}').unwrap();
                out.push(code(hex));
                after
            }
            other => {
                out.push(other);
                after
            }
        };
    }
}

/// What follows a character or a lifetime.
fn character(source: &str) -> &str {
    let inside = &source[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        let kind = escape.chars().next().unwrap().len_utf8();
        return &escape[escape[kind..].find('\'').unwrap() + kind + 1..];
    }
    let c = inside.chars().next().unwrap();
    inside[c.len_utf8()..].strip_prefix('\'').unwrap_or(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_however_they_are_written() {
        let source = r###"
            // "a comment here"
            #[arg(help = "not this one")]
            fn f<'a>(x: &'a str) -> Result<()> {
                let quote = ('"', '\'', "a {x:?} of \"it\" \
                    {{goes}} on", r#"raw text "here" now"#, "one", b"two bytes");
                x.at("look at", p)?;
                let deed = "dance with";
                Err(Error::new(Kind::Usage, format!("see {x} as"), "", "it is so").next("; and do that"))
            }
        "###;
        let found = texts_of("x.rs", source);
        let texts: Vec<_> = found.iter().map(|it| (it.text.as_str(), it.deed, it.prose)).collect();
        assert_eq!(
            texts,
            [
                ("a {} of \"it\" {goes} on", false, true),
                ("raw text \"here\" now", false, true),
                ("one", false, false),
                ("two bytes", false, true),
                ("look at", true, true),
                ("dance with", true, true),
                ("see {} as", true, true),
                ("", false, false),
                ("it is so", false, true),
                ("and do that", false, true),
            ]
        );
        let tested =
            format!("const A: &str = \"some words\";\n#[cfg(test)]\n{} {{ \"other words\" }}", "mod tests");
        assert_eq!(texts_of("x.rs", &tested).len(), 1);
    }
}
