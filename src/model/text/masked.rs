//! Hiding secrets in what a server said: it may repeat what it was asked, as it was, decoded, or written in a form of its own.
//!
//! The text is brought into its plain form first (`%2F`, `&amp;`, `\/`, `\u0026`), the secrets, too. Then every run of `RUN`
//! characters that a secret has as well is hidden, and shorter parts of a secret as a whole. Letters count alike, large
//! or small. What is left may lack more than it must.

/// The longest run of a secret that may be seen is shorter than this.
const RUN: usize = 6;
/// Parts of a secret that are shorter than this are none: `v1`, `id`.
const PART: usize = 3;
/// How often a text may be wrapped in forms.
const DEEPEST: usize = 4;
/// What stands for what is hidden.
const HIDDEN: char = '…';

/// The text in its plain form, without `secrets`.
pub fn masked<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    let chars: Vec<char> = plain(text).chars().collect();
    let small: Vec<char> = chars.iter().map(char::to_ascii_lowercase).collect();
    let mut hidden = vec![false; chars.len()];
    for secret in secrets {
        for part in parts(&plain(secret).to_ascii_lowercase()) {
            for at in places(&small, &part) {
                hidden[at..at + part.len()].fill(true);
            }
        }
    }
    let mut out = String::new();
    for (at, c) in chars.into_iter().enumerate() {
        match hidden[at] {
            false => out.push(c),
            true if at == 0 || !hidden[at - 1] => out.push(HIDDEN),
            true => {}
        }
    }
    out
}

/// What is looked for of a secret: all its runs, and its shorter parts.
fn parts(secret: &str) -> Vec<Vec<char>> {
    let whole: Vec<char> = secret.chars().collect();
    let mut parts: Vec<Vec<char>> = whole.windows(RUN).map(<[char]>::to_vec).collect();
    let short = secret.split(|c: char| c.is_whitespace() || "/?&=+".contains(c));
    let short = short.map(|part| part.chars().collect::<Vec<_>>());
    parts.extend(short.filter(|part| (PART..RUN).contains(&part.len())));
    // Whatever it is, as a whole it is one.
    if (1..RUN).contains(&whole.len()) && secret != "/" {
        parts.push(whole);
    }
    parts.sort_unstable();
    parts.dedup();
    parts
}

fn places<'a>(text: &'a [char], part: &'a [char]) -> impl Iterator<Item = usize> {
    text.windows(part.len()).enumerate().filter(move |(_, window)| *window == part).map(|(at, _)| at)
}

/// The text without the forms that characters are written in where they would mean something else.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..DEEPEST {
        let next = once(&text);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

fn once(text: &str) -> String {
    // Bytes, since a percent sign stands for one of a character's.
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(c) = rest.chars().next() {
        let mut buffer = [0; 4];
        let (bytes, length): (&[u8], usize) = match form(rest) {
            Some((Form::Byte(byte), length)) => {
                buffer[0] = byte;
                (&buffer[..1], length)
            }
            Some((Form::Char(c), length)) => (c.encode_utf8(&mut buffer).as_bytes(), length),
            None => (c.encode_utf8(&mut buffer).as_bytes(), c.len_utf8()),
        };
        out.extend_from_slice(bytes);
        rest = &rest[length..];
    }
    String::from_utf8_lossy(&out).into_owned()
}

enum Form {
    Byte(u8),
    Char(char),
}

/// What the text begins with, if that is a form, and the length of it.
fn form(text: &str) -> Option<(Form, usize)> {
    const NAMED: [(&str, char); 6] =
        [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&apos;", '\''), ("&sol;", '/')];
    let digits = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    match text.as_bytes() {
        [b'%', ..] => Some((Form::Byte(u8::try_from(digits(1, 3)?).ok()?), 3)),
        [b'\\', b'u', ..] => Some((Form::Char(char::from_u32(digits(2, 6)?)?), 6)),
        [b'\\', b'x', ..] => Some((Form::Byte(u8::try_from(digits(2, 4)?).ok()?), 4)),
        [b'\\', b'/' | b'"' | b'\'' | b'\\', ..] => Some((Form::Char(text[1..].chars().next()?), 2)),
        [b'&', b'#', ..] => {
            let end = text.bytes().take(10).position(|byte| byte == b';')?;
            let number = match text.as_bytes()[2] {
                b'x' | b'X' => digits(3, end)?,
                _ => text.get(2..end)?.parse().ok()?,
            };
            Some((Form::Char(char::from_u32(number)?), end + 1))
        }
        [b'&', ..] => {
            let (name, c) = NAMED.iter().find(|(name, _)| text.starts_with(name))?;
            Some((Form::Char(*c), name.len()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_secret_is_hidden_in_whatever_form_it_comes_back() {
        let target = "/services/T00/SECRET%2FPATH?key=s%C3%A9cret%26query&v=1";
        for said in [
            "Cannot POST /services/T00/SECRET%2FPATH?key=s%C3%A9cret%26query&v=1",
            "Cannot POST /services/T00/SECRET%2fPATH?key=s%c3%a9cret%26query&amp;v=1",
            "Cannot POST /services/T00/SECRET/PATH?key=sécret&query&v=1",
            r#"{"path":"\/services\/T00\/SECRET\/PATH","key":"s\u00e9cret\u0026query"}"#,
            "&#x2f;services&#47;T00&#x2F;SECRET&#x2F;PATH",
            "%252Fservices%252FT00%252FSECRET%25252FPATH",
            "no such key: sécret&query",
            "secret/path is unknown, did you mean secret/pathos?",
        ] {
            let shown = masked(said, [target].into_iter());
            for word in ["SECRET", "ecret", "PATH", "query", "T00"] {
                assert!(!shown.to_lowercase().contains(&word.to_lowercase()), "{word} in {shown}");
            }
            assert!(shown.contains('…'), "{shown}");
        }
    }

    #[test]
    fn all_else_stays() {
        let hidden = |text| masked(text, ["/v1/hook?id=7", "", "/"].into_iter());
        assert_eq!(hidden("no route 50% & 7 of v1/ \\ 好"), "no route 50% & 7 of v1/ \\ 好");
        assert_eq!(hidden("the hook"), "the …");
        assert_eq!(masked("a x b", ["x"].into_iter()), "a … b");
    }

    proptest! {
        #[test]
        fn no_run_of_it_is_left(said in ".{0,60}", secret in "[a-zA-Z0-9]{6,20}", at in 0..60_usize) {
            let at = said.char_indices().nth(at).map_or(said.len(), |(at, _)| at);
            let shown = masked(&format!("{}{secret}{}", &said[..at], &said[at..]), [secret.as_str()].into_iter());
            prop_assert!(!shown.contains(&secret), "{shown}");
        }

        #[test]
        fn any_text_is_taken(text in "[%&#;x0-9a-f\\\\u/é]{0,30}") {
            masked(&text, [text.as_str()].into_iter());
        }
    }
}
