//! Partners: their logins (contract 3), their keys, and who a key stands for (contract 4). Written by
//! the operator's commands, read by the ingress.
//!
//! Only hashes are kept; this file never sees a partner's code or a key. A partner is the user with that e-mail;
//! a key may be made before that user is there.
use super::{
    Row, Store, StoreError, codes,
    reference::{self, Domain},
};
use crate::domain::{Code, Email, Micros};

/// A partner that is to be made.
pub struct NewPartner<'a> {
    /// The tenant.
    pub domain_id: i64,
    /// No other partner's, in whichever domain.
    pub login: &'a str,
    /// The partner is the user with this e-mail.
    pub email: &'a Email,
    /// Of the code that the partner calls with.
    pub code_hash: &'a str,
    /// What its registrations come with, until that user is there and after; nobody's so far.
    pub referral_code: &'a Code,
    /// When.
    pub now: Micros,
}

/// Makes a partner; [`StoreError::Taken`] where the login is, in whichever domain.
pub async fn create(store: &Store, partner: &NewPartner<'_>) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO partner (domain_id, login, email, email_key, code_hash, \
        referral_code, ctime_us) VALUES ({?}, {?}, {?}, {?}, {?}, {?}, {?})";
    let NewPartner { domain_id, login, email, code_hash, referral_code, now } = partner;
    let params = || {
        vec![
            (*domain_id).into(),
            (*login).into(),
            email.spelling().into(),
            email.key().into(),
            (*code_hash).into(),
            referral_code.as_str().into(),
            now.0.into(),
        ]
    };
    store
        .again(async || {
            let tx = store.begin().await?;
            tx.run(INSERT, None, params()).await?;
            codes::insert(&tx, *domain_id, referral_code, email, None, *now).await?;
            tx.commit().await
        })
        .await
}

/// Who calls the UMI dialect.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The partner's key in other tables.
    pub id: i64,
    /// The tenant.
    pub domain: Domain,
    /// Of the partner's code, to be compared in constant time.
    pub code_hash: String,
    /// What its registrations come with; none: the partner is of an earlier time.
    pub referral_code: Option<Code>,
    email: Email,
}

/// The partner with this login.
pub async fn by_login(store: &Store, login: &str) -> Result<Option<Caller>, StoreError> {
    const FIND: &str = "SELECT p.id AS partner_id, p.code_hash AS code_hash, p.email AS email, \
        p.referral_code AS referral_code, d.id AS id, d.name AS name, d.timezone AS timezone, \
        d.currency AS currency FROM partner p JOIN domain d ON d.id = p.domain_id \
        WHERE p.login = {?} AND p.code_hash IS NOT NULL";
    let Some(row) = store.one(FIND, vec![login.into()]).await? else { return Ok(None) };
    let broken = |what: &str| StoreError::Broken(format!("partner.{what} is none"));
    let code = row.text_or_null("referral_code")?;
    Ok(Some(Caller {
        id: row.int("partner_id")?,
        domain: reference::domain(&row)?,
        code_hash: row.text("code_hash")?,
        referral_code: code
            .map(|code| Code::parse(&code).map_err(|_| broken("referral_code")))
            .transpose()?,
        email: Email::parse(&row.text("email")?).map_err(|_| broken("email"))?,
    }))
}

/// Gives a partner of an earlier time a code to refer with; the one that it has then.
pub async fn give_code(
    store: &Store,
    partner: &Caller,
    code: &Code,
    now: Micros,
) -> Result<Code, StoreError> {
    const LOCK: &str = "SELECT referral_code FROM partner WHERE id = {?} {for update}";
    const SET: &str = "UPDATE partner SET referral_code = {?} WHERE id = {?}";
    store
        .again(async || {
            let tx = store.begin().await?;
            let row = tx.one(LOCK, vec![partner.id.into()]).await?;
            let has = row.map(|row| row.text_or_null("referral_code")).transpose()?.flatten();
            if let Some(Ok(code)) = has.as_deref().map(Code::parse) {
                tx.rollback().await?;
                return Ok(code);
            }
            codes::insert(&tx, partner.domain.id, code, &partner.email, None, now).await?;
            tx.run(SET, None, vec![code.as_str().into(), partner.id.into()]).await?;
            tx.commit().await?;
            Ok(code.clone())
        })
        .await
}

/// Gives the person with this e-mail a key; the one they had stops working at once.
pub async fn set_key(
    store: &Store,
    domain_id: i64,
    email: &Email,
    key_hash: &str,
    now: Micros,
) -> Result<(), StoreError> {
    const SET: &str = "INSERT INTO partner_key (domain_id, email_key, key_hash, ctime_us) \
        VALUES ({?}, {?}, {?}, {?}) {conflict domain_id, email_key} \
        key_hash = {new key_hash}, ctime_us = {new ctime_us}, revoked_us = NULL";
    let params = || vec![domain_id.into(), email.key().into(), key_hash.into(), now.0.into()];
    store.again(async || store.run(SET, None, params()).await).await.map(|_| ())
}

