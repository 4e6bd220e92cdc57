//! Editing JSON5 in place: members and elements are put in or replaced, and all else, comments too, stays as it is.
//!
//! The text must be one that [`json5`] reads. What comes out is read again and compared with what was meant, so that a
//! text which the scanner misjudges is refused and never damaged.

use std::ops::Range;

use serde_json::Value;

/// A place in a document: the keys on the way to it; an element's is its number, of one that is there.
pub type Path<'a> = &'a [&'a str];

/// What is to be done to a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The member at the end of the path has this value; objects on the way are made.
    Set(Vec<String>, Value),
    /// The array there, which is made if need be, ends with this element.
    Append(Vec<String>, Value),
}

impl Change {
    /// [`Change::Set`]
    pub fn set(path: Path, value: impl Into<Value>) -> Change {
        Change::Set(path.iter().map(ToString::to_string).collect(), value.into())
    }

    /// [`Change::Append`]
    pub fn append(path: Path, value: impl Into<Value>) -> Change {
        Change::Append(path.iter().map(ToString::to_string).collect(), value.into())
    }
}

/// The text with the changes made.
///
/// # Errors
/// A sentence: it is no JSON5, or nothing that can be edited with certainty.
pub fn edit(text: &str, changes: &[Change]) -> Result<String, String> {
    let mut meant: Value = read(text)?;
    let mut out = text.to_owned();
    for change in changes {
        apply(&mut meant, change)?;
        out = one(&out, change).ok_or("its form is not understood well enough to edit it")?;
    }
    match read(&out) {
        Ok(made) if made == meant => Ok(out),
        _ => Err("its form is not understood well enough to edit it".to_owned()),
    }
}

/// What the text says.
///
/// # Errors
/// Where it is no JSON5.
pub fn read(text: &str) -> Result<Value, String> {
    // A document without anything in it says nothing, which is not an error to OpenClaw's users.
    json5::from_str(text).map_err(|error| format!("it is no JSON5: {error}"))
}

/// The same change, to the value.
fn apply(value: &mut Value, change: &Change) -> Result<(), String> {
    const OTHER: &str = "something else stands where an object or a list belongs";
    let (Change::Set(path, new) | Change::Append(path, new)) = change;
    let (last, way) = path.split_last().ok_or(OTHER)?;
    let mut at = value;
    for key in way {
        at = match at {
            Value::Array(list) => {
                key.parse::<usize>().ok().and_then(|number| list.get_mut(number)).ok_or(OTHER)?
            }
            Value::Object(members) => members.entry(key).or_insert_with(|| Value::Object(Default::default())),
            _ => return Err(OTHER.to_owned()),
        };
    }
    let object = at.as_object_mut().ok_or(OTHER)?;
    match change {
        Change::Set(..) => drop(object.insert(last.clone(), new.clone())),
        Change::Append(..) => {
            let list = object.entry(last).or_insert_with(|| Value::Array(vec![]));
            list.as_array_mut().ok_or(OTHER)?.push(new.clone());
        }
    }
    Ok(())
}

/// The same change, to the text; `None` if the scanner loses its way.
fn one(text: &str, change: &Change) -> Option<String> {
    let (Change::Set(path, new) | Change::Append(path, new)) = change;
    let quotes = Scan { text, at: 0 }
        .container()?
        .items
        .first()
        .is_none_or(|item| text[item.start..].starts_with('"'));
    let style = Style { quotes, newline: if text.contains("\r\n") { "\r\n" } else { "\n" } };
    let mut holder = Scan { text, at: 0 }.container()?;
    for (depth, key) in path.iter().enumerate() {
        let rest = &path[depth + 1..];
        let named = holder.items.iter().rposition(|item| item.key.as_deref() == Some(key));
        let is_list = holder.items.first().is_some_and(|item| item.key.is_none());
        let place = if is_list { key.parse().ok() } else { named };
        let Some(item) = place.and_then(|place: usize| holder.items.get(place)) else {
            let inner = match change {
                Change::Set(..) => new.clone(),
                Change::Append(..) => Value::Array(vec![new.clone()]),
            };
            let value = rest
                .iter()
                .rev()
                .fold(inner, |inner, key| Value::Object([(key.clone(), inner)].into_iter().collect()));
            return Some(style.put(text, &holder, Some(key), &value));
        };
        match (rest.is_empty(), change) {
            (true, Change::Set(..)) => {
                let printed = style.value(new, &indent_of(text, item.start));
                return Some(format!("{}{printed}{}", &text[..item.value.start], &text[item.value.end..]));
            }
            (true, Change::Append(..)) => {
                let list = Scan { text, at: item.value.start }.container()?;
                return Some(style.put(text, &list, None, new));
            }
            (false, _) => holder = Scan { text, at: item.value.start }.container()?,
        }
    }
    None
}

/// An object or a list in the text.
struct Container {
    /// Just after its bracket.
    open: usize,
    items: Vec<Item>,
    /// At its closing bracket.
    close: usize,
}

struct Item {
    /// Of an object's member; lists have none.
    key: Option<String>,
    start: usize,
    value: Range<usize>,
    /// A comma follows.
    comma: bool,
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Past white space and comments.
    fn space(&mut self) -> Option<()> {
        loop {
            let rest = self.text.get(self.at..)?;
            if rest.starts_with("//") {
                self.at += rest.find(['\n', '\r', '\u{2028}', '\u{2029}']).unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.at += rest.find("*/")? + 2;
            } else if rest.starts_with(|c: char| c.is_whitespace() || c == '\u{feff}') {
                self.next();
            } else {
                return Some(());
            }
        }
    }

