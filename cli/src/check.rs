//! Validates a request against the registry's record of the endpoint, before it is sent.

use micro::{registry::Value as Schema, suggest};
use serde_json::Value;

use crate::lookup::hint;

/// Errors and warnings of a request; each names a field and the expected type.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Mismatches that the server would refuse.
    pub(crate) errors: Vec<String>,
    /// Fields that the server would most likely ignore.
    pub(crate) warnings: Vec<String>,
    protobuf: bool,
}

/// Validates a request against its field tree. Parts that the tree does not describe are not checked.
///
/// In Protobuf's JSON form numbers may be text, an enumeration's values numbers, and names in snake case.
pub(crate) fn check(schema: &Schema, request: &Value, protobuf: bool) -> Findings {
    let mut findings = Findings {
        protobuf,
        ..Findings::default()
    };
    findings.value(schema, request, "");
    findings
}

impl Findings {
    fn value(&mut self, schema: &Schema, value: &Value, path: &str) {
        let kind = schema.kind.trim_end_matches('?');
        if value.is_null() && kind.len() < schema.kind.len() {
            return;
        }
        let number;
        let value = match self.protobuf.then(|| as_number(kind, value)).flatten() {
            Some(read) => {
                number = read;
                &number
            }
            None => value,
        };
        let fits = match kind {
            "string" => value.is_string(),
            "bool" => value.is_boolean(),
            "f32" | "f64" | "float32" | "float64" => value.is_number(),
            // Serde writes them as a list of numbers, Protobuf's JSON as text in base 64.
            "bytes" | "[]byte" | "[]uint8" => value.is_array() || value.is_string(),
            // What has no fields there lies too deep to be shown, or is nothing.
            "object" if schema.values.is_empty() => value.is_object() || value.is_null(),
            "object" => value.is_object(),
            "map" => value.is_object(),
            "enum" if self.protobuf && value.is_i64() => return,
            "enum" => value.is_object() || value.is_string(),
            _ if kind.starts_with("[]") => value.is_array(),
            _ => match bounds(kind) {
                Some((low, high)) => whole(value).is_some_and(|n| n >= low && n <= high),
                None => true,
            },
        };
        if !fits {
            self.errors.push(mismatch(schema, value, path));
            return;
        }
        match (kind, value) {
            ("object", Value::Object(fields)) if !schema.values.is_empty() => {
                self.object(schema, fields, path);
            }
            ("map", Value::Object(fields)) => {
                for (name, value) in fields {
                    self.inner(schema, value, &join(path, name));
                }
            }
            ("enum", value) if !schema.values.is_empty() => self.variant(schema, value, path),
            (_, Value::Array(items)) if kind.starts_with("[]") => {
                for (index, item) in items.iter().enumerate() {
                    self.inner(schema, item, &format!("{path}[{index}]"));
                }
            }
            _ => {}
        }
    }

    /// An item of a list or an entry of a map.
    fn inner(&mut self, schema: &Schema, value: &Value, path: &str) {
        if let [inner] = schema.values.as_slice() {
            self.value(inner, value, path);
        }
    }

    fn object(&mut self, schema: &Schema, fields: &serde_json::Map<String, Value>, path: &str) {
        let renamed;
        let fields = match self.protobuf {
            true => {
                renamed = in_camel_case(fields);
                &renamed
            }
            false => fields,
        };
        let known = || schema.values.iter().map(|field| field.name.as_str());
        let unknown: Vec<&str> = fields
            .keys()
            .map(String::as_str)
            .filter(|name| !known().any(|known| known == *name))
            .collect();
        for field in &schema.values {
            let at = join(path, &field.name);
            match fields.get(&field.name) {
                Some(value) => self.value(field, value, &at),
                None if field.kind.ends_with('?') || field.kind == "any" => {}
                None => {
                    let slip = suggest(&field.name, unknown.iter().copied());
                    let slip = slip.first();
                    let slip = slip.map_or_else(String::new, |slip| format!("; it has `{slip}`"));
                    let kind = &field.kind;
                    self.errors
                        .push(format!("field `{at}` ({kind}) is missing{slip}"));
                }
            }
        }
        for name in unknown {
            let missing = known().filter(|known| !fields.contains_key(*known));
            let hint = hint(name, missing);
            let at = join(path, name);
            let of = &schema.name;
            self.warnings
                .push(format!("`{of}` has no field `{at}`{hint}"));
        }
    }

