//! What goes into an event of the Windows event log, as text.

/// The text as the event viewer will show it. The viewer takes `%` and a digit for a place to be filled in, also in what a
/// program says, and the `%%` and a digit of other formats for the number of a text of its own: the sign is written wide.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let fills =
            c == '%' && rest.peek().is_some_and(|next| next.is_ascii_digit() || matches!(next, '%' | '!'));
        out.push(if fills { '％' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_is_filled_in_by_the_viewer() {
        assert_eq!(text("50 % of C:\\%1\\a%20b, %%5, %TEMP%"), "50 % of C:\\％1\\a％20b, ％％5, %TEMP%");
    }
}
