//! Changing single tables of a config that somebody wrote; all else, comments too, stays as it is.

use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

use super::{HOOKS, MAPPING, OpenClawConfig};
use crate::model::name::Name;

/// How the table begins.
const HEAD: &str = "[wake.openclaw]\n";

/// The text with `[wake.openclaw]` saying what is given, in the place of every other way to wake; what that table says
/// besides stays.
///
/// # Errors
/// Why it can't be done.
pub fn with_openclaw(text: &str, given: &OpenClawConfig, url: &str) -> Result<String, String> {
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let wake = document.entry("wake").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let wake = wake.as_table_mut().ok_or("`wake` is no table of its own; write it as `[wake]`")?;
    wake.remove("webhook");
    if let Some(command) = wake.get_mut("command") {
        *command = value(toml_edit::Array::new());
    }
    let is_new = !wake.contains_key("openclaw");
    let before = document.to_string();
    let wake = document["wake"].as_table_mut().ok_or("`wake` is no table")?;
    let table = wake.entry("openclaw").or_insert_with(|| Item::Table(Table::new()));
    let table = table
        .as_table_mut()
        .ok_or("`wake.openclaw` is no table of its own; write it as `[wake.openclaw]`")?;
    let mut put = |key: &str, text: Option<&str>| match text {
        Some(text) => table[key] = value(text),
        None => drop(table.remove(key)),
    };
    put("url", Some(url));
    put("token", given.token.as_ref().map(ToString::to_string).as_deref());
    put("hooks", Some(given.hooks.as_str()).filter(|hooks| *hooks != HOOKS));
    put("path", Some(given.path.as_str()).filter(|path| *path != MAPPING));
    put("agent", given.agent.as_deref());
    if !given.agents.is_empty() {
        let agents = table.entry("agents").or_insert_with(|| value(InlineTable::new()));
        let agents = agents.as_table_like_mut().ok_or("`wake.openclaw.agents` is no table")?;
        for (our, id) in &given.agents {
            let fold = |name: &str| Name::parse(name).map(|name| name.fold()).ok();
            let is_ours = |key: &str| fold(key).is_some_and(|name| Some(name) == fold(our));
            let key = agents.iter().map(|(key, _)| key.to_owned()).find(|key| is_ours(key));
            let key = key.unwrap_or_else(|| our.clone());
            if agents.get(&key).and_then(Item::as_str) != Some(id) {
                agents.insert(&key, value(id.as_str()));
            }
        }
    }
    let made = document.to_string();
    Ok(if is_new { below_comments(&before, &made).unwrap_or(made) } else { made })
}

/// `made` is `before` with a new table in it, which stands above the comments at the end of the table before it: among
/// them keys that somebody may uncomment. Here it stands below them, and above those of the table that follows.
fn below_comments(before: &str, made: &str) -> Option<String> {
    let head = match made.starts_with(HEAD) {
        true => 0,
        false => made.find(&format!("\n{HEAD}"))?,
    };
    let above = before.get(..head).filter(|above| made.starts_with(above))?;
    let (table, below) = made.get(head..)?.split_at_checked(made.len().checked_sub(before.len())?)?;
    let (mut at, mut end) = (0, 0);
    for line in below.split_inclusive('\n') {
        let Some(comment) = line.trim().strip_prefix('#').or(line.trim().is_empty().then_some("")) else {
            break;
        };
        at += line.len();
        // What stands right above the next table, and is no key, is about that one.
        if comment.is_empty() || comment.contains(" = ") {
            end = at;
        }
    }
    let (ours, rest) = below.split_at(if at == below.len() { at } else { end });
    let ours = match ours.trim_end() {
        "" => String::new(),
        ours => format!("{ours}\n"),
    };
    let gap = if rest.is_empty() { "" } else { "\n" };
    let moved = format!("{above}{ours}{table}{gap}{rest}").trim_start_matches('\n').to_owned();
    Some(moved).filter(|moved| is_same(moved, made))
}

