//! `GET /statement/<user_hash>/` (contract 5): a user's sums and the entries they are made of.
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    both,
    shapes::{self, ShownProgramme},
};
use crate::{
    domain::Money,
    ingress::{App, auth::Caller, problem::Refusal},
    store::accounts::{self, Entry},
};

pub fn routes() -> Router<App> {
    both("/statement/{user_hash}", get(show))
}

#[derive(Serialize)]
struct Statement {
    /// The misspelling is part of the interface.
    potencial_credit: Box<RawValue>,
    referral_program: Option<ShownProgramme>,
    code: String,
    acquired_credit: Box<RawValue>,
    signup_credit: Box<RawValue>,
    reward: Box<RawValue>,
    currency: String,
    entries: Vec<ShownEntry>,
}

#[derive(Serialize)]
struct ShownEntry {
    id: String,
    kind: String,
    amount: String,
    currency: String,
    time: String,
    referred_user_hash: String,
    causes: Vec<Cause>,
}

#[derive(Serialize)]
struct Cause {
    source: String,
    id: String,
}

async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(user_hash): Path<String>,
) -> Result<Json<Statement>, Refusal> {
    let domain = &caller.domain;
    let account = accounts::account(&app.store, domain.id, &user_hash).await?;
    let account = account.ok_or_else(|| Refusal::not_found("user not found"))?;
    let reward = accounts::reward(&app.store, domain.id, &user_hash).await?;
    let entries = accounts::entries(&app.store, domain.id, &user_hash).await?;
    let currency = account.terms.as_ref().map_or(domain.currency.as_str(), |t| &t.currency);
    let currency = currency.to_owned();
    let sums = Sums::of(&entries, &currency);
    let shown = entries.into_iter().map(|entry| ShownEntry {
        id: entry.id,
        kind: entry.kind,
        amount: entry.amount.to_string(),
        currency: entry.currency,
        time: entry.time.rfc3339(domain.zone),
        referred_user_hash: entry.referred_user_hash,
        causes: entry.causes.into_iter().map(|(source, id)| Cause { source, id }).collect(),
    });
    Ok(Json(Statement {
        potencial_credit: sums.potential.json_number(),
        referral_program: account.terms.map(|own| shapes::terms(own, &app.settings.public_url)),
        code: account.code,
        acquired_credit: sums.acquired.json_number(),
        signup_credit: sums.signup.json_number(),
        reward: reward.json_number(),
        entries: shown.collect(),
        currency,
    }))
}

/// A user's credits. What is acquired has left the potential.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    potential: Money,
    acquired: Money,
    signup: Money,
}

impl Sums {
    fn of(entries: &[Entry], currency: &str) -> Self {
        let sum = |kind: &str| {
            let of_kind = entries.iter().filter(|e| e.kind == kind && e.currency == currency);
            of_kind.fold(0_i64, |sum, entry| sum.saturating_add(entry.amount.minor()))
        };
        let acquired = sum("acquired_credit");
        Self {
            potential: Money::from_minor(sum("potential_credit") - acquired),
            acquired: Money::from_minor(acquired),
            signup: Money::from_minor(sum("signup_credit")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Micros;

    #[test]
    fn what_is_acquired_has_left_the_potential() {
        let entry = |kind: &str, minor, currency: &str| Entry {
            id: String::new(),
            kind: kind.to_owned(),
            amount: Money::from_minor(minor),
            currency: currency.to_owned(),
            time: Micros(0),
            referred_user_hash: String::new(),
            causes: Vec::new(),
        };
        let entries = [
            entry("signup_credit", 1000, "USD"),
            entry("potential_credit", 2500, "USD"),
            entry("potential_credit", 2500, "USD"),
            entry("acquired_credit", 2500, "USD"),
            entry("potential_credit", 700, "EUR"),
        ];
        let [potential, acquired, signup] = [2500, 2500, 1000].map(Money::from_minor);
        assert_eq!(Sums::of(&entries, "USD"), Sums { potential, acquired, signup });
        assert_eq!(Sums::of(&[], "USD"), Sums::default());
    }
}
