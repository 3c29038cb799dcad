//! Who may: bearer tokens and logins (contract 2), and how often they may be tried.
//!
//! The domain comes from the token alone. Every password is checked, and every new one hashed, behind
//! the one gate here. Refuses to say which part of a credential was wrong.
use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::{App, client::Client, problem::Refusal, throttle::Key};
use crate::{
    credentials,
    domain::Micros,
    one_time,
    store::{
        StoreError,
        access::{self, Held, Login, NewToken, Totp},
        reference::Domain,
    },
};

/// Passwords hashed at once: each takes a core and 19 MiB. It also bounds by how many tries a
/// burst can overshoot the limit on failures.
const HASHING_MAX: usize = 2;

/// The gate in front of argon2.
#[derive(Clone)]
pub struct Hashing {
    turns: Arc<Semaphore>,
    hashed: Counter,
}

impl Hashing {
    /// Counts what passes.
    pub fn new(hashed: Counter) -> Self {
        Self { turns: Arc::new(Semaphore::new(HASHING_MAX)), hashed }
    }

    /// Waits for a turn.
    pub async fn turn(&self) -> Result<Turn, Refusal> {
        let closed = |_| Refusal::unavailable("stopping");
        let place = self.turns.clone().acquire_owned().await.map_err(closed)?;
        Ok(Turn { place, hashed: self.hashed.clone() })
    }
}

/// A turn at the gate: for one password.
pub struct Turn {
    place: OwnedSemaphorePermit,
    hashed: Counter,
}

impl Turn {
    /// Whether this is the password that was hashed. With no hash at all (no such login) it takes
    /// the same time and says no.
    pub async fn verify(self, password: String, stored: Option<&str>) -> bool {
        let stored = stored.map(str::to_owned);
        let check = move || {
            self.hashed.inc();
            let same = credentials::verify_password(&password, stored.as_deref());
            // Not before: whoever goes away meanwhile does not make room for another.
            drop(self.place);
            same
        };
        tokio::task::spawn_blocking(check).await.unwrap_or_default()
    }

    /// Hashes a new password.
    pub async fn hash(self, password: String) -> Result<String, Refusal> {
        let hash = move || {
            let hash = credentials::hash_password(&password);
            drop(self.place);
            hash
        };
        let hash = tokio::task::spawn_blocking(hash).await;
        Ok(hash.map_err(|_| Refusal::unavailable("stopping"))??)
    }
}

/// Lets a try of a password in: a turn, unless one of the keys has failed too often.
pub async fn admit(app: &App, tried_by: &[Key]) -> Result<Turn, Refusal> {
    let turn = app.hashing.turn().await?;
    // Asked only now: those who waited for their turn count each other's failures.
    app.throttle.admit(tried_by, app.clock.now())?;
    Ok(turn)
}

/// The holder of a valid token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant that the token sees and changes.
    pub domain: Domain,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Ok(client) = Client::from_request_parts(parts, app).await;
        let Some(key) = bearer(parts) else {
            // Nothing was tried, so nothing failed.
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "a bearer token is required"));
        };
        let held = holder(app, &client, key).await?;
        let wrong = || Refusal::new(StatusCode::UNAUTHORIZED, "the bearer token is not valid");
        Ok(Self { domain: held.ok_or_else(wrong)?.domain })
    }
}

/// Whose token this key is of, if it is of one.
pub async fn holder(app: &App, client: &Client, key: &str) -> Result<Option<Held>, Refusal> {
    let key_hash = credentials::key_hash(key);
    let finding = access::token(&app.store, &key_hash, app.clock.now());
    let tried_by = [Key::address(client.address)];
    open(app, &tried_by, &key_hash, finding, |held| &held.key_hash).await
}

/// A token as its holder gets it, this once.
pub struct Issued {
    /// For revoking.
    pub id: String,
    /// The bearer token.
    pub key: String,
    /// Whom it was issued to, as they name themselves.
    pub device_info: String,
    /// And from where.
    pub ip_address: String,
    /// When.
    pub time: Micros,
    /// Until when it is good.
    pub expires: Micros,
}

/// Issues a token to an administrator who has logged in, for so many milliseconds.
pub async fn issue(
    app: &App,
    client: Client,
    administrator_id: i64,
    ttl_ms: i64,
) -> Result<Issued, Refusal> {
    let now = app.clock.now();
    let issued = Issued {
        id: Uuid::new_v4().to_string(),
        key: credentials::new_key()?,
        device_info: client.user_agent.unwrap_or_default(),
        ip_address: client.address.to_string(),
        time: now,
        expires: now.plus_ms(ttl_ms),
    };
    let token = NewToken {
        id: &issued.id,
        administrator_id,
        key_hash: &credentials::key_hash(&issued.key),
        device_info: &issued.device_info,
        ip_address: &issued.ip_address,
        now,
        expires: issued.expires,
    };
    access::create_token(&app.store, &token).await?;
    Ok(issued)
}

/// Looks for what a key, or another secret with this hash, opens, unless there were too many failures.
/// A wrong one counts as one more, with all other credentials. The stored hash is compared once more,
/// in constant time.
pub async fn open<T>(
    app: &App,
    tried_by: &[Key],
    hash: &str,
    finding: impl Future<Output = Result<Option<T>, StoreError>>,
    stored: impl FnOnce(&T) -> &str,
) -> Result<Option<T>, Refusal> {
    let now = app.clock.now();
    app.throttle.admit(tried_by, now)?;
    let found = finding.await?.filter(|found| credentials::same_hash(stored(found), hash));
    if found.is_none() {
        app.throttle.failed(tried_by, now);
    }
    Ok(found)
}

fn bearer(parts: &Parts) -> Option<&str> {
    let given = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = given.split_once(' ')?;
    Some(key.trim()).filter(|key| scheme.eq_ignore_ascii_case("bearer") && !key.is_empty())
}

/// Checks a login: wrong login, wrong password, wrong one-time code and unknown domain are one and
/// the same 401, in the same time. Gives the administrator's id.
pub async fn log_in(
    app: &App,
    client: &Client,
    domain: &str,
    login: &str,
    password: String,
    code: String,
) -> Result<i64, Refusal> {
    let tried_by = [Key::address(client.address), Key::login(domain, login)];
    let turn = admit(app, &tried_by).await?;
    let found = access::login(&app.store, domain, login).await?;
    let stored = found.as_ref().map(|login| login.password_hash.as_str());
    let same = turn.verify(password, stored).await;
    // Looked at whether the password was right or not: nothing tells which of both was wrong.
    let totp = found.as_ref().and_then(|login| login.totp.as_ref());
    let (secret, last) = totp.map(|t| (t.secret.as_str(), t.last_step)).unzip();
    let step = one_time::matching(secret, last.unwrap_or_default(), &code, app.clock.now());
    let id = match found.as_ref().filter(|_| same) {
        Some(login) if takes_code(app, login, step).await? => Some(login.administrator_id),
        _ => None,
    };
    id.ok_or_else(|| {
        app.throttle.failed(&tried_by, app.clock.now());
        Refusal::new(StatusCode::UNAUTHORIZED, "wrong domain, login, password or code")
    })
}

/// Uses the one-time code up; true too for those who have none.
async fn takes_code(app: &App, login: &Login, step: Option<i64>) -> Result<bool, Refusal> {
    match (&login.totp, step) {
        (None, _) => Ok(true),
        (Some(_), None) => Ok(false),
        (Some(Totp { secret, .. }), Some(step)) => {
            Ok(access::take_step(&app.store, login.administrator_id, secret, step).await?)
        }
    }
}
