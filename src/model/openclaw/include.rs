//! A config that is spread over several files: `{"$include": "other.json5"}`, or a list of them, anywhere in it.
//!
//! What stands beside the `$include` counts before what is included; of several files the later. Objects are merged,
//! all else is replaced, lists are joined.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// How deep files may include others, as OpenClaw has it.
const DEEPEST: usize = 10;

/// The document with all that it includes. `read` gives a file's value; what could not be followed is told to `lost`.
pub fn resolved(
    value: Value,
    file: &Path,
    read: &dyn Fn(&Path) -> Result<Value, String>,
    lost: &mut Vec<String>,
) -> Value {
    follow(value, file, read, lost, 0)
}

fn follow(
    value: Value,
    file: &Path,
    read: &dyn Fn(&Path) -> Result<Value, String>,
    lost: &mut Vec<String>,
    depth: usize,
) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(|value| follow(value, file, read, lost, depth)).collect(),
        Value::Object(mut members) => {
            let names = members.remove("$include");
            let own = members.into_iter().map(|(key, value)| (key, follow(value, file, read, lost, depth)));
            let own = Value::Object(own.collect());
            let Some(names) = names else { return own };
            let names = match names {
                Value::Array(names) => names,
                name => vec![name],
            };
            let mut all = None;
            for name in names {
                let path = name.as_str().map(|name| beside(file, name));
                let included = match path {
                    Some(_) if depth >= DEEPEST => Err("files include each other too deeply".to_owned()),
                    Some(path) => read(&path)
                        .map(|value| follow(value, &path, read, lost, depth + 1))
                        .map_err(|why| format!("{}: {why}", path.display())),
                    None => Err(format!("{name} is no file's name")),
                };
                match included {
                    Ok(included) => match &mut all {
                        Some(all) => merge(all, included),
                        None => all = Some(included),
                    },
                    Err(why) => lost.push(format!("what $include names is not known: {why}")),
                }
            }
            let Some(mut all) = all else { return own };
            if own.as_object().is_some_and(|own| !own.is_empty()) {
                merge(&mut all, own);
            }
            all
        }
        plain => plain,
    }
}

fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(there) => merge(there, value),
                    None => drop(into.insert(key, value)),
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_stands_beside_counts_before_what_is_included() {
        let read = |path: &Path| match path.file_name().unwrap().to_str().unwrap() {
            "a.json5" => Ok(json!({ "hooks": { "token": "a", "mappings": [1] }, "gateway": { "port": 1 } })),
            "b.json5" => Ok(json!({ "gateway": { "port": 2, "bind": { "$include": "sub.json5" } } })),
            "sub.json5" => Ok(json!("lan")),
            _ => Err("there is no such file".to_owned()),
        };
        let mut lost = vec![];
        let value = json!({ "$include": ["a.json5", "b.json5", "c.json5"], "hooks": { "token": "own", "mappings": [2] } });
        let value = resolved(value, Path::new("/x/openclaw.json"), &read, &mut lost);
        assert_eq!(value["hooks"], json!({ "token": "own", "mappings": [1, 2] }));
        assert_eq!(value["gateway"], json!({ "port": 2, "bind": "lan" }));
        assert!(lost.len() == 1 && lost[0].contains("c.json5"), "{lost:?}");
    }

    #[test]
    fn files_that_include_each_other_come_to_an_end() {
        let read = |_: &Path| Ok(json!({ "$include": "x" }));
        let mut lost = vec![];
        assert_eq!(resolved(json!({ "$include": "x" }), Path::new("x"), &read, &mut lost), json!({}));
        assert!(lost[0].contains("too deeply"), "{lost:?}");
        let mut lost = vec![];
        resolved(json!({ "$include": 7 }), Path::new("x"), &read, &mut lost);
        assert!(lost[0].contains("no file's name"), "{lost:?}");
    }
}
