//! Logins and tokens (contract 2): what the ingress admits callers by.
//!
//! Only hashes are kept; this file never sees a password or a key.
use super::{
    Row, Store, StoreError,
    reference::{self, Domain},
};
use crate::domain::Micros;

/// An administrator as a login finds them.
pub struct Login {
    /// Their key in the table of tokens.
    pub administrator_id: i64,
    /// What the password is checked against.
    pub password_hash: String,
    /// What the one-time code is checked against; none: they have none.
    pub totp: Option<Totp>,
}

/// How the one-time codes of an administrator stand.
pub struct Totp {
    /// What they are made of, in base32.
    pub secret: String,
    /// The last step whose code was taken.
    pub last_step: i64,
}

/// Looks an administrator up by domain name and login.
pub async fn login(store: &Store, domain: &str, login: &str) -> Result<Option<Login>, StoreError> {
    const FIND: &str = "SELECT a.id AS id, a.password_hash AS password_hash, \
        a.totp_secret AS totp_secret, a.totp_step AS totp_step \
        FROM administrator a JOIN domain d ON d.id = a.domain_id \
        WHERE d.name = {?} AND a.login = {?}";
    let row = store.one(FIND, vec![domain.into(), login.into()]).await?;
    let read = |row: Row| {
        let last_step = row.int("totp_step")?;
        let totp = row.text_or_null("totp_secret")?.map(|secret| Totp { secret, last_step });
        let password_hash = row.text("password_hash")?;
        Ok(Login { administrator_id: row.int("id")?, password_hash, totp })
    };
    row.map(read).transpose()
}

/// Sets or takes away what an administrator's one-time codes are made of.
pub async fn set_totp(
    store: &Store,
    administrator_id: i64,
    secret: Option<&str>,
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE administrator SET totp_secret = {?}, totp_step = 0 WHERE id = {?}";
    store.run(UPDATE, None, vec![secret.into(), administrator_id.into()]).await.map(|_| ())
}

/// Takes the code of this step, made of this secret; false where it, or a later one, was taken
/// already: of several who come with one code at once exactly one is told true.
pub async fn take_step(
    store: &Store,
    administrator_id: i64,
    secret: &str,
    step: i64,
) -> Result<bool, StoreError> {
    const TAKE: &str = "UPDATE administrator SET totp_step = {?} \
        WHERE id = {?} AND totp_secret = {?} AND totp_step < {?}";
    let params = || vec![step.into(), administrator_id.into(), secret.into(), step.into()];
    Ok(store.again(async || store.run(TAKE, None, params()).await).await? > 0)
}

/// A token to be stored.
pub struct NewToken<'a> {
    /// UUID, for revoking.
    pub id: &'a str,
    /// Whose it is.
    pub administrator_id: i64,
    /// SHA-256 of the key, in hex.
    pub key_hash: &'a str,
    /// The `User-Agent` it was issued to.
    pub device_info: &'a str,
    /// The address it was issued to.
    pub ip_address: &'a str,
    /// When.
    pub now: Micros,
    /// Until when it is good.
    pub expires: Micros,
}

/// Stores a token.
pub async fn create_token(store: &Store, token: &NewToken<'_>) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO token (id, administrator_id, key_hash, device_info, \
        ip_address, ctime_us, expires_us) VALUES ({?}, {?}, {?}, {?}, {?}, {?}, {?})";
    let params = vec![
        token.id.into(),
        token.administrator_id.into(),
        token.key_hash.into(),
        token.device_info.into(),
        token.ip_address.into(),
        token.now.0.into(),
        token.expires.0.into(),
    ];
    store.run(INSERT, None, params).await.map(|_| ())
}

/// A token that was found, with its tenant.
pub struct Held {
    /// The hash it was found by, to be compared once more in constant time.
    pub key_hash: String,
    /// For revoking.
    pub id: String,
    /// Whose it is.
    pub administrator_id: i64,
    /// Their login.
    pub login: String,
    /// The tenant that it sees and changes.
    pub domain: Domain,
}

/// The token with this key hash, unless it is revoked or out of date.
pub async fn token(store: &Store, key_hash: &str, now: Micros) -> Result<Option<Held>, StoreError> {
    const FIND: &str = "SELECT t.key_hash AS key_hash, t.id AS token_id, \
        t.administrator_id AS administrator_id, a.login AS login, d.id AS id, d.name AS name, \
        d.timezone AS timezone, d.currency AS currency FROM token t JOIN administrator a ON a.id = t.administrator_id \
        JOIN domain d ON d.id = a.domain_id \
        WHERE t.key_hash = {?} AND t.revoked_us IS NULL AND t.expires_us > {?}";
    let row = store.one(FIND, vec![key_hash.into(), now.0.into()]).await?;
    let read = |row: Row| {
        Ok(Held {
            key_hash: row.text("key_hash")?,
            id: row.text("token_id")?,
            administrator_id: row.int("administrator_id")?,
            login: row.text("login")?,
            domain: reference::domain(&row)?,
        })
    };
    row.map(read).transpose()
}

/// Revokes a token of this domain; false where the domain has none of this id.
pub async fn revoke_token(
    store: &Store,
    domain_id: i64,
    id: &str,
    now: Micros,
) -> Result<bool, StoreError> {
    const FIND: &str = "SELECT t.id AS id FROM token t \
        JOIN administrator a ON a.id = t.administrator_id WHERE t.id = {?} AND a.domain_id = {?}";
    const REVOKE: &str = "UPDATE token SET revoked_us = {?} WHERE id = {?} AND revoked_us IS NULL";
    if store.one(FIND, vec![id.into(), domain_id.into()]).await?.is_none() {
        return Ok(false);
    }
    store.run(REVOKE, None, vec![now.0.into(), id.into()]).await?;
    Ok(true)
}