    fn variant(&mut self, schema: &Schema, value: &Value, path: &str) {
        let (name, content) = match value {
            Value::String(name) => (name.as_str(), None),
            Value::Object(entry) if entry.len() == 1 => {
                let (name, content) = entry.iter().next().expect("it has one entry");
                (name.as_str(), Some(content))
            }
            _ => {
                self.errors.push(mismatch(schema, value, path));
                return;
            }
        };
        let known = schema.values.iter().map(|variant| variant.name.as_str());
        match schema.values.iter().find(|variant| variant.name == name) {
            Some(variant) => {
                if let Some(content) = content {
                    self.value(variant, content, &join(path, name));
                }
            }
            None => {
                let hint = hint(name, known.clone());
                let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
                let subject = subject(path);
                let known = known.join(", ");
                self.errors.push(format!(
                    "{subject} is `{name}`, which is not one of {known}{hint}"
                ));
            }
        }
    }
}

fn mismatch(schema: &Schema, value: &Value, path: &str) -> String {
    let mut found = value.to_string();
    if found.chars().count() > 40 {
        found = found.chars().take(40).chain("…".chars()).collect();
    }
    let expected = match schema.kind.as_str() {
        "enum" | "enum?" => "one of its variants",
        kind => kind,
    };
    format!("{} must be {expected}, not {found}", subject(path))
}

fn subject(path: &str) -> String {
    if path.is_empty() {
        return "the request".to_owned();
    }
    format!("field `{path}`")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        return name.to_owned();
    }
    format!("{path}.{name}")
}

/// The range of a whole number's type, ours or Go's; `None` for what is no such type.
fn bounds(kind: &str) -> Option<(i128, i128)> {
    Some(match kind {
        "i8" | "int8" => (i8::MIN.into(), i8::MAX.into()),
        "i16" | "int16" => (i16::MIN.into(), i16::MAX.into()),
        "i32" | "int32" => (i32::MIN.into(), i32::MAX.into()),
        "i64" | "int64" | "int" => (i64::MIN.into(), i64::MAX.into()),
        "u8" | "uint8" => (0, u8::MAX.into()),
        "u16" | "uint16" => (0, u16::MAX.into()),
        "u32" | "uint32" => (0, u32::MAX.into()),
        "u64" | "uint64" | "uint" => (0, u64::MAX.into()),
        _ => return None,
    })
}

/// A number that stands as text where a number is wanted.
fn as_number(kind: &str, value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    if bounds(kind).is_some() {
        let whole = text.parse::<i64>().map(Value::from);
        return whole.or_else(|_| text.parse::<u64>().map(Value::from)).ok();
    }
    match kind {
        "f32" | "f64" if matches!(text, "NaN" | "Infinity" | "-Infinity") => Some(0.0.into()),
        "f32" | "f64" => text.parse::<f64>().ok().map(Value::from),
        _ => None,
    }
}

/// The same fields under the names that trees have: `first_name` is `firstName`.
fn in_camel_case(fields: &serde_json::Map<String, Value>) -> serde_json::Map<String, Value> {
    let camel = |name: &str| {
        let mut text = String::with_capacity(name.len());
        let mut capital = false;
        for letter in name.chars() {
            match letter {
                '_' => capital = !text.is_empty(),
                letter if capital => {
                    text.extend(letter.to_uppercase());
                    capital = false;
                }
                letter => text.push(letter),
            }
        }
        text
    };
    let fields = fields.iter();
    fields
        .map(|(name, value)| (camel(name), value.clone()))
        .collect()
}

