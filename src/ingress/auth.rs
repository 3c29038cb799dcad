//! Who may: bearer tokens and logins (contract 2), and how often they may be tried.
//!
//! The domain comes from the token alone. Refuses to say which part of a credential was wrong.
use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};
use tokio::sync::Semaphore;

use super::{App, client::Client, problem::Refusal, throttle::Key};
use crate::{
    credentials,
    store::{
        access::{self, Login},
        reference::Domain,
    },
};

/// Passwords hashed at once: each takes a core and 19 MiB. It also bounds by how many tries a
/// burst can overshoot the limit on failures.
const HASHING_MAX: usize = 2;

/// The gate in front of argon2.
#[derive(Clone)]
pub struct Hashing(Arc<Semaphore>);

impl Default for Hashing {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(HASHING_MAX)))
    }
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
        let tried_by = [Key::address(client.address)];
        let now = app.clock.now();
        let Some(key) = bearer(parts) else {
            // Nothing was tried, so nothing failed.
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "a bearer token is required"));
        };
        app.throttle.admit(&tried_by, now)?;
        let key_hash = credentials::key_hash(key);
        let held = access::token(&app.store, &key_hash, now).await?;
        match held.filter(|held| credentials::same_hash(&held.key_hash, &key_hash)) {
            Some(held) => Ok(Self { domain: held.domain }),
            None => {
                app.throttle.failed(&tried_by, now);
                Err(Refusal::new(StatusCode::UNAUTHORIZED, "the bearer token is not valid"))
            }
        }
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let given = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = given.split_once(' ')?;
    Some(key.trim()).filter(|key| scheme.eq_ignore_ascii_case("bearer") && !key.is_empty())
}

/// Checks a login: wrong login, wrong password and unknown domain are one and the same 401, in
/// the same time. Gives the administrator's id.
pub async fn log_in(
    app: &App,
    client: &Client,
    domain: &str,
    login: &str,
    password: String,
) -> Result<i64, Refusal> {
    let tried_by = [Key::address(client.address), Key::login(domain, login)];
    let closed = |_| Refusal::unavailable("stopping");
    let turn = app.hashing.0.clone().acquire_owned().await.map_err(closed)?;
    // Asked only now: those who waited for their turn count each other's failures.
    app.throttle.admit(&tried_by, app.clock.now())?;
    let found = access::login(&app.store, domain, login).await?;
    let (administrator_id, hash) = match found {
        Some(Login { administrator_id, password_hash }) => {
            (Some(administrator_id), Some(password_hash))
        }
        None => (None, None),
    };
    let check = move || {
        let same = credentials::verify_password(&password, hash.as_deref());
        drop(turn);
        same
    };
    let same = tokio::task::spawn_blocking(check).await.unwrap_or(false);
    match administrator_id.filter(|_| same) {
        Some(id) => Ok(id),
        None => {
            app.throttle.failed(&tried_by, app.clock.now());
            Err(Refusal::new(StatusCode::UNAUTHORIZED, "wrong domain, login or password"))
        }
    }
}
