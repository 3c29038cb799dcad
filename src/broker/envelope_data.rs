//! The `data` of each event type: which members there are and what they must be (contract 1).
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Text, given, invalid, parse, text};
use crate::domain::{
    Bad, Click, Code, Currency, Data, Email, EventType, Money, Payment, Reason, Signup, UserHash,
    event::{Paid, TEXT_MAX_CHARS},
    ids::{Invalid, USER_HASH_MAX_CHARS},
};

/// The members that the data of any type may have.
#[derive(Default, Deserialize)]
pub(super) struct Members<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
    #[serde(borrow)]
    user_hash: Option<Text<'a>>,
    #[serde(borrow)]
    ip: Option<Text<'a>>,
    #[serde(borrow)]
    user_agent: Option<Text<'a>>,
    #[serde(borrow)]
    referrer: Option<Text<'a>>,
    #[serde(borrow)]
    query_string: Option<Text<'a>>,
    #[serde(borrow)]
    user_indicator: Option<Text<'a>>,
    #[serde(borrow)]
    email: Option<Text<'a>>,
    program_id: Option<i64>,
    #[serde(borrow)]
    currency: Option<Text<'a>>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    total_amount_paid: Option<&'a RawValue>,
    #[serde(borrow)]
    exchange: Option<&'a RawValue>,
}

/// Those of one type: what others are called is then nobody's business.
macro_rules! of_type {
    ($name:ident: $($text:ident),*; $($number:ident),*; $($raw:ident),*) => {
        #[derive(Deserialize)]
        struct $name<'a> {
            $(#[serde(borrow)] $text: Option<Text<'a>>,)*
            $($number: Option<i64>,)*
            $(#[serde(borrow)] $raw: Option<&'a RawValue>,)*
        }

        impl<'a> From<$name<'a>> for Members<'a> {
            fn from(given: $name<'a>) -> Self {
                let $name { $($text,)* $($number,)* $($raw,)* } = given;
                Self { $($text,)* $($number,)* $($raw,)* ..Self::default() }
            }
        }
    };
}

of_type!(ClickData: code, ip, user_agent, referrer, user_hash, query_string;;);
of_type!(SignupData: user_hash, code, user_indicator, email; program_id;);
of_type!(PaymentData: user_hash, currency;; amount, total_amount_paid, exchange);

/// Reads the members that this type has; an error names the one that it is in.
pub(super) fn read(data: &str, event_type: EventType) -> Result<Members<'_>, Bad> {
    Ok(match event_type {
        EventType::Click => parse::<ClickData<'_>>(data, "data.")?.into(),
        EventType::Signup => parse::<SignupData<'_>>(data, "data.")?.into(),
        EventType::Payment => parse::<PaymentData<'_>>(data, "data.")?.into(),
    })
}

/// What they say.
pub(super) fn facts(data: &Members<'_>, event_type: EventType) -> Result<Data, Bad> {
    Ok(match event_type {
        EventType::Click => Data::Click(click(data)?),
        EventType::Signup => Data::Signup(signup(data)?),
        EventType::Payment => Data::Payment(payment(data)?),
    })
}

fn click(data: &Members<'_>) -> Result<Click, Bad> {
    let code = data.code.as_deref();
    let code = code.ok_or_else(|| Bad::new(Reason::Schema, "data.code is required"))?;
    let code = Code::parse(code).map_err(|e| invalid(Reason::CodeInvalid, "data.code", e))?;
    let user_hash = text("data.user_hash", data.user_hash.as_deref())?;
    if user_hash.as_ref().is_some_and(|hash| hash.chars().count() > USER_HASH_MAX_CHARS) {
        return Err(Bad::new(Reason::Schema, "data.user_hash must be at most 253 characters"));
    }
    Ok(Click {
        code,
        ip: text("data.ip", data.ip.as_deref())?,
        user_agent: text("data.user_agent", data.user_agent.as_deref())?,
        referrer: text("data.referrer", data.referrer.as_deref())?,
        user_hash,
        query_string: text("data.query_string", data.query_string.as_deref())?,
    })
}

fn signup(data: &Members<'_>) -> Result<Signup, Bad> {
    let code = given("data.code", data.code.as_deref())?;
    let indicator = given("data.user_indicator", data.user_indicator.as_deref())?;
    let email = given("data.email", data.email.as_deref())?;
    Ok(Signup {
        user_hash: user_hash(data.user_hash.as_deref())?,
        code: optional(code, Code::parse, Reason::CodeInvalid, "data.code")?,
        user_indicator: optional(
            indicator,
            UserHash::parse,
            Reason::Schema,
            "data.user_indicator",
        )?,
        email: optional(email, Email::parse, Reason::Schema, "data.email")?,
        program_id: data.program_id,
    })
}

#[derive(Deserialize)]
struct Exchange {
    success: Option<bool>,
}

fn payment(data: &Members<'_>) -> Result<Payment, Bad> {
    let currency = given("data.currency", data.currency.as_deref())?;
    let paid = match (present(data.amount), present(data.total_amount_paid)) {
        (Some(amount), None) => Paid::Amount(money("data.amount", amount)?),
        (None, Some(total)) => Paid::Total(money("data.total_amount_paid", total)?),
        _ => {
            let detail = "exactly one of data.amount and data.total_amount_paid is required";
            return Err(Bad::new(Reason::Schema, detail));
        }
    };
    if paid == Paid::Amount(Money::ZERO) {
        return Err(Bad::new(Reason::AmountInvalid, "data.amount must be greater than 0"));
    }
    let exchange = present(data.exchange);
    let success = match exchange {
        Some(exchange) => {
            if exchange.get().chars().count() > TEXT_MAX_CHARS {
                return Err(Bad::new(
                    Reason::Schema,
                    "data.exchange must be at most 2048 characters",
                ));
            }
            parse::<Exchange>(exchange.get(), "data.exchange.")?.success != Some(false)
        }
        None => true,
    };
    Ok(Payment {
        user_hash: user_hash(data.user_hash.as_deref())?,
        currency: optional(currency, Currency::parse, Reason::Schema, "data.currency")?,
        paid,
        exchange: exchange.map(|raw| raw.get().to_owned()),
        success,
    })
}

fn user_hash(value: Option<&str>) -> Result<UserHash, Bad> {
    let value = value.ok_or_else(|| Bad::new(Reason::Schema, "data.user_hash is required"))?;
    UserHash::parse(value).map_err(|e| invalid(Reason::Schema, "data.user_hash", e))
}

/// A JSON `null` is a missing member.
fn present(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|raw| raw.get() != "null")
}

/// A decimal string or a JSON number, taken from its text: no float in between.
fn money(field: &str, raw: &RawValue) -> Result<Money, Bad> {
    let quoted: Text<'_>;
    let text = match raw.get().as_bytes().first() {
        Some(b'"') => {
            quoted = parse(raw.get(), &format!("{field}."))?;
            &*quoted
        }
        _ => raw.get(),
    };
    Money::parse(text).map_err(|e| invalid(Reason::AmountInvalid, field, e))
}

fn optional<T>(
    value: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, Invalid>,
    reason: Reason,
    field: &str,
) -> Result<Option<T>, Bad> {
    value.map(parse).transpose().map_err(|e| invalid(reason, field, e))
}
