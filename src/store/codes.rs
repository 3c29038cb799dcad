//! Referral codes (contract 2): registered ones, and those that users were given at signup.

use super::{Param, Row, Store, StoreError, connection::Statements, transaction::Runs};
use crate::domain::{Code, Email, Micros};

/// What registering a code came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is new.
    New,
    /// It was there already, for the same e-mail.
    Again,
    /// It belongs to another e-mail, another domain, or another user.
    Taken,
}

/// Registers `code` for the referrer with this e-mail. A programme that is given replaces the
/// code's earlier one.
pub async fn register(
    store: &Store,
    domain_id: i64,
    code: &Code,
    email: &Email,
    program_id: Option<i64>,
    now: Micros,
) -> Result<Registered, StoreError> {
    const SET_PROGRAMME: &str = "UPDATE code SET program_id = {?} WHERE code = {?}";
    if is_anothers_own(store, domain_id, code, email).await? {
        return Ok(Registered::Taken);
    }
    match insert(store, domain_id, code, email, program_id, now).await {
        Ok(()) => return Ok(Registered::New),
        Err(StoreError::Taken(_)) => {}
        Err(error) => return Err(error),
    }
    const FIND: &str = "SELECT domain_id, email_key FROM code WHERE code = {?}";
    let row = store.one(FIND, vec![code.as_str().into()]).await?;
    if !row.as_ref().map_or(Ok(false), |row| is_of(row, domain_id, email))? {
        return Ok(Registered::Taken);
    }
    if program_id.is_some() {
        let params = vec![program_id.into(), code.as_str().into()];
        store.run(SET_PROGRAMME, None, params).await?;
    }
    Ok(Registered::Again)
}

/// Adds a code; [`StoreError::Taken`] where somebody registered it.
pub(super) async fn insert<C: Runs>(
    on: &Statements<C>,
    domain_id: i64,
    code: &Code,
    email: &Email,
    program_id: Option<i64>,
    now: Micros,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO code (code, domain_id, email, email_key, program_id, \
        ctime_us) VALUES ({?}, {?}, {?}, {?}, {?}, {?})";
    let params = vec![
        code.as_str().into(),
        domain_id.into(),
        email.spelling().into(),
        email.key().into(),
        program_id.into(),
        now.0.into(),
    ];
    on.run(INSERT, None, params).await.map(|_| ())
}

/// Whether the code is the own code of a user who is not the one with this e-mail.
async fn is_anothers_own(
    store: &Store,
    domain_id: i64,
    code: &Code,
    email: &Email,
) -> Result<bool, StoreError> {
    const FIND: &str = "SELECT domain_id, email_key FROM account WHERE code = {?}";
    let row = store.one(FIND, vec![code.as_str().into()]).await?;
    row.as_ref().map_or(Ok(false), |row| Ok(!is_of(row, domain_id, email)?))
}

fn is_of(row: &Row, domain_id: i64, email: &Email) -> Result<bool, StoreError> {
    let same_email = row.text_or_null("email_key")?.as_deref() == Some(email.key());
    Ok(row.int("domain_id")? == domain_id && same_email)
}

/// The name of the domain that a code belongs to: a user's own there, or registered there. A user's own
/// comes first, as another domain may have registered it before there was the user.
pub async fn domain_of(store: &Store, code: &Code) -> Result<Option<String>, StoreError> {
    const FIND: &str = "SELECT d.name AS name, 0 AS place FROM account a \
        JOIN domain d ON d.id = a.domain_id WHERE a.code = {?} \
        UNION ALL SELECT d.name AS name, 1 AS place FROM code c \
        JOIN domain d ON d.id = c.domain_id WHERE c.code = {?} ORDER BY place";
    let code = || Param::from(code.as_str());
    let row = store.one(FIND, vec![code(), code()]).await?;
    row.map(|row| row.text("name")).transpose()
}