/// Whether two texts say the same.
fn is_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| text.parse::<toml::Table>().ok());
    one.is_some() && one == other
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{ShareConfig, parse, template};
    use super::*;
    use crate::model::secret::SecretRef;

    #[test]
    fn comments_stay_and_the_former_way_goes() {
        let text = "# mine\r\ninstance = 'lab' # me\nstate = 's'\nshare.path = 'x'\n[wake] # how\ncommand = ['x']\nbatch = 7\n\
                    [wake.openclaw]\ntimeout = '9s' # long\nagent = 'old'\n[look]\nidle = '3s'\n";
        let mut given = OpenClawConfig { agent: Some("main".into()), ..OpenClawConfig::default() };
        given.token = Some(SecretRef::File(r"C:\state\it's".into()));
        given.agents.insert("助手".into(), "ops".into());
        let made = with_openclaw(text, &given, "http://127.0.0.1:18789").unwrap();
        for word in ["# mine", "# me", "[wake] # how", "batch = 7", "timeout = '9s' # long", "idle = '3s'"] {
            assert!(made.contains(word), "{word} in {made}");
        }
        let wake = parse(&made, Path::new("/x/config.toml")).unwrap().wake;
        let openclaw = wake.openclaw.unwrap();
        assert!(wake.command.is_empty() && openclaw.agent.as_deref() == Some("main"));
        assert_eq!(openclaw.agents, given.agents);
        assert_eq!(with_openclaw(&made, &given, "http://127.0.0.1:18789").unwrap(), made);
    }

    #[test]
    fn commented_keys_stay_keys_of_their_table() {
        let name = Name::parse("lab").unwrap();
        let text = template(&name, &[], Path::new("s"), &ShareConfig::at("x"), &[]).unwrap();
        let made = with_openclaw(&text, &OpenClawConfig::default(), "http://127.0.0.1:1").unwrap();
        let read = |text: &str| {
            let mut table: toml::Table = text.parse().unwrap();
            table["wake"].as_table_mut().unwrap().remove("openclaw");
            table
        };
        let keys: Vec<&str> =
            text.lines().filter(|line| line.starts_with("# ") && line.contains(" = ")).collect();
        assert!(keys.len() > 40, "{text}");
        for key in keys {
            let mended = |text: &str| read(&text.replace(key, &key[2..]));
            assert_eq!(mended(&made), mended(&text), "{key}");
        }
        assert!(made.contains("\n\n[wake.openclaw]\nurl") && made.contains("\n\n[limits]\n"), "{made}");
    }

    #[test]
    fn comments_of_the_next_table_stay_above_it() {
        for (text, made) in [
            (
                "[wake]\n# budget = 60\n\n# mine\n[look]\n",
                "[wake]\n# budget = 60\n\n[wake.openclaw]\nurl = \"u\"\n\n# mine\n[look]\n",
            ),
            (
                "[wake]\nbatch = 7\n# mine\n[look]\n",
                "[wake]\nbatch = 7\n\n[wake.openclaw]\nurl = \"u\"\n\n# mine\n[look]\n",
            ),
            ("[wake]\n# end", "[wake]\n# end\n\n[wake.openclaw]\nurl = \"u\"\n"),
        ] {
            assert_eq!(with_openclaw(text, &OpenClawConfig::default(), "u").unwrap(), made);
        }
    }

    #[test]
    fn agents_that_somebody_named_stay_as_they_are_written() {
        for agents in
            ["agents = { Scout = 'ops' } # mine\n", "[wake.openclaw.agents] # mine\nScout = 'ops' # his\n"]
        {
            let text = format!(
                "instance = 'lab'\nstate = 's'\nshare.path = 'x'\n[wake.openclaw]\nurl = 'http://x'\n{agents}"
            );
            let config = parse(&text, Path::new("/x/config.toml")).unwrap();
            let mut given = config.wake.openclaw.unwrap();
            let made = with_openclaw(&text, &given, "http://x").unwrap();
            assert!(made.contains(agents), "{made}");
            given.agents.insert("clerk".into(), "main".into());
            let made = with_openclaw(&text, &given, "http://x").unwrap();
            let read = parse(&made, Path::new("/x/config.toml")).unwrap().wake.openclaw.unwrap();
            assert!(made.contains("# mine") && read.agents == given.agents, "{made}");
        }
    }

    #[test]
    fn a_config_without_the_table_gets_it() {
        for text in ["instance = 'lab'\n", "", "[wake]\n", "wake.batch = 7\n"] {
            let given = OpenClawConfig::default();
            let made = with_openclaw(text, &given, "http://127.0.0.1:1").unwrap();
            assert!(made.contains("[wake.openclaw]\nurl = \"http://127.0.0.1:1\""), "{made}");
        }
        assert!(with_openclaw("wake = { batch = 7 }\n", &OpenClawConfig::default(), "x").is_err());
    }
}
