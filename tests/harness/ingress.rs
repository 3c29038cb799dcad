//! The program `referral ingress` as somebody with a token sees it.
use std::time::Duration;

use serde_json::{Value, json};

use super::{Bed, Program, eventually, http};

/// Of the administrator `root`.
pub const PASSWORD: &str = "correct horse battery staple";

/// The ingress, with the key of an administrator of the domain `default`.
pub struct Ingress {
    /// The program.
    pub program: Program,
    key: String,
}

impl Ingress {
    /// Makes the administrator, and logs in.
    pub async fn of(bed: &Bed, program: Program) -> Self {
        let create = ["admin", "create", "root", "--domain", "default", "--password-stdin"];
        bed.referral(&create, PASSWORD).await;
        let mut ingress = Self { program, key: String::new() };
        let login = json!({"domain": "default", "login": "root", "password": PASSWORD});
        let (status, token) = ingress.post("/v1/auth/token", login).await;
        assert_eq!(status, 200, "{token}");
        token["key"].as_str().expect("a key").clone_into(&mut ingress.key);
        ingress
    }

    /// The key of its token.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// `GET`: status and JSON.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.call(reqwest::Method::GET, path, None).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(reqwest::Method::POST, path, Some(body)).await
    }

    /// `PUT` of JSON.
    pub async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(reqwest::Method::PUT, path, Some(body)).await
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = self.request(method, path, body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// How many clicks wait in its spool.
    pub async fn spooled(&self) -> Result<u64, String> {
        let (_, metrics) = self.program.ops("/metrics").await?;
        let line = metrics.lines().find(|line| line.starts_with("referral_spool_events{"));
        let number = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        number.ok_or_else(|| format!("no spool in {metrics}"))
    }

    /// Waits until all clicks have left it.
    pub async fn spool_is_empty(&self, deadline: Duration) {
        eventually("the spool is empty", deadline, async || match self.spooled().await? {
            0 => Ok(()),
            left => Err(format!("{left} clicks are left")),
        })
        .await;
    }

    /// A request that may be cut off.
    pub fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::RequestBuilder {
        let request = http::client().request(method, self.program.url(path)).bearer_auth(&self.key);
        if let Some(body) = body { request.json(&body) } else { request }
    }
}
