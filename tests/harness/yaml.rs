//! YAML files of this repository, as JSON.
use serde_json::Value;

/// The one document of a file.
pub fn yaml(text: &str) -> Value {
    let [document] = <[Value; 1]>::try_from(documents(text)).expect("one document");
    document
}

/// All documents of a file.
pub fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
