//! JSON against the schemas that the repository publishes.

use crate::program::{ROOT, err, run};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A published schema; as strict as what we write, where the published one leaves room for later members.
pub(crate) fn schema(name: &str) -> jsonschema::Validator {
    fn closed(schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                if members.contains_key("properties") {
                    members.insert("additionalProperties".to_owned(), Value::Bool(false));
                }
                members.values_mut().for_each(closed);
            }
            Value::Array(elements) => elements.iter_mut().for_each(closed),
            _ => {}
        }
    }
    let path = Path::new(ROOT).join("docs/schemas").join(name);
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    closed(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

/// The JSON that a command writes, which must be as published.
pub(crate) fn as_published(name: &str, arguments: &[&str]) -> Value {
    let output = run(arguments);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", err(&output)));
    let wrong: Vec<_> = schema(name)
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{arguments:?}: {}", wrong.join("\n"));
    report
}