/// Takes the key of the person with this e-mail away; false where they have none that works.
pub async fn revoke_key(
    store: &Store,
    domain_id: i64,
    email: &Email,
    now: Micros,
) -> Result<bool, StoreError> {
    const REVOKE: &str = "UPDATE partner_key SET revoked_us = {?} \
        WHERE domain_id = {?} AND email_key = {?} AND revoked_us IS NULL";
    let params = || vec![now.0.into(), domain_id.into(), email.key().into()];
    Ok(store.again(async || store.run(REVOKE, None, params()).await).await? > 0)
}

/// The user that a partner is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerUser {
    /// The upstream system's name for them.
    pub user_hash: String,
    /// The code that they were given at signup.
    pub code: String,
}

/// Whom a key stands for.
#[derive(Debug, Clone)]
pub struct Partner {
    /// The hash the key was found by, to be compared once more in constant time.
    pub key_hash: String,
    /// The tenant.
    pub domain: Domain,
    /// The user with the key's e-mail; none yet: nobody has signed up with it.
    pub user: Option<PartnerUser>,
    /// The codes that are registered with the e-mail, oldest first.
    pub registered: Vec<String>,
}

impl Partner {
    /// The code of the partner's link: their own, which never changes, else the oldest registered.
    pub fn code(&self) -> Option<&str> {
        let own = self.user.as_ref().map(|user| &user.code);
        own.or(self.registered.first()).map(String::as_str)
    }

    /// All codes whose clicks are the partner's, each once.
    pub fn codes(&self) -> Vec<&str> {
        let own = self.user.as_ref().map(|user| user.code.as_str());
        let others = self.registered.iter().map(String::as_str).filter(|code| Some(*code) != own);
        own.into_iter().chain(others).collect()
    }
}

/// The partner with this key hash, unless it is revoked.
pub async fn by_key(store: &Store, key_hash: &str) -> Result<Option<Partner>, StoreError> {
    const FIND: &str = "SELECT k.key_hash AS key_hash, k.email_key AS email_key, d.id AS id, \
        d.name AS name, d.timezone AS timezone, d.currency AS currency, \
        a.user_hash AS user_hash, a.code AS code \
        FROM partner_key k JOIN domain d ON d.id = k.domain_id \
        LEFT JOIN account_email e ON e.domain_id = k.domain_id AND e.email_key = k.email_key \
        LEFT JOIN account a ON a.domain_id = e.domain_id AND a.user_hash = e.user_hash \
        WHERE k.key_hash = {?} AND k.revoked_us IS NULL";
    const CODES: &str = "SELECT code FROM code WHERE domain_id = {?} AND email_key = {?} \
        ORDER BY ctime_us, code";
    let Some(row) = store.one(FIND, vec![key_hash.into()]).await? else { return Ok(None) };
    let domain = reference::domain(&row)?;
    let params = vec![domain.id.into(), row.text("email_key")?.into()];
    let registered = store.all(CODES, None, params).await?;
    Ok(Some(Partner {
        key_hash: row.text("key_hash")?,
        domain,
        user: user(&row)?,
        registered: registered.iter().map(|row| row.text("code")).collect::<Result<_, _>>()?,
    }))
}

fn user(row: &Row) -> Result<Option<PartnerUser>, StoreError> {
    let found = row.text_or_null("user_hash")?.zip(row.text_or_null("code")?);
    Ok(found.map(|(user_hash, code)| PartnerUser { user_hash, code }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;

    #[test]
    fn the_own_code_comes_first_and_no_code_twice() {
        let partner = |own: Option<&str>, registered: &[&str]| Partner {
            key_hash: String::new(),
            domain: Domain {
                id: 1,
                name: "default".to_owned(),
                zone: chrono_tz::UTC,
                currency: Currency::parse("USD").unwrap(),
            },
            user: own.map(|code| PartnerUser { user_hash: "u".into(), code: code.into() }),
            registered: registered.iter().map(|code| (*code).to_owned()).collect(),
        };
        for (own, registered, code, codes) in [
            (None, &[][..], None, &[][..]),
            (None, &["r", "s"], Some("r"), &["r", "s"]),
            (Some("o"), &[], Some("o"), &["o"]),
            (Some("o"), &["r", "o"], Some("o"), &["o", "r"]),
        ] {
            let partner = partner(own, registered);
            assert_eq!((partner.code(), partner.codes()), (code, codes.to_vec()));
        }
    }
}
