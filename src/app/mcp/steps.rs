//! Next steps for whoever has the tools alone: errors and notes name commands and their flags, and here is what stands for them.
//!
//! The words of the engine stay as they are, so that a person and an agent read the same; the tools are named behind them.

/// What a text may name, and what does the same. Of those that begin alike the longer one comes first.
const STEPS: [(&str, &str); 24] = [
    ("`lanpost inbox --all`", r#"`inbox` with {"all": true}"#),
    ("`lanpost inbox`", "`inbox`"),
    ("`lanpost peers`", "`peers`"),
    ("`lanpost trace ", r#"`trace` with {"id": …}"#),
    ("`lanpost reply`", "`reply`"),
    ("`lanpost reply ", "`reply`"),
    ("`lanpost progress", r#"`reply` with {"progress": true}"#),
    ("`lanpost ask --wait ", r#"`ask` with {"again": ID}"#),
    ("`lanpost task list --all`", r#"`tasks` with {"which": "all"}"#),
    ("`lanpost task list`", "`tasks`"),
    ("`lanpost task show", r#"`tasks` with {"id": …}"#),
    ("`lanpost task claim", r#"`task` with {"action": "claim", "id": …}"#),
    ("`lanpost task reopen", r#"`task` with {"action": "reopen", "id": …}"#),
    ("--peek`", r#"`read` with {"peek": true}"#),
    ("`lanpost read ", r#"`read` with {"id": …}"#),
    ("--failed REASON`", r#"`ack` with {"failed": REASON}"#),
    ("`lanpost ack ", "`ack`"),
    ("--create", r#""create": true"#),
    ("--timeout", r#""timeout""#),
    ("--limit", r#""limit""#),
    ("leave out --ack", r#"leave out "ack""#),
    ("leave out --any", r#"leave out "any""#),
    ("leave out --id", r#"leave out "id""#),
    ("--seal", r#""seal""#),
];

/// The text, and behind it the tools that do what it names, if there are any.
pub fn with_tools(text: &str) -> String {
    let (mut left, mut tools) = (text.to_owned(), Vec::<&str>::new());
    for (named, tool) in STEPS {
        if left.contains(named) {
            // What it has named is not taken for the shorter one, too.
            left = left.replace(named, "");
            if !tools.contains(&tool) {
                tools.push(tool);
            }
        }
    }
    match tools.is_empty() {
        true => text.to_owned(),
        false => format!("{text} [by tool: {}]", tools.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_followed_by_the_tool_that_does_the_same() {
        for (text, tools) in [
            ("`lanpost inbox --all` lists the ids", r#" [by tool: `inbox` with {"all": true}]"#),
            (
                "`lanpost peers` lists who is there; --create addresses one that has not joined yet",
                r#" [by tool: `peers`; "create": true]"#,
            ),
            ("it goes on by itself: `lanpost trace n1`", r#" [by tool: `trace` with {"id": …}]"#),
            ("`lanpost task show abc` tells more", r#" [by tool: `tasks` with {"id": …}]"#),
            ("run `lanpost init` first", ""),
            ("the share is away", ""),
        ] {
            assert_eq!(with_tools(text), format!("{text}{tools}"));
        }
    }
}