fn whole(value: &Value) -> Option<i128> {
    let signed = value.as_i64().map(i128::from);
    signed.or_else(|| value.as_u64().map(i128::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(name: &str, kind: &str, values: Vec<Schema>) -> Schema {
        Schema::new(name, kind).with_values(values)
    }

    /// What is said of a request: errors, then warnings.
    fn said(request: Value) -> Vec<String> {
        let street = field("street", "string", vec![]);
        let shape = vec![
            field("dot", "string", vec![]),
            field("circle", "f64", vec![]),
        ];
        let schema = field(
            "Order",
            "object",
            vec![
                field("name", "string", vec![]),
                field("count", "u8?", vec![]),
                field("address", "object?", vec![street]),
                field("tags", "[]string?", vec![field("string", "string", vec![])]),
                field("ages", "map?", vec![field("u32", "u32", vec![])]),
                field("shape", "enum?", shape),
                field("deep", "object?", vec![]),
                field("rest", "any", vec![]),
            ],
        );
        let findings = check(&schema, &request, false);
        findings
            .errors
            .into_iter()
            .chain(findings.warnings)
            .collect()
    }

    #[test]
    fn what_fits_is_let_through() {
        let full = json!({
            "name": "x", "count": 255, "address": {"street": "y"}, "tags": ["a"], "ages": {"b": 1},
            "shape": {"circle": 1.5}, "deep": {"anything": 1}, "rest": [null],
        });
        let none = Vec::<String>::new();
        assert_eq!(said(full), none);
        assert_eq!(
            said(json!({"name": "x", "count": null, "shape": "dot"})),
            none
        );
    }

    #[test]
    fn wrong_field_is_reported_with_its_type() {
        let cases = [
            (json!([]), "the request must be object, not []"),
            (json!({"name": 5}), "field `name` must be string, not 5"),
            (
                json!({"name": null}),
                "field `name` must be string, not null",
            ),
            (
                json!({"name": "x", "count": 256}),
                "field `count` must be u8?, not 256",
            ),
            (
                json!({"name": "x", "count": 1.5}),
                "field `count` must be u8?, not 1.5",
            ),
            (
                json!({"name": "x", "address": {}}),
                "field `address.street` (string) is missing",
            ),
            (
                json!({"name": "x", "tags": ["a", 1]}),
                "field `tags[1]` must be string, not 1",
            ),
            (
                json!({"name": "x", "ages": {"a": -1}}),
                "field `ages.a` must be u32, not -1",
            ),
            (
                json!({"name": "x", "shape": "dott"}),
                "field `shape` is `dott`, which is not one of `dot`, `circle`; did you mean `dot`?",
            ),
            (
                json!({"name": "x", "shape": {"circle": "round"}}),
                "field `shape.circle` must be f64, not \"round\"",
            ),
        ];
        for (request, expected) in cases {
            assert_eq!(said(request), [expected]);
        }
    }

    #[test]
    fn misspelt_field_is_reported_with_the_missing_one() {
        assert_eq!(
            said(json!({"nmae": "x"})),
            [
                "field `name` (string) is missing; it has `nmae`",
                "`Order` has no field `nmae`; did you mean `name`?"
            ]
        );
    }

    #[test]
    fn protobufs_json_form_has_names_numbers_and_values_in_two_ways() {
        let schema = field(
            "Order",
            "object",
            vec![
                field("orderNumber", "i64?", vec![]),
                field("price", "f64?", vec![]),
                field("state", "enum?", vec![field("OPEN", "string", vec![])]),
            ],
        );
        let said = |request: Value| {
            let findings = check(&schema, &request, true);
            [findings.errors, findings.warnings].concat()
        };
        let none = Vec::<String>::new();
        for request in [
            json!({"orderNumber": 5, "price": 1.5, "state": "OPEN"}),
            json!({"order_number": "-5", "price": "NaN", "state": 7}),
        ] {
            assert_eq!(said(request), none);
        }
        assert_eq!(
            said(json!({"order_number": "x", "state": "SHUT"})),
            [
                "field `orderNumber` must be i64?, not \"x\"",
                "field `state` is `SHUT`, which is not one of `OPEN`"
            ]
        );
    }
}
