//! Who is signed in: a cookie with a key, of which the database has the hash.
//!
//! A session ends with its time, with the password that it began with, or by signing out. There is a
//! new key with every login, and the one before is gone: nobody can prepare one for another.
use axum::http::HeaderMap;

use super::visitor::Visitor;
use crate::{
    credentials,
    domain::{Host, Micros},
    ingress::{App, auth, cookie::Cookie, problem::Refusal, throttle::Key},
    store::{
        StoreError, Tx,
        sessions::{self, Session},
        sites::{self, Site},
    },
};

/// The cookie of a session.
const COOKIE: Cookie = Cookie { name: "adminzone", path: "/adminzone" };
/// Says that a redirect from an address with secrets in it is under way.
const SENT: Cookie = Cookie { name: "adminzone_sent", path: "/adminzone" };
/// How long that may take, in seconds.
const SENT_SECONDS: u64 = 60;

/// The key that a request's cookie has.
pub fn key(headers: &HeaderMap) -> Option<String> {
    COOKIE.key(headers)
}

/// Whether the request has the cookie of [`sent`].
pub fn is_sent(headers: &HeaderMap) -> bool {
    SENT.all(headers).next().is_some()
}

/// The site of whoever is signed in. A key that nobody was given counts as a failed credential.
pub async fn current(app: &App, visitor: &Visitor) -> Result<Option<Site>, Refusal> {
    let Some(key) = &visitor.key else { return Ok(None) };
    let tried_by = [Key::address(visitor.client.address)];
    let key_hash = credentials::key_hash(key);
    let finding = sessions::find(&app.store, &key_hash);
    let found = auth::open(app, &tried_by, &key_hash, finding, |found| &found.key_hash).await?;
    let Some(session) = found else { return Ok(None) };
    let Ok(host) = Host::parse(&session.host) else { return Ok(None) };
    let site = sites::by_host(&app.store, &host).await?;
    Ok(site.filter(|site| is_good(&session, site.password_version, app.clock.now())))
}

fn is_good(session: &Session, password_version: i64, now: Micros) -> bool {
    session.expires > now && session.password_version == password_version
}

/// A session that is about to begin.
pub struct New {
    key: String,
    row: Session,
    now: Micros,
}

impl New {
    /// Of the site's administrator, whose password is of this version.
    pub fn of(app: &App, host: &str, password_version: i64) -> Result<Self, Refusal> {
        let (key, now) = (credentials::new_key()?, app.clock.now());
        let row = Session {
            key_hash: credentials::key_hash(&key),
            host: host.to_owned(),
            password_version,
            expires: now.plus_ms(app.settings.adminzone_session.as_millis() as i64),
        };
        Ok(Self { key, row, now })
    }

    /// Begins it in this transaction.
    pub async fn begin(&self, tx: &Tx) -> Result<(), StoreError> {
        sessions::begin(tx, &self.row, self.now).await
    }

    /// The cookie that the browser gets, once that is committed.
    pub fn cookie(&self, app: &App) -> String {
        let seconds = app.settings.adminzone_session.as_secs();
        COOKIE.set(app, &self.key, seconds)
    }
}

/// Begins a session; the cookie that the browser gets.
pub async fn begin(app: &App, visitor: &Visitor, site: &Site) -> Result<String, Refusal> {
    let new = New::of(app, &site.host, site.password_version)?;
    let begin = async || {
        let tx = app.store.begin().await?;
        new.begin(&tx).await?;
        tx.commit().await
    };
    app.store.again(begin).await?;
    tidy(app, visitor).await;
    Ok(new.cookie(app))
}

/// Removes the session that was before, and some of those that have expired. What stays for now is of
/// no harm: the next login tries again.
pub async fn tidy(app: &App, visitor: &Visitor) {
    let removed = async {
        end(app, visitor).await?;
        sessions::remove_expired(&app.store, app.clock.now()).await
    };
    if let Err(error) = removed.await {
        tracing::debug!(%error, "old sessions could not be removed");
    }
}

/// Ends the session that the visitor says they have.
pub async fn end(app: &App, visitor: &Visitor) -> Result<(), StoreError> {
    match &visitor.key {
        Some(key) => sessions::end(&app.store, &credentials::key_hash(key)).await,
        None => Ok(()),
    }
}

/// Takes the session's cookie from the browser.
pub fn no_cookie(app: &App) -> String {
    COOKIE.remove(app)
}

/// Notes in the browser that it is being redirected from an address with secrets in it.
pub fn sent(app: &App) -> String {
    SENT.set(app, "1", SENT_SECONDS)
}

/// Takes that note away.
pub fn arrived(app: &App) -> String {
    SENT.remove(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_with_its_time_or_its_password() {
        let session = Session {
            key_hash: String::new(),
            host: String::new(),
            password_version: 3,
            expires: Micros(100),
        };
        for (version, now, expected) in
            [(3, 99, true), (3, 100, false), (4, 99, false), (2, 99, false)]
        {
            assert_eq!(is_good(&session, version, Micros(now)), expected, "{version} {now}");
        }
    }
}
