//! What programmes and users look like in answers, members in contract 5's order.
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    domain::money,
    store::{
        accounts::{Account, AccountTerms},
        reference::Programme,
    },
};

/// A programme
#[derive(Serialize, ToSchema)]
#[schema(as = Programme, example = json!({
    "id": 1, "name": "Default", "credit_value": 10.0, "target_value": 25.0, "link": "http://127.0.0.1:8080/program/1",
    "reward_percent": 0.0, "currency": "USD",
}))]
pub struct ShownProgramme {
    id: i64,
    name: String,
    /// What the referred user gets at signup
    #[schema(value_type = f64)]
    credit_value: Box<RawValue>,
    /// What the referrer gets, once the referred user's payments reach it
    #[schema(value_type = f64)]
    target_value: Box<RawValue>,
    link: String,
    /// Share of each payment for the referrer
    #[schema(value_type = f64)]
    reward_percent: Box<RawValue>,
    /// ISO 4217: the domain's
    currency: String,
}

/// A programme as it is now.
pub fn programme(programme: Programme, currency: &str, public_url: &str) -> ShownProgramme {
    let Programme { id, name, credit, target, reward_percent_e4, .. } = programme;
    let currency = currency.to_owned();
    terms(
        AccountTerms { program_id: id, name, credit, target, reward_percent_e4, currency },
        public_url,
    )
}

/// The programme that a user registered under, with the terms of then.
pub fn terms(terms: AccountTerms, public_url: &str) -> ShownProgramme {
    ShownProgramme {
        id: terms.program_id,
        name: terms.name,
        credit_value: terms.credit.json_number(),
        target_value: terms.target.json_number(),
        link: format!("{public_url}/program/{}", terms.program_id),
        reward_percent: money::percent_number(terms.reward_percent_e4),
        currency: terms.currency,
    }
}

/// A user
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct ShownUser {
    /// The id of the event they registered with
    id: String,
    #[schema(example = "bob")]
    hash: String,
    /// The terms they registered under; null while the referrer waits for terms
    #[schema(required = true)]
    referral_program: Option<ShownProgramme>,
    /// Who referred them
    #[schema(required = true)]
    user_indicator: Option<ShownReferrer>,
    /// Whether a payment of this user may still earn the referrer the acquired credit
    is_generates_even: bool,
    /// Their own referral code
    #[schema(example = "F8SDBZZGodXFHmZbN5cX")]
    code: String,
}

/// A user's referrer: the same shape, without a referrer of its own
#[derive(Serialize, ToSchema)]
#[schema(as = Indicator)]
pub struct ShownReferrer {
    /// The id of the event they registered with
    id: String,
    #[schema(example = "alice")]
    hash: String,
    /// The terms they registered under
    #[schema(required = true)]
    referral_program: Option<ShownProgramme>,
    is_generates_even: bool,
    /// Their own referral code
    #[schema(example = "aaaaaaaaaaaaaaaaaaaa")]
    code: String,
}

/// A user with the referrer.
pub fn user(account: Account, referrer: Option<Account>, public_url: &str) -> ShownUser {
    ShownUser {
        id: account.event_id,
        hash: account.user_hash,
        referral_program: account.terms.map(|own| terms(own, public_url)),
        user_indicator: referrer.map(|referrer| ShownReferrer {
            id: referrer.event_id,
            hash: referrer.user_hash,
            referral_program: referrer.terms.map(|own| terms(own, public_url)),
            is_generates_even: referrer.acquired.is_none(),
            code: referrer.code,
        }),
        is_generates_even: account.acquired.is_none(),
        code: account.code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Micros, Money};

    fn account(hash: &str, acquired: Option<Micros>) -> Account {
        Account {
            user_hash: hash.to_owned(),
            code: format!("code-{hash}"),
            email_key: None,
            claim_indicator: None,
            claim_code: None,
            claim_program_id: None,
            referrer_hash: None,
            terms: Some(AccountTerms {
                program_id: 1,
                name: "Default".to_owned(),
                credit: Money::from_minor(1000),
                target: Money::from_minor(2500),
                reward_percent_e4: 25_000,
                currency: "USD".to_owned(),
            }),
            acquired,
            event_id: format!("event-{hash}"),
        }
    }

    #[test]
    fn a_user_shows_the_referrer_without_nesting_further() {
        let programme = r#"{"id":1,"name":"Default","credit_value":10.0,"target_value":25.0,"link":"http://h/program/1","reward_percent":2.5,"currency":"USD"}"#;
        let shown = user(account("b", Some(Micros(1))), Some(account("a", None)), "http://h");
        let expected = format!(
            r#"{{"id":"event-b","hash":"b","referral_program":{programme},"user_indicator":{{"id":"event-a","hash":"a","referral_program":{programme},"is_generates_even":true,"code":"code-a"}},"is_generates_even":false,"code":"code-b"}}"#
        );
        assert_eq!(serde_json::to_string(&shown).unwrap(), expected);
        let unreferred = serde_json::to_string(&user(account("b", None), None, "http://h"));
        assert!(unreferred.unwrap().contains(r#""user_indicator":null"#));
    }
}
