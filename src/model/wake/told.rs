//! Mail in our own words, for texts that agents take for ours: who wrote, how sure that is, and what to call each letter.
//!
//! Invariants: of the words of others there are only names, in quotes, and few of them: whoever has a key
//! has chosen its name. An id
//! that its writer chose is none of ours: the caller gives what the letter is called here
//! ([`handle`](crate::model::id::MessageId::handle)).

use super::{UNKNOWN, sender_of};
use crate::model::name::Address;

/// Senders that are named.
const NAMED: usize = 3;
/// Letters that are named.
const LISTED: usize = 20;

/// A letter.
#[derive(Clone, Debug)]
pub struct Mark<'a> {
    /// What it is called here.
    pub id: String,
    /// Who wrote it, as it says.
    pub from: &'a str,
    /// Whether that is sure.
    pub verified: bool,
}

/// Whether it is sure who wrote each of them.
pub fn is_verified(marks: &[Mark]) -> bool {
    !marks.is_empty() && marks.iter().all(|mark| mark.verified)
}

/// Who wrote, each once, those who are sure first.
pub fn senders(marks: &[Mark]) -> String {
    let mut senders: Vec<_> = marks.iter().map(|mark| (!mark.verified, sender_of(mark.from), mark)).collect();
    senders.sort_by(|(unsure, who, _), (unsure_too, who_too, _)| (unsure, who).cmp(&(unsure_too, who_too)));
    // One sender may be written in several ways.
    senders.dedup_by(|(unsure, who, _), (unsure_too, who_too, _)| (unsure, who) == (unsure_too, who_too));
    let more = senders.len().saturating_sub(NAMED);
    let named = senders.iter().take(NAMED).map(|(_, _, mark)| sender(mark.from, mark.verified));
    let named = named.collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

fn sender(from: &str, verified: bool) -> String {
    if verified { format!("{} (verified)", quoted(from)) } else { format!("{} (unverified)", claimed(from)) }
}

/// A sender for whom nobody vouches.
pub fn claimed(from: &str) -> String {
    match quoted(from).as_str() {
        UNKNOWN => UNKNOWN.to_owned(),
        name => format!("somebody who calls itself {name}"),
    }
}

/// A sender's name in quotes, so that it reads as nothing else.
pub fn quoted(from: &str) -> String {
    from.parse::<Address>().map_or(UNKNOWN.to_owned(), |from| format!("\"{from}\""))
}

/// A sender's name; what is no name could say anything.
pub fn name(from: &str) -> String {
    from.parse::<Address>().map_or(UNKNOWN.to_owned(), |from| from.to_string())
}

/// What the letters are called, those whose writers are sure first; the rest is counted.
pub fn ids(marks: &[Mark]) -> String {
    let (sure, unsure): (Vec<&Mark>, Vec<&Mark>) = marks.iter().partition(|mark| mark.verified);
    let list = |marks: &[&Mark]| marks.iter().map(|mark| mark.id.as_str()).collect::<Vec<_>>().join(" ");
    let shown = &sure[..sure.len().min(LISTED)];
    let left = &unsure[..unsure.len().min(LISTED - shown.len())];
    let mut text = list(shown);
    if !left.is_empty() {
        text += if shown.is_empty() { "" } else { "; unverified: " };
        text += &list(left);
    }
    match marks.len() - shown.len() - left.len() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(id: &str, from: &'static str, verified: bool) -> Mark<'static> {
        Mark { id: id.into(), from, verified }
    }

    #[test]
    fn it_says_who_wrote_and_how_sure_that_is() {
        let sure = [mark("1", "office/main", true), mark("2", "Office/Main", true)];
        assert_eq!((senders(&sure).as_str(), ids(&sure).as_str()), ("\"office/main\" (verified)", "1 2"));
        let unsure = [mark("n7", "OWNER/main", false), mark("n8", "do this. And that", false)];
        assert_eq!(
            senders(&unsure),
            "somebody who calls itself \"OWNER/main\" (unverified), unknown (unverified)"
        );
        assert_eq!(ids(&unsure), "n7 n8");
        assert!(is_verified(&sure) && !is_verified(&unsure) && !is_verified(&[]));
        let both = [mark("n7", "lab", false), mark("1", "lab", true)];
        assert_eq!(ids(&both), "1; unverified: n7");
        assert_eq!(senders(&both), "\"lab\" (verified), somebody who calls itself \"lab\" (unverified)");
    }

    #[test]
    fn few_are_named_and_the_rest_is_counted() {
        let many: Vec<_> = (0..30).map(|n| mark(&format!("n{n}"), "a", n < 5)).collect();
        let text = ids(&many);
        assert!(
            text.starts_with("n0 n1 n2 n3 n4; unverified: n5 ") && text.ends_with("n19 and 10 more"),
            "{text}"
        );
        let crowd: Vec<_> = ["a", "b", "c", "d", "e"].map(|from| mark("x", from, true)).into();
        assert_eq!(senders(&crowd), "\"a\" (verified), \"b\" (verified), \"c\" (verified) and 2 more");
    }

    proptest! {
        #[test]
        fn nobody_says_anything_in_a_name(
            from in prop_oneof!["(?s).{0,100}", "[a-z][a-z.-]{0,30}(/[a-z][a-z.-]{0,30})?"], verified: bool,
        ) {
            let marks = [Mark { id: "n1".into(), from: &from, verified }];
            let text = senders(&marks);
            let parts: Vec<&str> = text.split('"').collect();
            let ours = match (&parts[..], verified) {
                (["unknown (verified)"], true) | (["unknown (unverified)"], false) => true,
                (["", name, " (verified)"], true) => !name.contains(char::is_whitespace),
                (["somebody who calls itself ", name, " (unverified)"], false) => !name.contains(char::is_whitespace),
                _ => false,
            };
            prop_assert!(ours, "{}", text);
        }
    }
}
