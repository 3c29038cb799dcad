//! The remote RCP over HTTP: its token, one request and its repetition.
//!
//! Owns the connections, deadlines, how much of an answer is read, who is let in, and which failures
//! pass. Refuses to follow redirects, to use a proxy from the environment, and to say a password or
//! a key anywhere but to the remote: what the remote answers to a login is never shown.
use std::{fmt, time::Duration};

use anyhow::{Context as _, bail};
use reqwest::{
    Client, Method, Response, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
};
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{answer, sync::PUTS_IN_FLIGHT_MAX};
use crate::{broker::pace::backoff, calls, clock::Clock, domain::retry_after};

/// The most that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that one exchange may take, the answer's body included.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most that giving the token back may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept: less than the 5 s after which common servers close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// The largest answer that is read: a page of 1000 records with a thousand addresses each.
const ANSWER_MAX_BYTES: usize = 32 << 20;
/// Tries of one request whose failures pass; with the pauses between them some 6 s.
const TRIES_MAX: u32 = 7;
/// The longest `Retry-After` that is waited for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);
/// Logins of one run: at its start, and once more when the token is refused meanwhile.
const LOGINS_MAX: u32 = 2;
/// How long a token is asked for; it is given back at the end of the run.
const TOKEN_TTL_SECONDS: u32 = 3600;

/// How the remote lets us in. Has no `Debug`, so that it is not shown by accident.
#[derive(Clone)]
pub(super) enum Credentials {
    /// A token is asked for.
    Login { domain: String, login: String, password: String },
    /// A token was given.
    Token(String),
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    url: Url,
    body: Option<Value>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// What came back, of whatever status that time does not mend.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    location: Option<String>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What nobody expected, as the end of a run, with what may be wrong.
    pub(super) fn unexpected(&self, call: &Call) -> anyhow::Error {
        let told = match (self.status, &self.location) {
            (300..400, Some(location)) => format!(": it redirects to {location:?}; see --url"),
            (404, _) => ": is --url the address of an RCP?".to_owned(),
            _ => answer::detail(&self.body).map(|told| format!(": {told}")).unwrap_or_default(),
        };
        anyhow::anyhow!("{call}: status {}{told}", self.status)
    }
}

/// Why an exchange brought no answer.
enum Failure {
    /// Time may mend it; not before so long, where the remote says so.
    Passing { why: String, wait: Duration },
    /// It will not.
    Lasting(String),
}

/// The token in use.
#[derive(Default)]
struct Session {
    key: Option<HeaderValue>,
    /// Of a token that was asked for, to give it back.
    token: Option<Uuid>,
    logins: u32,
}

/// See the module.
pub(super) struct Remote {
    client: Client,
    base: String,
    credentials: Credentials,
    clock: Clock,
    shutdown: CancellationToken,
    session: Mutex<Session>,
}

impl Remote {
    /// Connects nowhere yet. `base` is an http or https URL without a slash at its end.
    pub(super) fn new(
        base: &str,
        credentials: Credentials,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let client = calls::client("referral-rcp-sync", base.starts_with("https:"))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(EXCHANGE_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(PUTS_IN_FLIGHT_MAX)
            .build()
            .context("no HTTP client")?;
        let session = Mutex::default();
        Ok(Self { client, base: base.to_owned(), credentials, clock, shutdown, session })
    }

    /// A request to the path, which begins with a slash.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Call> {
        let url = Url::parse(&format!("{}{path}", self.base)).context("--url")?;
        Ok(Call { method, url, body })
    }

    /// Sends a request, logged in, again while its failures pass. An error is the end of the run:
    /// nothing more helps, or it was stopped.
    pub(super) async fn call(&self, call: &Call) -> anyhow::Result<Answer> {
        let mut refused = None;
        loop {
            let key = self.key(refused.as_ref()).await?;
            let answer = self.insist(call, Some(&key)).await?;
            if answer.status != 401 {
                return Ok(answer);
            }
            refused = Some(key);
        }
    }

