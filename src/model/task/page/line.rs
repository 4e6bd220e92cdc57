//! One line of the page: a box, words, and perhaps a mark.

use std::borrow::Cow;

use super::{Board, Task, TaskId, note, shown};

/// How a mark begins and ends.
const MARK: (&str, &str) = ("<!-- t:", "-->");
/// How a note does.
const NOTE: (&str, &str) = (" *(", ")*");
/// The ways to tick a box.
const TICKS: [&str; 5] = ["x", "X", "✓", "✔", "√"];

/// What a mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The task's id, in full: a part of it may be another's by tomorrow.
    pub(super) id: TaskId,
    /// Which of the task's turns (ends and beginnings) had been the last when the line was written.
    pub(super) turned: u64,
    /// The hash of box and title.
    said: String,
    /// The hash of the note.
    noted: String,
}

/// A line with a box.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    /// What stands before the box: blanks and the bullet.
    before: &'a str,
    /// Whether the box is ticked.
    pub(super) ticked: bool,
    /// What stands behind it, without mark.
    pub(super) text: Cow<'a, str>,
    /// The mark.
    pub(super) mark: Option<Mark>,
}

/// All lines of a text with their endings, and what has a box in them. What stands in a fence of code has none.
pub(super) fn items(text: &str) -> Vec<(&str, Option<Item<'_>>)> {
    let mut fence = Fence::default();
    text.split_inclusive('\n')
        .map(|line| (line, if fence.holds(line) { None } else { Item::parse(line) }))
        .collect()
}

/// Behind which line something can be added that is to be seen: behind the last, unless a fence was left open.
pub(super) fn end_of(text: &str) -> usize {
    let mut fence = Fence::default();
    let (mut lines, mut opened) = (0, 0);
    for line in text.split_inclusive('\n') {
        let before = fence.0.is_some();
        fence.holds(line);
        if !before {
            opened = lines;
        }
        lines += 1;
    }
    if fence.0.is_some() { opened } else { lines }
}

/// Whether we are among lines of code.
#[derive(Default)]
struct Fence(Option<&'static str>);

impl Fence {
    /// Whether a line is one of code, or the beginning or end of some.
    fn holds(&mut self, line: &str) -> bool {
        let begins = ["```", "~~~"].into_iter().find(|mark| line.trim().starts_with(mark));
        match (self.0, begins) {
            (None, Some(mark)) => self.0 = Some(mark),
            (Some(open), Some(mark)) if open == mark => self.0 = None,
            (open, _) => return open.is_some(),
        }
        true
    }
}

impl<'a> Item<'a> {
    /// A line that is yet to be written.
    pub(super) const FRESH: Item<'static> =
        Item { before: "- ", ticked: false, text: Cow::Borrowed(""), mark: None };

    fn parse(line: &'a str) -> Option<Item<'a>> {
        let words = line.trim_start();
        let rest = words.strip_prefix(['-', '*', '+'])?.strip_prefix([' ', '\t'])?.trim_start();
        let before = &line[..line.len() - rest.len()];
        let (inside, rest) = rest.strip_prefix('[')?.split_once(']')?;
        let ticked = TICKS.contains(&inside.trim());
        if !ticked && !inside.trim().is_empty() {
            return None;
        }
        // A link is no box.
        let rest =
            rest.strip_prefix([' ', '\t']).or_else(|| Some(rest).filter(|rest| rest.trim().is_empty()))?;
        let (text, mark) = split_mark(rest.trim());
        Some(Item { before, ticked, text, mark })
    }

    /// The title, without the note that lanpost wrote behind it.
    pub(super) fn title(&self) -> &str {
        self.mark.as_ref().map_or(&self.text, |mark| without_note(&self.text, mark))
    }

    /// Whether it stands as lanpost wrote it.
    pub(super) fn is_intact(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| {
            let title = self.title();
            mark.said == said(self.ticked, title) && mark.noted == hash(&self.text[title.len()..])
        })
    }

    /// Whether nothing but the box is otherwise than lanpost wrote it.
    pub(super) fn is_toggled(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.said == said(!self.ticked, self.title()))
    }

    /// Whether it says nothing that the task of its mark does not say already.
    pub(super) fn is_copy(&self, board: &Board) -> bool {
        let task = self.mark.as_ref().and_then(|mark| board.get(&mark.id));
        task.is_some_and(|task| self.title() == shown(&task.title) || self.is_intact())
    }

    /// The same as a line of its own, which bears no mark.
    pub(super) fn unmarked(self) -> Item<'a> {
        Item { text: Cow::Owned(self.title().to_owned()), mark: None, ..self }
    }

    /// The line of a task in its place, with the ending of the line that it had.
    pub(super) fn written(&self, task: &Task, board: &Board, line: &str) -> String {
        let (title, note) = (shown(&task.title), note(task, board));
        let note = if note.is_empty() { note } else { format!("{}{note}{}", NOTE.0, NOTE.1) };
        let ticked = matches!(board.standing(task), super::Standing::Done | super::Standing::Cancelled);
        let (tick, before, id) = (if ticked { "x" } else { " " }, self.before, &task.id);
        let hashes = format!("{} {} {}", task.turned, said(ticked, &title), hash(&note));
        let ending = &line[line.trim_end_matches(['\r', '\n']).len()..];
        format!("{before}[{tick}] {title}{note} {}{id} {hashes} {}{ending}", MARK.0, MARK.1)
    }
}

/// A text and the mark that stands in it. What a person wrote behind the mark belongs to the text, and what is left of a mark
/// that was cut short does not.
fn split_mark(text: &str) -> (Cow<'_, str>, Option<Mark>) {
    let Some((before, rest)) = text.rsplit_once(MARK.0) else { return (text.into(), None) };
    let before = before.trim_end();
    let Some((mark, behind)) =
        rest.split_once(MARK.1).and_then(|(inside, behind)| Some((mark(inside)?, behind.trim())))
    else {
        let is_rest = rest.bytes().all(|byte| byte.is_ascii_hexdigit() || b" ->".contains(&byte));
        return (if is_rest { before } else { text }.into(), None);
    };
    match behind.is_empty() {
        true => (before.into(), Some(mark)),
        false => (format!("{} {behind}", without_note(before, &mark)).into(), Some(mark)),
    }
}

fn mark(inside: &str) -> Option<Mark> {
    let mut words = inside.split_whitespace();
    let (id, turned, said, noted) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let whole = words.next().is_none() && hex(said) && hex(noted);
    let (id, turned) = (id.parse().ok().filter(|_| whole)?, turned.parse().ok()?);
    Some(Mark { id, turned, said: said.to_owned(), noted: noted.to_owned() })
}

/// A text without the note that lanpost wrote behind it, which is known by its hash: a person may write such a thing, too.
fn without_note<'a>(text: &'a str, mark: &Mark) -> &'a str {
    let mut at = text.len();
    while let Some(found) = text[..at].rfind(NOTE.0) {
        if hash(&text[found..]) == mark.noted {
            return text[..found].trim_end();
        }
        at = found;
    }
    text
}

fn said(ticked: bool, title: &str) -> String {
    hash(&format!("{} {title}", if ticked { "x" } else { "-" }))
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().as_str()[..6].to_owned()
}
