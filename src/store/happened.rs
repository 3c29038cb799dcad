//! What became of an event: for `GET /v1/events/{id}` (contract 5). Read only.
use super::{Store, StoreError};
use crate::domain::{Code, EventKey, EventType, Money, UserHash};

/// What is known of an event that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Which kind of fact it was.
    pub event_type: EventType,
    /// The outcome first given, as in the reply of contract 1.
    pub outcome: String,
    /// Signups: the user, and the user's own code.
    pub user: Option<(String, Code)>,
    /// Payments.
    pub acquired_credit: Option<Money>,
}

/// Looks an event of this domain up; `None` while it has had no effect.
pub async fn find(
    store: &Store,
    domain_id: i64,
    key: &EventKey,
) -> Result<Option<Happened>, StoreError> {
    const SIGNUP: &str =
        "SELECT user_hash, outcome FROM signup WHERE event_key = {?} AND domain_id = {?}";
    const PAYMENT: &str =
        "SELECT acquired_minor FROM payment WHERE event_key = {?} AND domain_id = {?}";
    const CLICK: &str = "SELECT code FROM click WHERE event_key = {?} AND domain_id = {?}";
    let params = || vec![key.as_str().into(), domain_id.into()];
    if let Some(row) = store.one(SIGNUP, params()).await? {
        let Some(outcome) = row.text_or_null("outcome")? else { return Ok(None) };
        let user_hash = row.text("user_hash")?;
        let code = UserHash::parse(&user_hash).ok().map(|hash| Code::of_user(domain_id, &hash));
        let user = code.map(|code| (user_hash, code));
        let event_type = EventType::Signup;
        return Ok(Some(Happened { event_type, outcome, user, acquired_credit: None }));
    }
    let accepted = |event_type, acquired_credit| {
        let outcome = "accepted".to_owned();
        Ok(Some(Happened { event_type, outcome, user: None, acquired_credit }))
    };
    if let Some(row) = store.one(PAYMENT, params()).await? {
        let acquired = Money::from_minor(row.int_or_null("acquired_minor")?.unwrap_or_default());
        return accepted(EventType::Payment, Some(acquired));
    }
    if store.one(CLICK, params()).await?.is_some() {
        return accepted(EventType::Click, None);
    }
    Ok(None)
}
