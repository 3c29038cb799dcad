//! Letters (contract 3): put here by the ingress with what they tell of, moved by the mail worker;
//! and the links in them, which the ingress looks up.
//!
//! Owns what both sides share. Refuses to keep a secret: of a link only the hash is here.
use super::{Store, StoreError, Tx};
use crate::domain::{Email, Host, Micros};

/// What a letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterKind {
    /// The site is registered: how its administrator gets in.
    Access,
    /// A new link to set a password was asked for.
    Password,
}

impl LetterKind {
    /// As the row has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Password => "password",
        }
    }

    /// The kind that a row names.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Access, Self::Password].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Puts a letter down to be sent, in the transaction of what it tells of; its id. After the commit
/// publish `broker::hints::LETTERS.of(ids)`; where that is lost the worker finds it by itself.
pub async fn post(
    tx: &Tx,
    kind: LetterKind,
    host: &Host,
    email: &Email,
    now: Micros,
) -> Result<String, StoreError> {
    const INSERT: &str = "INSERT INTO letter (id, host, kind, email, created_us, state, attempts, \
        next_attempt_us, lease_until_us) \
        VALUES ({?}, {?}, {?}, {?}, {?}, 'pending', 0, {?}, 0)";
    let id = uuid::Uuid::now_v7().to_string();
    let params = vec![
        id.as_str().into(),
        host.as_str().into(),
        kind.as_str().into(),
        email.spelling().into(),
        now.0.into(),
        now.0.into(),
    ];
    tx.run(INSERT, None, params).await?;
    Ok(id)
}

/// A link of a letter that is still good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The hash it was found by, to be compared once more in constant time.
    pub token_hash: String,
    /// Whose password it sets.
    pub host: String,
    /// The password that it replaces: it is good for as long as the site has this version, so who
    /// sets one does it by `UPDATE … WHERE host = … AND password_version = …`.
    pub password_version: i64,
}

/// The link of this hash ([`credentials::key_hash`](crate::credentials::key_hash) of the token);
/// none where there is no such link, it expired, or the password was set meanwhile.
pub async fn link(
    store: &Store,
    token_hash: &str,
    now: Micros,
) -> Result<Option<Link>, StoreError> {
    const FIND: &str = "SELECT l.token_hash, l.host, l.password_version FROM password_link l \
        JOIN site s ON s.host = l.host AND s.password_version = l.password_version \
        WHERE l.token_hash = {?} AND l.expires_us > {?}";
    let row = store.one(FIND, vec![token_hash.into(), now.0.into()]).await?;
    row.map(|row| {
        Ok(Link {
            token_hash: row.text("token_hash")?,
            host: row.text("host")?,
            password_version: row.int("password_version")?,
        })
    })
    .transpose()
}

/// Whether a letter of this kind was posted to the site since then.
pub async fn posted_since(
    tx: &Tx,
    kind: LetterKind,
    host: &Host,
    since: Micros,
) -> Result<bool, StoreError> {
    const FIND: &str = "SELECT 1 AS one FROM letter \
        WHERE host = {?} AND created_us > {?} AND kind = {?} LIMIT 1";
    let params = vec![host.as_str().into(), since.0.into(), kind.as_str().into()];
    Ok(tx.one(FIND, params).await?.is_some())
}
