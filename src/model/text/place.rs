//! Where in JSON a reader is, and whether an object may begin there.
//!
//! In `{"a":{"b":1}}` the second object may. In `{"a":"x{"b":` it stands in a string, where its quotes would be escaped,
//! and in `{"a":1,{"b":` where a key belongs: no JSON has it there, so the first line was cut off before it.

/// What has been read of a line, unit by unit.
#[derive(Default)]
pub(super) struct Place {
    in_string: bool,
    /// Behind a backslash in a string.
    escaped: bool,
    /// The brackets that are open.
    open: Vec<u8>,
    /// The last one outside of strings that is not blank.
    last: u8,
}

impl Place {
    /// Takes the next byte or UTF-16 unit; what is not ASCII may be any such unit.
    pub fn step(&mut self, unit: u16) {
        let unit = u8::try_from(unit).unwrap_or(u8::MAX);
        if self.in_string {
            self.in_string = self.escaped || unit != b'"';
            self.escaped = !self.escaped && unit == b'\\';
            return;
        }
        match unit {
            b' ' | b'\t' | b'\r' => return,
            b'"' => self.in_string = true,
            b'{' | b'[' => self.open.push(unit),
            b'}' | b']' => _ = self.open.pop(),
            _ => {}
        }
        self.last = unit;
    }

    /// Whether no JSON has an object here. Text that is no message may have one, and so may a line of several.
    pub fn bars_object(&self) -> bool {
        let innermost = self.open.last();
        let value_may_follow = match self.last {
            b':' | b'[' | b'}' | b']' => true,
            b',' => innermost == Some(&b'['),
            _ => false,
        };
        self.in_string || innermost.is_some() && !value_may_follow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(text: &str) -> bool {
        let mut place = Place::default();
        text.encode_utf16().for_each(|unit| place.step(unit));
        place.bars_object()
    }

    #[test]
    fn an_object_may_be_a_value_or_the_next_one_in_a_line() {
        for text in [
            "",
            "{\"a\": ",
            "[",
            "[{\"a\":1}, ",
            "{\"a\":[1,",
            "{\"a\":\"\\\"\"}",
            "words ",
            "{\"a\":{\"b\":[",
        ] {
            assert!(!bars(text), "{text}");
        }
    }

    #[test]
    fn it_may_not_be_a_key_or_a_part_of_a_string() {
        for text in [
            "{",
            "{\"a",
            "{\"a\"",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":\"你\\",
            "{\"a\":\"\\\"",
            "[[1],{\"a\":2,",
        ] {
            assert!(bars(text), "{text}");
        }
    }
}
