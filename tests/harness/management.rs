//! The broker's management interface: virtual hosts, and looking into queues from outside.
use std::fmt::Write as _;

use base64::Engine as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::http;

/// A message as it lies in a queue.
#[derive(Debug, Clone)]
pub struct Lying {
    /// Its bytes.
    pub body: Vec<u8>,
    /// `content_type`, `message_id`, `headers`, …
    pub properties: Value,
}

impl Lying {
    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.properties["headers"][name].as_str().unwrap_or_default()
    }

    /// A property's text; empty where there is none.
    pub fn property(&self, name: &str) -> &str {
        self.properties[name].as_str().unwrap_or_default()
    }
}

/// One virtual host of a broker, seen through its management interface.
#[derive(Debug, Clone)]
pub struct VirtualHost {
    api: String,
    name: String,
}

impl VirtualHost {
    /// Makes it.
    pub async fn create(api: &str, name: &str) -> Self {
        let made = Self { api: api.trim_end_matches('/').to_owned(), name: name.to_owned() };
        made.call(reqwest::Method::PUT, &format!("vhosts/{name}"), json!({})).await;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        made.call(reqwest::Method::PUT, &format!("permissions/{name}/guest"), all).await;
        made
    }

    /// Removes it with everything in it.
    pub async fn delete(&self) {
        self.call(reqwest::Method::DELETE, &format!("vhosts/{}", self.name), Value::Null).await;
    }

    /// All messages that are ready in a queue; they stay there.
    pub async fn look_into(&self, queue: &str) -> Vec<Lying> {
        let wish = json!({"count": 100_000, "ackmode": "ack_requeue_true", "encoding": "auto"});
        let path = format!("queues/{}/{queue}/get", self.name);
        let found = self.call(reqwest::Method::POST, &path, wish).await;
        found.as_array().expect("an array of messages").iter().map(lying).collect()
    }

    /// Whether nothing is ready in a queue. Only for queues that nobody consumes: what is looked
    /// at counts as delivered once more.
    pub async fn is_empty(&self, queue: &str) -> bool {
        let wish =
            json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto", "truncate": 1});
        let path = format!("queues/{}/{queue}/get", self.name);
        self.call(reqwest::Method::POST, &path, wish).await == json!([])
    }

    /// How many messages a queue has, ready or not, as the broker last counted: up to a second or
    /// two ago.
    pub async fn counted(&self, queue: &str) -> Result<u64, String> {
        let path = format!("queues/{}/{queue}", self.name);
        let found = self.call(reqwest::Method::GET, &path, Value::Null).await;
        found["messages"].as_u64().ok_or_else(|| format!("{queue} is not counted yet"))
    }

    /// How many messages of a queue somebody holds, as the broker last counted.
    pub async fn counted_unacknowledged(&self, queue: &str) -> Result<u64, String> {
        let path = format!("queues/{}/{queue}", self.name);
        let found = self.call(reqwest::Method::GET, &path, Value::Null).await;
        let held = found["messages_unacknowledged"].as_u64();
        held.ok_or_else(|| format!("{queue} is not counted yet"))
    }

    /// Deletes a queue with everything in it.
    pub async fn delete_queue(&self, queue: &str) {
        let path = format!("queues/{}/{queue}", self.name);
        self.call(reqwest::Method::DELETE, &path, Value::Null).await;
    }

    /// Closes all connections that the broker has counted so far.
    pub async fn close_connections(&self) {
        let path = format!("vhosts/{}/connections", self.name);
        let all = self.call(reqwest::Method::GET, &path, Value::Null).await;
        for connection in all.as_array().expect("an array of connections") {
            let name = connection["name"].as_str().expect("a name");
            let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
            let url = format!("{}/api/connections/{name}", self.api);
            // One that has ended meanwhile is as good.
            let _ = http::client().delete(url).send().await;
        }
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        let mut what = String::new();
        let _ = write!(what, "{method} {path}");
        let request = http::client().request(method, format!("{}/api/{path}", self.api));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{what}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

fn lying(message: &Value) -> Lying {
    let payload = message["payload"].as_str().unwrap_or_default();
    let body = if message["payload_encoding"] == "base64" {
        base64::engine::general_purpose::STANDARD.decode(payload).expect("base64")
    } else {
        payload.as_bytes().to_vec()
    };
    Lying { body, properties: message["properties"].clone() }
}
