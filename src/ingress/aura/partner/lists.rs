//! Stretches of lists, and `get_exchanges`: payments of those whom the partner referred (contract 4).
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    answer::{ById, Data, Failure},
    exchange::Exchanged,
};
use crate::{
    domain::{Micros, Money},
    ingress::{App, fields::Fields},
    store::{
        partners::Partner,
        referred::{self, ReferredPayment, Window},
    },
};

/// Most items of one answer.
pub const ITEMS_MAX: i64 = 1000;

/// Which part of a list is wanted; both times are included.
pub fn window(fields: &Fields) -> Result<Window, Failure> {
    let micros = |seconds: i64| Micros(seconds.saturating_mul(1_000_000));
    let (start, end) = (fields.int("start_time")?, fields.int("end_time")?);
    Ok(Window {
        from: start.map_or(Micros(i64::MIN), micros),
        before: end.map_or(Micros(i64::MAX), |end| micros(end.saturating_add(1))),
        after: fields.int("after")?.unwrap_or_default(),
        limit: ITEMS_MAX,
    })
}

/// A payment of a referred user
#[derive(Serialize, ToSchema)]
#[schema(as = PartnerExchange, example = json!({
    "id": 1895, "time": 1_590_356_264, "date": "2020-05-24 21:37:44", "course_give": 0, "course_get": 241.57,
    "amount_give": 0, "amount_get": 241.57, "exchange_success": 1, "accrued": 1, "partner_reward": 2.42, "user_hash": "1r7",
}))]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
struct Exchange {
    /// Ascending in order of arrival
    id: i64,
    /// Unix seconds
    time: i64,
    /// In the domain's time zone
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$")]
    date: String,
    #[schema(value_type = f64)]
    course_give: Box<RawValue>,
    #[schema(value_type = f64)]
    course_get: Box<RawValue>,
    #[schema(value_type = f64)]
    amount_give: Box<RawValue>,
    /// Of a payment that was no exchange: its amount
    #[schema(value_type = f64)]
    amount_get: Box<RawValue>,
    #[schema(minimum = 0, maximum = 1)]
    exchange_success: u8,
    /// Whether a share of it was accrued
    #[schema(minimum = 0, maximum = 1)]
    accrued: u8,
    /// That share, in the domain's currency
    #[schema(value_type = f64)]
    partner_reward: Box<RawValue>,
    /// The payer
    user_hash: String,
}

/// What `get_exchanges` gives
#[derive(Serialize, ToSchema)]
#[schema(as = PartnerExchanges)]
pub struct Exchanges {
    /// By id, ascending
    #[schema(value_type = std::collections::HashMap<String, Exchange>)]
    items: ById<Exchange>,
}

/// `get_exchanges`.
pub async fn exchanges(app: &App, partner: &Partner, fields: &Fields) -> Result<Data, Failure> {
    let window = window(fields)?;
    let domain = &partner.domain;
    let payments = match &partner.user {
        Some(user) => referred::payments(&app.store, domain.id, &user.user_hash, &window).await?,
        None => Vec::new(),
    };
    let shown = |payment: ReferredPayment| (payment.id, shown(payment, domain.zone));
    Ok(Data::Exchanges(Exchanges { items: ById(payments.into_iter().map(shown).collect()) }))
}

fn shown(payment: ReferredPayment, zone: chrono_tz::Tz) -> Exchange {
    let exchanged = payment.exchange.as_deref().and_then(Exchanged::read);
    let exchanged = exchanged.unwrap_or_else(|| Exchanged {
        course_give: "0".to_owned(),
        course_get: "0".to_owned(),
        amount_give: "0".to_owned(),
        amount_get: payment.amount.json_number().get().to_owned(),
        success: true,
    });
    Exchange {
        id: payment.id,
        time: payment.time.seconds(),
        date: payment.time.date_time(zone),
        course_give: number(exchanged.course_give),
        course_get: number(exchanged.course_get),
        amount_give: number(exchanged.amount_give),
        amount_get: number(exchanged.amount_get),
        exchange_success: u8::from(exchanged.success),
        accrued: u8::from(payment.reward.is_some()),
        partner_reward: payment.reward.unwrap_or_default().json_number(),
        user_hash: payment.user_hash,
    }
}

fn number(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|_| Money::ZERO.json_number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_included_and_never_overflow() {
        let read = |query: &str| window(&Fields::of_form(query.as_bytes())).unwrap();
        let all =
            Window { from: Micros(i64::MIN), before: Micros(i64::MAX), after: 0, limit: ITEMS_MAX };
        for (query, expected) in [
            ("", all),
            ("start_time=&end_time=", all),
            (
                "start_time=5&end_time=5&after=7",
                Window {
                    from: Micros(5_000_000),
                    before: Micros(6_000_000),
                    after: 7,
                    limit: ITEMS_MAX,
                },
            ),
            ("end_time=9223372036854775807", all),
            ("start_time=-9223372036854775808", all),
        ] {
            assert_eq!(read(query), expected, "{query}");
        }
        for name in ["start_time", "end_time", "after"] {
            let told = match window(&Fields::of_form(format!("{name}=1.5").as_bytes())) {
                Err(Failure::BadParameter(text)) => text,
                other => panic!("{other:?}"),
            };
            assert_eq!(told, format!("{name}: must be a whole number"));
        }
    }
}
