//! Texts of a gateway's config: `${NAME}` for a variable, `$${` for itself, and the file `.env` that variables come from.
//!
//! Grammar: a variable's name is of `A-Z`, `0-9` and `_`, and begins with no digit; any other `${…}` is plain text.

use std::collections::BTreeMap;

/// The text with its variables in place.
///
/// # Errors
/// The name of the first that nobody knows.
pub fn expanded(text: &str, known: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("$${") {
            out.push_str("${");
            rest = &rest[3..];
            continue;
        }
        let name =
            rest.strip_prefix("${").and_then(|inner| inner.split_once('}')).filter(|(it, _)| is_name(it));
        match name {
            Some((name, after)) => {
                out += &known(name).ok_or_else(|| name.to_owned())?;
                rest = after;
            }
            None => {
                out.push('$');
                rest = &rest[1..];
            }
        }
    }
    Ok(out + rest)
}

fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_uppercase() || c == '_';
    text.starts_with(first) && text.chars().all(|c| first(c) || c.is_ascii_digit())
}

/// What a file `.env` says. Lines that say nothing are stepped over.
pub fn environment(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(variable).collect()
}

fn variable(line: &str) -> Option<(String, String)> {
    let line = line.trim().trim_start_matches('\u{feff}');
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let sound =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    let value = value.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
    let quoted = quote.and_then(|quote| value[1..].split_once(quote));
    let value = match quoted {
        Some((inner, _)) => inner.to_owned(),
        None => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
    };
    sound.then(|| (name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variables_are_put_in_place() {
        let known = |name: &str| (name == "HOOK_TOKEN").then(|| "t0k".to_owned());
        for (text, expected) in [
            ("${HOOK_TOKEN}", "t0k"),
            ("a${HOOK_TOKEN}b${HOOK_TOKEN}", "at0kbt0k"),
            ("$${HOOK_TOKEN}", "${HOOK_TOKEN}"),
            ("${lower} $x ${", "${lower} $x ${"),
            (r"C:\Users\me", r"C:\Users\me"),
        ] {
            assert_eq!(expanded(text, known).unwrap(), expected, "{text}");
        }
        assert_eq!(expanded("x${OTHER}", known), Err("OTHER".to_owned()));
    }

    #[test]
    fn a_dot_env_file_is_read_as_people_write_it() {
        let read = environment(
            "\u{feff}A=1\r\n# B=2\nexport C = 'x # y' # z\nD=\"q=r\"\nE=plain # note\n\nnothing\n=x\nF=\nG=a#b\n",
        );
        let told: Vec<_> = read.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(told, ["A=1", "C=x # y", "D=q=r", "E=plain", "F=", "G=a#b"]);
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_or_refused(text in "[${}A-Za-z\\\\ ]{0,20}") {
            let _ = expanded(&text, |_| None);
            let _ = environment(&text);
        }
    }
}