    fn container(mut self) -> Option<Container> {
        self.space()?;
        let close = match self.next()? {
            '{' => '}',
            '[' => ']',
            _ => return None,
        };
        let (open, mut items) = (self.at, vec![]);
        loop {
            self.space()?;
            if self.peek()? == close {
                return Some(Container { open, items, close: self.at });
            }
            let start = self.at;
            let key = if close == '}' { Some(self.key()?) } else { None };
            self.space()?;
            let from = self.at;
            self.value()?;
            let value = from..self.at;
            self.space()?;
            let comma = self.peek()? == ',';
            if comma {
                self.next();
            }
            items.push(Item { key, start, value, comma });
        }
    }

    /// A key with its colon.
    fn key(&mut self) -> Option<String> {
        let start = self.at;
        match self.peek()? {
            '"' | '\'' => self.string()?,
            _ => {
                while self.peek()?.is_alphanumeric()
                    || matches!(self.peek()?, '$' | '_' | '\\' | '\u{200c}' | '\u{200d}')
                {
                    self.next();
                }
            }
        }
        let written = self.text.get(start..self.at)?.to_owned();
        self.space()?;
        (self.next()? == ':').then_some(())?;
        // Escapes are the parser's business.
        let document: Value = json5::from_str(&format!("{{{written}:0}}")).ok()?;
        document.as_object()?.keys().next().cloned()
    }

    fn string(&mut self) -> Option<()> {
        let quote = self.next()?;
        loop {
            match self.next()? {
                '\\' => drop(self.next()?),
                c if c == quote => return Some(()),
                _ => {}
            }
        }
    }

    fn value(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match self.peek()? {
                '"' | '\'' => self.string()?,
                '{' | '[' => {
                    depth += 1;
                    self.next();
                }
                '}' | ']' if depth == 0 => return Some(()),
                '}' | ']' => {
                    depth -= 1;
                    self.next();
                }
                ',' if depth == 0 => return Some(()),
                '/' => self.space()?,
                c if c.is_whitespace() && depth == 0 => return Some(()),
                _ => drop(self.next()),
            }
            if depth == 0 && self.text[..self.at].ends_with(['}', ']', '"', '\'']) {
                return Some(());
            }
        }
    }
}

/// How the text is written.
struct Style {
    quotes: bool,
    newline: &'static str,
}

impl Style {
    /// The text with one more item at the end of `holder`.
    fn put(&self, text: &str, holder: &Container, key: Option<&String>, value: &Value) -> String {
        let outer = indent_of(text, holder.open);
        let first = holder.items.first();
        let in_lines = first.is_none_or(|first| text[holder.open..first.start].contains('\n'));
        let indent = match first {
            Some(first) if in_lines => indent_of(text, first.start),
            _ => format!("{outer}  "),
        };
        let printed = self.value(value, &indent);
        let item = key.map_or(printed.clone(), |key| format!("{}: {printed}", self.key(key)));
        // What stands behind the last item, a comment say, stays with it.
        let (end, comma) = holder
            .items
            .last()
            .map_or((holder.open, ""), |last| (last.value.end, if last.comma { "" } else { "," }));
        let behind = text[end..holder.close].trim_end();
        let trailing = if holder.items.last().is_some_and(|last| last.comma) { "," } else { "" };
        let (before, after) = (&text[..end], &text[holder.close..]);
        let newline = self.newline;
        if in_lines || behind.contains("//") || printed.contains('\n') {
            format!("{before}{comma}{behind}{newline}{indent}{item}{trailing}{newline}{outer}{after}")
        } else {
            format!("{before}{comma}{behind} {item}{trailing}{after}")
        }
    }

    fn key(&self, key: &str) -> String {
        let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && key.starts_with(|c: char| c.is_ascii_alphabetic());
        if plain && !self.quotes { key.to_owned() } else { Value::from(key).to_string() }
    }

    fn value(&self, value: &Value, indent: &str) -> String {
        let inner = format!("{indent}  ");
        let (open, close, items): (_, _, Vec<String>) = match value {
            Value::Object(members) => {
                let member = |(key, value): (&String, &Value)| {
                    format!("{}: {}", self.key(key), self.value(value, &inner))
                };
                ('{', '}', members.iter().map(member).collect())
            }
            Value::Array(list) => ('[', ']', list.iter().map(|value| self.value(value, &inner)).collect()),
            plain => return plain.to_string(),
        };
        let newline = self.newline;
        let short = items.iter().map(String::len).sum::<usize>() < 60
            && !items.iter().any(|it| it.contains('\n'))
            && value.as_object().is_none_or(|members| members.values().all(Value::is_string));
        match (items.is_empty(), short && (open == '[' || items.len() == 1)) {
            (true, _) => format!("{open}{close}"),
            (_, true) if open == '[' => format!("[{}]", items.join(", ")),
            (_, true) => format!("{{ {} }}", items.join(", ")),
            _ => {
                let items = items.join(&format!(",{newline}{inner}"));
                format!("{open}{newline}{inner}{items}{newline}{indent}{close}")
            }
        }
    }
}

/// The white space at the beginning of the line that `at` is on.
fn indent_of(text: &str, at: usize) -> String {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[line..at].chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}

#[cfg(test)]
mod tests;
