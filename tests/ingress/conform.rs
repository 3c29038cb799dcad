//! The OpenAPI document as a judge: every answer that a test of the ingress gets is checked against it.
use std::{collections::BTreeMap, sync::LazyLock};

use referral::ingress::openapi;
use serde_json::{Value, json};

use super::Answer;

/// The document as it is served.
pub static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(openapi::document()).unwrap());
/// The same, with schemas that allow no member which they do not name.
static STRICT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = DOCUMENT.clone();
    close(&mut document["components"]["schemas"]);
    document
});

/// One call of the document.
#[derive(Clone)]
pub struct Operation {
    /// Upper case.
    pub method: String,
    /// With its `{members}`.
    pub path: String,
    /// The operation object.
    pub object: &'static Value,
}

impl Operation {
    /// Whether it needs a bearer token.
    pub fn is_secured(&self) -> bool {
        let ways = self.object["security"].as_array();
        ways.is_some_and(|ways| ways.iter().any(|way| way.get("bearer").is_some()))
    }

    /// Whether it takes a body.
    pub fn has_body(&self) -> bool {
        self.object.get("requestBody").is_some()
    }

    /// Whether that may be JSON.
    pub fn takes_json(&self) -> bool {
        self.object["requestBody"]["content"].get("application/json").is_some()
    }

    /// Whether it may be a form.
    pub fn takes_form(&self) -> bool {
        let content = &self.object["requestBody"]["content"];
        content.get("application/x-www-form-urlencoded").is_some()
    }

    /// Whether another server, at `OPS_ADDR`, answers it.
    pub fn is_elsewhere(&self) -> bool {
        self.object.get("servers").is_some()
    }

    /// The statuses that it may answer.
    pub fn statuses(&self) -> Vec<u16> {
        let answers = self.object["responses"].as_object().unwrap();
        answers.keys().map(|status| status.parse().unwrap()).collect()
    }

    /// The path with a value for each of its members.
    pub fn path_with(&self, value: impl Fn(&str) -> String) -> String {
        let segments = self.path.split('/').map(|segment| {
            match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
                Some(name) => value(name),
                None => segment.to_owned(),
            }
        });
        segments.collect::<Vec<_>>().join("/")
    }

    /// The body that the document gives as an example.
    pub fn example_body(&self) -> String {
        let content = &self.object["requestBody"]["content"]["application/json"];
        resolve(&content["schema"])["example"].to_string()
    }
}

/// All calls of the document.
pub fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &'static Value)| {
        let path = path.clone();
        let methods = item.as_object().unwrap().iter();
        methods.filter(|(_, object)| object.get("responses").is_some()).map(
            move |(method, object)| Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                object,
            },
        )
    };
    paths.iter().flat_map(of_path).collect()
}

/// The call that a request is, whether its path ends in a slash or not.
pub fn operation(method: &str, path: &str) -> Option<Operation> {
    let path = path.split('?').next().unwrap_or_default();
    let bare = |path: &str| path.strip_suffix('/').unwrap_or(path).to_owned();
    let is_of = |template: &str, path: &str| {
        let (template, path) = (bare(template), bare(path));
        let (wanted, given): (Vec<_>, Vec<_>) =
            (template.split('/').collect(), path.split('/').collect());
        wanted.len() == given.len()
            && wanted
                .iter()
                .zip(&given)
                .all(|(w, g)| w == g || (w.starts_with('{') && !g.is_empty()))
    };
    let method = if method == "HEAD" { "GET" } else { method };
    let all = operations().into_iter().filter(|found| found.method == method);
    // `/swagger/` before `/swagger/{file}`.
    all.filter(|found| is_of(&found.path, path)).min_by_key(|found| found.path.contains('{'))
}

/// Fails unless the document foresees this answer to this request.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let told = format!("{method} {path}: {} {}", answer.status, answer.text);
    let Some(operation) = operation(method, path) else {
        assert!(matches!(answer.status, 404 | 405), "undocumented: {told}");
        return;
    };
    let object = &operation.object["responses"][answer.status.to_string()];
    assert!(object.is_object(), "undocumented status: {told}");
    for name in object["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        assert!(answer.headers.contains_key(name), "no {name}: {told}");
    }
    let content = object["content"].as_object();
    if method == "HEAD" || content.is_none_or(serde_json::Map::is_empty) {
        assert_eq!(answer.text, "", "a body where none is documented: {told}");
        return;
    }
    let kind = answer.header("content-type").split(';').next().unwrap_or_default();
    let of_kind = content.and_then(|content| content.get(kind).or(content.get("*/*")));
    let of_kind = of_kind.unwrap_or_else(|| panic!("undocumented type {kind:?}: {told}"));
    if kind.ends_with("json") {
        let matched = matches(&of_kind["schema"], &answer.json());
        matched.unwrap_or_else(|problem| panic!("not as documented: {problem}; {told}"));
    }
}

/// Whether a value is what a schema of the document says.
pub fn matches(schema: &Value, value: &Value) -> Result<(), String> {
    let mut whole = schema.clone();
    close(&mut whole);
    whole["components"] = STRICT["components"].clone();
    let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
    let problems: BTreeMap<_, _> = validator
        .iter_errors(value)
        .map(|error| (error.instance_path().to_string(), error.to_string()))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(format!("{problems:?}")) }
}

/// A schema, or the one that it refers to.
pub fn resolve(schema: &Value) -> &Value {
    match schema["$ref"].as_str().and_then(|place| place.strip_prefix('#')) {
        Some(place) => DOCUMENT.pointer(place).unwrap(),
        None => schema,
    }
}

/// Forbids members that are not named, everywhere below.
fn close(schema: &mut Value) {
    match schema {
        // The parts of a whole do not name each other's members; the whole does.
        Value::Object(members) if members.contains_key("allOf") => {
            members.insert("unevaluatedProperties".to_owned(), json!(false));
            let parts = members.get_mut("allOf").and_then(Value::as_array_mut);
            for part in parts.into_iter().flatten() {
                part["properties"]
                    .as_object_mut()
                    .into_iter()
                    .flatten()
                    .for_each(|(_, m)| close(m));
            }
        }
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object) {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
