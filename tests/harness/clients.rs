//! Clients that nobody here wrote: Python's pika and parsers, `amqp-publish` of Debian's amqp-tools.
use tokio::process::Command;

use super::{Bed, Told, environment};

/// A message for a foreign client.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Foreign {
    /// Routing key.
    pub key: String,
    /// `content-type`.
    pub content_type: String,
    /// Text headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// Publishes with pika, each message confirmed.
pub async fn pika(bed: &Bed, messages: &[Foreign]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/publish.py");
    let mut command = Command::new(environment::python());
    command.arg(script).arg(&bed.amqp_url);
    run(command, serde_json::to_string(messages).expect("JSON")).await;
}

/// Publishes with `amqp-publish`. Its `--header` ends a name at the first `:`, so header names
/// are written with `_`.
pub async fn amqp_publish(bed: &Bed, message: &Foreign) {
    let mut command = Command::new("amqp-publish");
    command.args(["--persistent", "--exchange", "referral.events"]);
    command.args(["--url", &bed.amqp_url, "--routing-key", &message.key]);
    command.args(["--content-type", &message.content_type, "--body", &message.body]);
    for (name, value) in &message.headers {
        command.arg("--header").arg(format!("{name}: {value}"));
    }
    run(command, String::new()).await;
}

/// What Python's parsers find in the exports `{"xml", "json", "txt"}`: of each the items, an item as a
/// list of `[member, text]`.
pub async fn python_exports(exports: &serde_json::Value) -> serde_json::Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/exports.py");
    let mut command = Command::new(environment::python());
    command.arg(script);
    serde_json::from_str(&run(command, exports.to_string()).await).expect("JSON")
}

/// What it printed; it must succeed.
async fn run(command: Command, input: String) -> String {
    let what = format!("{command:?}");
    let told = Told::of(command, &input).await;
    assert_eq!(told.code, Some(0), "{what}: {}", told.errors);
    told.output
}
