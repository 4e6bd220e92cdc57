//! What a tool takes, as a JSON schema: short, and plain enough for every client.
//!
//! What need not be given is left out of `required` and is not also allowed to be `null`, which some clients refuse; formats
//! of numbers, titles and references are left out.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema of `A`.
pub fn of<A: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = Value::from(settings.into_generator().into_root_schema_for::<A>());
    plain(&mut schema);
    let Value::Object(mut schema) = schema else { return JsonObject::new() };
    schema.remove("description");
    schema.entry("properties").or_insert_with(|| JsonObject::new().into());
    schema
}

fn plain(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(plain),
        Value::Object(map) => {
            for key in ["format", "default"] {
                // A property may be called so.
                if !map.get(key).is_some_and(Value::is_object) {
                    map.remove(key);
                }
            }
            if map.get("title").is_some_and(Value::is_string) {
                map.remove("title");
            }
            if let Some(Value::Array(kinds)) = map.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [one] = &kinds[..] {
                    let one = one.clone();
                    map.insert("type".into(), one);
                }
            }
            if let Some(Value::Array(words)) = map.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            if let Some(Value::Array(mut either)) = map.remove("anyOf") {
                either.retain(|one| one["type"] != "null");
                match <[Value; 1]>::try_from(either) {
                    Ok([Value::Object(only)]) => {
                        for (key, value) in only {
                            map.entry(key).or_insert(value);
                        }
                    }
                    Ok([other]) => drop(map.insert("anyOf".into(), vec![other].into())),
                    Err(either) => drop(map.insert("anyOf".into(), either.into())),
                }
            }
            map.values_mut().for_each(plain);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    #[allow(dead_code, reason = "its schema alone is looked at")]
    enum Which {
        One,
        Two,
    }

    /// Not shown.
    #[derive(JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "its schema alone is looked at")]
    struct Given {
        /// Whom
        to: String,
        which: Option<Which>,
        #[serde(default)]
        title: Option<String>,
        limit: Option<u32>,
        #[serde(default)]
        flag: bool,
    }

    #[test]
    fn a_schema_says_what_is_needed_and_no_more() {
        let schema = Value::from(of::<Given>());
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": {
                    "to": {"type": "string", "description": "Whom"},
                    "which": {"type": "string", "enum": ["one", "two"]},
                    "title": {"type": "string"},
                    "limit": {"type": "integer", "minimum": 0},
                    "flag": {"type": "boolean"},
                },
                "required": ["to"],
                "additionalProperties": false,
            })
        );
    }
}
