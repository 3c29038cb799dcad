//! The broker's management interface: virtual hosts, and looking into queues from outside.
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

/// One virtual host of a broker, seen through its management interface: through that of the first of a
/// cluster's nodes which is there.
#[derive(Debug, Clone)]
pub struct VirtualHost {
    apis: Vec<String>,
    name: String,
}

impl VirtualHost {
    /// Makes it; `apis` has commas between several.
    pub async fn create(apis: &str, name: &str) -> Self {
        let apis = apis.split(',').map(|api| api.trim_end_matches('/').to_owned()).collect();
        let made = Self { apis, name: name.to_owned() };
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
        let found = self.queue(queue).await?;
        found["messages"].as_u64().ok_or_else(|| format!("{queue} is not counted yet"))
    }

    /// What the broker says of a queue.
    pub async fn queue(&self, queue: &str) -> Result<Value, String> {
        self.ask(reqwest::Method::GET, &format!("queues/{}/{queue}", self.name), Value::Null).await
    }

    /// Makes a user who may do everything in it.
    pub async fn add_user(&self, user: &str, password: &str) {
        let told = json!({"password": password, "tags": ""});
        self.call(reqwest::Method::PUT, &format!("users/{user}"), told).await;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        self.call(reqwest::Method::PUT, &format!("permissions/{}/{user}", self.name), all).await;
    }

    /// Removes a user again.
    pub async fn remove_user(&self, user: &str) {
        self.call(reqwest::Method::DELETE, &format!("users/{user}"), Value::Null).await;
    }

    /// How many messages of a queue somebody holds, as the broker last counted.
    pub async fn counted_unacknowledged(&self, queue: &str) -> Result<u64, String> {
        let found = self.queue(queue).await?;
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
            let path = format!("connections/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
            // One that has ended meanwhile is as good.
            let _ = self.ask(reqwest::Method::DELETE, &path, Value::Null).await;
        }
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        self.ask(method, path, body).await.unwrap_or_else(|told| panic!("{told}"))
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: Value) -> Result<Value, String> {
        let mut told = String::new();
        for api in &self.apis {
            let request = http::client().request(method.clone(), format!("{api}/api/{path}"));
            let request = if body.is_null() { request } else { request.json(&body) };
            let answer = match request.send().await {
                Ok(answer) => answer,
                // Of a node that is gone the next one knows.
                Err(error) => {
                    told = format!("{method} {path}: {error}");
                    continue;
                }
            };
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            if !status.is_success() {
                return Err(format!("{method} {path}: {status} {text}"));
            }
            return Ok(serde_json::from_str(&text).unwrap_or(Value::Null));
        }
        Err(told)
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
