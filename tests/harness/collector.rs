//! An OTLP collector's side: what the programs export over HTTP, as JSON, and the spans in it.
use std::fmt::Write as _;

use serde_json::Value;

use super::{
    Plan, Receiver,
    eventually::{PATIENCE, eventually},
};

/// A span as it was exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// `service.name`.
    pub service: String,
    /// Of OTLP's JSON.
    span: Value,
}

impl Exported {
    fn text(&self, member: &str) -> &str {
        self.span[member].as_str().unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// Its trace.
    pub fn trace(&self) -> &str {
        self.text("traceId")
    }

    /// Itself.
    pub fn id(&self) -> &str {
        self.text("spanId")
    }

    /// The span that it is a child of; empty where it is none.
    pub fn parent(&self) -> &str {
        self.text("parentSpanId")
    }

    /// 2: server, 3: client, 4: producer, 5: consumer.
    pub fn kind(&self) -> i64 {
        self.span["kind"].as_i64().unwrap_or_default()
    }

    /// Whether it says that it failed.
    pub fn has_failed(&self) -> bool {
        self.span["status"]["code"] == 2
    }

    /// An attribute as text; empty where there is none.
    pub fn attribute(&self, key: &str) -> String {
        let attributes = self.span["attributes"].as_array();
        let found = attributes.into_iter().flatten().find(|one| one["key"] == key);
        let value = found.and_then(|one| one["value"].as_object()?.values().next().cloned());
        match value {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// The spans that it is linked to.
    pub fn links(&self) -> Vec<&str> {
        let links = self.span["links"].as_array().into_iter().flatten();
        links.filter_map(|link| link["spanId"].as_str()).collect()
    }
}

/// A listening collector.
pub struct Collector(Receiver);

impl Collector {
    /// Takes everything.
    pub async fn start() -> Self {
        Self(Receiver::start().await)
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.0.address())
    }

    /// The requests.
    pub fn requests(&self) -> &Receiver {
        &self.0
    }

    /// The program exports to it, soon.
    pub fn of(&self, plan: Plan) -> Plan {
        plan.set("OTEL_EXPORTER_OTLP_ENDPOINT", &self.endpoint())
            .set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
            .set("OTEL_BSP_SCHEDULE_DELAY", "100")
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Exported> {
        let mut spans = Vec::new();
        for call in self.0.calls() {
            assert_eq!(call.path, "/v1/traces");
            assert_eq!(call.header("content-type"), "application/json");
            let body: Value = serde_json::from_str(&call.body).unwrap();
            for of_resource in list(&body["resourceSpans"]) {
                let attributes = list(&of_resource["resource"]["attributes"]);
                let mut names = attributes.filter(|one| one["key"] == "service.name");
                let name = names.next().and_then(|one| one["value"]["stringValue"].as_str());
                let service = name.unwrap_or_default().to_owned();
                let scopes = list(&of_resource["scopeSpans"]);
                let all = scopes.flat_map(|scope| list(&scope["spans"]));
                spans.extend(
                    all.map(|span| Exported { service: service.clone(), span: span.clone() }),
                );
            }
        }
        spans
    }

    /// Waits for so many spans that are as `wanted` says.
    pub async fn some(
        &self,
        what: &str,
        count: usize,
        wanted: impl Fn(&Exported) -> bool,
    ) -> Vec<Exported> {
        eventually(what, PATIENCE, async || {
            let all = self.spans();
            let found: Vec<_> = all.iter().filter(|span| wanted(span)).cloned().collect();
            if found.len() == count { Ok(found) } else { Err(shown(&all)) }
        })
        .await
    }

    /// Waits for the one span of this name in a trace.
    pub async fn one(&self, trace: &str, name: &str) -> Exported {
        let wanted = |span: &Exported| span.trace() == trace && span.name() == name;
        self.some(&format!("{name} in {trace}"), 1, wanted).await.remove(0)
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn shown(spans: &[Exported]) -> String {
    let mut text = String::new();
    for span in spans {
        let (service, name) = (&span.service, span.name());
        let _ = write!(
            text,
            "\n{} {} <- {}: {service}: {name}",
            span.trace(),
            span.id(),
            span.parent()
        );
    }
    text
}
