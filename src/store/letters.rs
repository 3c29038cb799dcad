//! Letters and the links in them (contract 3).
use super::{Row, Store, StoreError, Tx};
use crate::domain::Micros;

/// A link to set a password with.
pub struct Link {
    /// The hash it was found by, to be compared once more in constant time.
    pub token_hash: String,
    /// The site.
    pub host: String,
    /// The password that it replaces.
    pub password_version: i64,
}

/// The link with this token hash, unless it is out of date.
pub async fn link(
    store: &Store,
    token_hash: &str,
    now: Micros,
) -> Result<Option<Link>, StoreError> {
    const FIND: &str = "SELECT token_hash, host, password_version FROM password_link \
        WHERE token_hash = {?} AND expires_us > {?}";
    let row = store.one(FIND, vec![token_hash.into(), now.0.into()]).await?;
    let read = |row: Row| {
        Ok(Link {
            token_hash: row.text("token_hash")?,
            host: row.text("host")?,
            password_version: row.int("password_version")?,
        })
    };
    row.map(read).transpose()
}

/// Posts a letter.
pub async fn post(
    tx: &Tx,
    kind: &str,
    host: &str,
    email: &str,
    now: Micros,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO letter (id, host, kind, email, created_us, state, attempts, \
        next_attempt_us, lease_until_us) VALUES ({?}, {?}, {?}, {?}, {?}, 'pending', 0, {?}, 0)";
    let params = vec![
        uuid::Uuid::new_v4().to_string().into(),
        host.into(),
        kind.into(),
        email.into(),
        now.0.into(),
        now.0.into(),
    ];
    tx.run(INSERT, None, params).await.map(|_| ())
}

/// Whether a letter of this kind was posted to the site since then.
pub async fn posted_since(
    tx: &Tx,
    kind: &str,
    host: &str,
    since: Micros,
) -> Result<bool, StoreError> {
    const FIND: &str = "SELECT 1 AS one FROM letter \
        WHERE host = {?} AND created_us > {?} AND kind = {?} LIMIT 1";
    let params = vec![host.into(), since.0.into(), kind.into()];
    Ok(tx.one(FIND, params).await?.is_some())
}