    /// The key to come in with, which is not the one that was refused.
    async fn key(&self, refused: Option<&HeaderValue>) -> anyhow::Result<HeaderValue> {
        let mut session = self.session.lock().await;
        if let Some(key) = &session.key
            && Some(key) != refused
        {
            return Ok(key.clone());
        }
        let key = match &self.credentials {
            Credentials::Token(key) if refused.is_none() => bearer(key)?,
            Credentials::Token(_) => bail!("the remote refuses RCP_TOKEN (401)"),
            Credentials::Login { .. } if session.logins >= LOGINS_MAX => {
                bail!("the remote refuses the token that it has just given out (401)")
            }
            Credentials::Login { domain, login, password } => {
                session.logins += 1;
                let issued = self.log_in(domain, login, password).await?;
                session.token = issued.id;
                bearer(&issued.key)?
            }
        };
        session.key = Some(key.clone());
        Ok(key)
    }

    async fn log_in(
        &self,
        domain: &str,
        login: &str,
        password: &str,
    ) -> anyhow::Result<answer::Issued> {
        let body = json!({
            "domain": domain, "login": login, "password": password, "ttl": TOKEN_TTL_SECONDS,
        });
        let call = self.request(Method::POST, "/v1/auth/token", Some(body))?;
        let answer = self.insist(&call, None).await?;
        match answer.status {
            200..300 => answer::issued(&answer.body).map_err(|e| anyhow::anyhow!("{call}: {e}")),
            401 | 403 => bail!(
                "the remote does not let {login:?} of its domain {domain:?} in ({}): --login, \
                 --remote-domain or RCP_PASSWORD is wrong, or it asks for a one-time code, which \
                 only RCP_TOKEN does without",
                answer.status
            ),
            404 => bail!("{call}: status 404: is --url the address of an RCP?"),
            // Its words may repeat ours, the password among them.
            status => bail!("{call}: status {status}"),
        }
    }

    /// Gives a token that was asked for back; without it it is good for an hour.
    pub(super) async fn leave(&self) {
        let mut session = self.session.lock().await;
        let (Some(key), Some(id)) = (session.key.take(), session.token.take()) else { return };
        let Ok(call) = self.request(Method::DELETE, &format!("/v1/auth/token/{id}"), None) else {
            return;
        };
        match timeout(LEAVE_TIMEOUT, self.exchange(&call, Some(&key))).await {
            Ok(Ok(answer)) if answer.is_success() => {}
            _ => tracing::warn!("{call} failed: the token is good for an hour yet"),
        }
    }

    async fn insist(&self, call: &Call, key: Option<&HeaderValue>) -> anyhow::Result<Answer> {
        let mut failures = 0;
        loop {
            if self.shutdown.is_cancelled() {
                bail!("stopped");
            }
            let (why, wait) = match self.exchange(call, key).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Lasting(why)) => bail!("{call}: {why}"),
                Err(Failure::Passing { why, wait }) => (why, wait),
            };
            failures += 1;
            if failures == TRIES_MAX {
                bail!("{call}: {why}, {TRIES_MAX} times");
            }
            if wait > RETRY_AFTER_MAX {
                bail!("{call}: {why}, and wants to be left alone for {} s", wait.as_secs());
            }
            // Without randomness there is no jitter, which is no reason to stop.
            let pause = backoff(failures, getrandom::u64().unwrap_or(u64::MAX));
            tokio::select! {
                () = self.shutdown.cancelled() => bail!("stopped"),
                () = sleep(pause.max(wait)) => {}
            }
        }
    }

    async fn exchange(&self, call: &Call, key: Option<&HeaderValue>) -> Result<Answer, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, key.clone());
        }
        let request = self.client.request(call.method.clone(), call.url.clone()).headers(headers);
        let request = if let Some(body) = &call.body { request.json(body) } else { request };
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        if matches!(status, 408 | 429 | 500..) {
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let wait = asked.and_then(|text| retry_after::parse(text, self.clock.now()));
            let wait = wait.unwrap_or_default();
            return Err(Failure::Passing { why: format!("status {status}"), wait });
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.map(str::to_owned);
        Ok(Answer { status, body: read(response).await?, location })
    }
}

/// All of the body, within bounds.
async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > ANSWER_MAX_BYTES {
            let mebibytes = ANSWER_MAX_BYTES >> 20;
            return Err(Failure::Lasting(format!("the answer is over {mebibytes} MiB")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failed(error: reqwest::Error) -> Failure {
    let lasting = error.is_builder();
    // The call is named with the error; with its causes it is one line.
    let why = format!("{:#}", anyhow::Error::from(error.without_url()));
    if lasting { Failure::Lasting(why) } else { Failure::Passing { why, wait: Duration::ZERO } }
}

fn bearer(key: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).context("the token")?;
    value.set_sensitive(true);
    Ok(value)
}
