//! Who is signed in: a cookie with a key, of which the database has the hash.
//!
//! A session ends with its time, with the password that it began with, or by signing out. There is a
//! new key with every login, and the one before is gone: nobody can prepare one for another.
use axum::http::{HeaderMap, header};

use super::visitor::Visitor;
use crate::{
    credentials,
    domain::{Host, Micros},
    ingress::{App, auth, problem::Refusal, throttle::Key},
    store::{
        StoreError, Tx,
        sessions::{self, Session},
        sites::{self, Site},
    },
};

/// The cookie of a session.
const COOKIE: &str = "adminzone";
/// Says that a redirect from an address with secrets in it is under way.
const SENT: &str = "adminzone_sent";
/// How long that may take, in seconds.
const SENT_SECONDS: u64 = 60;

/// The key that a request's cookie has.
pub fn key(headers: &HeaderMap) -> Option<String> {
    let is_key =
        |key: &&str| key.len() == 40 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    cookie(headers, COOKIE).find(is_key).map(str::to_owned)
}

/// Whether the request has the cookie of [`sent`].
pub fn is_sent(headers: &HeaderMap) -> bool {
    cookie(headers, SENT).next().is_some()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.filter(move |(given, _)| given.trim() == name).map(|(_, value)| value.trim())
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
        set(COOKIE, &self.key, seconds, is_https(app))
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
    set(COOKIE, "", 0, is_https(app))
}

/// Notes in the browser that it is being redirected from an address with secrets in it.
pub fn sent(app: &App) -> String {
    set(SENT, "1", SENT_SECONDS, is_https(app))
}

/// Takes that note away.
pub fn arrived(app: &App) -> String {
    set(SENT, "", 0, is_https(app))
}

fn is_https(app: &App) -> bool {
    app.settings.public_url.starts_with("https:")
}

fn set(name: &str, value: &str, seconds: u64, is_https: bool) -> String {
    let secure = if is_https { "; Secure" } else { "" };
    format!("{name}={value}; Path=/adminzone; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_cookie_is_for_these_pages_alone_and_for_no_script() {
        assert_eq!(
            set(COOKIE, KEY, 43_200, true),
            format!(
                "adminzone={KEY}; Path=/adminzone; Max-Age=43200; HttpOnly; SameSite=Lax; Secure"
            )
        );
        let gone = set(COOKIE, "", 0, false);
        assert_eq!(gone, "adminzone=; Path=/adminzone; Max-Age=0; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn a_key_is_found_among_other_cookies() {
        let of = |lines: &[&str]| {
            let value = |line: &&str| HeaderValue::from_str(line).unwrap();
            let lines = lines.iter().map(|line| (header::COOKIE, value(line)));
            let headers = lines.fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
            (key(&headers), is_sent(&headers))
        };
        let found = Some(KEY.to_owned());
        let one = format!("a=b; adminzone={KEY};c=d");
        assert_eq!(of(&[&one]), (found.clone(), false));
        assert_eq!(of(&["a=b", "adminzone_sent=1", &one]), (found, true));
        for bad in ["", "adminzone=", "adminzone=1", "xadminzone=1", "adminzone"] {
            assert_eq!(of(&[bad]), (None, false), "{bad}");
        }
        let upper = format!("adminzone={}", KEY.to_uppercase());
        assert_eq!(of(&[&upper]), (None, false));
    }

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
