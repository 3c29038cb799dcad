//! Who is signed in at the client's page (contract 3), written by the ingress.
//!
//! Only hashes of keys are kept; this file never sees one. A session is of the password that it began
//! with: setting another ends it without a word to this table.
use super::{Store, StoreError, Tx};
use crate::domain::Micros;

/// Expired sessions that are removed at most with each that begins: more than one, so that they
/// become fewer, and no more than passes unnoticed.
const EXPIRED_REMOVED_MAX: i64 = 100;

/// A session as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the key, in hex.
    pub key_hash: String,
    /// The site whose administrator is signed in.
    pub host: String,
    /// The password they signed in with.
    pub password_version: i64,
    /// Until when.
    pub expires: Micros,
}

/// Begins a session.
pub async fn begin(tx: &Tx, session: &Session, now: Micros) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO site_session (key_hash, host, password_version, ctime_us, \
        expires_us) VALUES ({?}, {?}, {?}, {?}, {?})";
    let params = vec![
        session.key_hash.as_str().into(),
        session.host.as_str().into(),
        session.password_version.into(),
        now.0.into(),
        session.expires.0.into(),
    ];
    tx.run(INSERT, None, params).await.map(|_| ())
}

/// The session with this key hash, be it expired or of an old password.
pub async fn find(store: &Store, key_hash: &str) -> Result<Option<Session>, StoreError> {
    const FIND: &str = "SELECT key_hash, host, password_version, expires_us \
        FROM site_session WHERE key_hash = {?}";
    let row = store.one(FIND, vec![key_hash.into()]).await?;
    let read = |row: super::Row| {
        Ok(Session {
            key_hash: row.text("key_hash")?,
            host: row.text("host")?,
            password_version: row.int("password_version")?,
            expires: Micros(row.int("expires_us")?),
        })
    };
    row.map(read).transpose()
}

/// Ends a session.
pub async fn end(store: &Store, key_hash: &str) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM site_session WHERE key_hash = {?}";
    let delete = async || store.run(DELETE, None, vec![key_hash.into()]).await;
    store.again(delete).await.map(|_| ())
}

/// Removes some of those that have expired, the longest expired first.
pub async fn remove_expired(store: &Store, now: Micros) -> Result<usize, StoreError> {
    store.remove_expired("site_session", "key_hash", now, EXPIRED_REMOVED_MAX).await
}
