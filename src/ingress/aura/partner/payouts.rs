//! `get_info`, `get_payouts` and `add_payout` (contract 4): what is due, and how it is asked for.
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    answer::{ById, Data, Failure},
    lists::window,
};
use crate::{
    domain::{Money, money},
    ingress::{
        App,
        fields::{Fields, missing},
        problem::Refusal,
    },
    store::{
        partners::Partner,
        payouts::{self, Asked, Balance, Filter, Method, Payout, Wanted},
    },
};

/// Longest account that a payout may go to, in characters.
const ACCOUNT_MAX_CHARS: usize = 253;

/// A way of being paid
#[derive(Serialize, ToSchema)]
#[schema(as = PayoutMethod, example = json!({"id": 1, "title": "PerfectMoney USD", "commission": 0.5}))]
pub struct ShownMethod {
    id: i64,
    title: String,
    /// What the way costs, in percent; told, not deducted
    #[schema(value_type = f64)]
    commission: Box<RawValue>,
}

impl From<Method> for ShownMethod {
    fn from(method: Method) -> Self {
        let Method { id, title, commission_e4 } = method;
        Self { id, title, commission: money::percent_number(commission_e4) }
    }
}

/// What `get_info` gives; sums are in the domain's currency
#[derive(Serialize, ToSchema)]
#[schema(as = PartnerInfo, example = json!({
    "balance": 15.0, "totalReceived": 0.0, "link": "https://referral.example.com/ref/F8SDBZZGodXFHmZbN5cX/", "min_payout": 0.01,
    "items": {"1": {"id": 1, "title": "PerfectMoney USD", "commission": 0.5}},
}))]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Rewards accrued less payouts that are not cancelled
    #[schema(value_type = f64)]
    balance: Box<RawValue>,
    /// Paid out
    #[schema(value_type = f64)]
    total_received: Box<RawValue>,
    /// The partner's link; empty while there is neither a user with the e-mail nor a code
    link: String,
    /// The least that is paid out at once
    #[serde(rename = "min_payout")]
    #[schema(value_type = f64)]
    min_payout: Box<RawValue>,
    /// The payout methods by id, ascending
    #[schema(value_type = std::collections::HashMap<String, ShownMethod>)]
    items: ById<ShownMethod>,
}

/// A payout
#[derive(Serialize, ToSchema)]
#[schema(as = Payout, example = json!({
    "id": 7, "time": 1_795_348_800, "date": "2026-11-22 12:00:00", "amount": 15.0, "method_id": 1, "account": "U1234567", "status": 0,
}))]
pub struct ShownPayout {
    id: i64,
    /// When it was asked for, in Unix seconds
    time: i64,
    /// In the domain's time zone
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$")]
    date: String,
    #[schema(value_type = f64)]
    amount: Box<RawValue>,
    method_id: i64,
    account: String,
    /// 0 pending, 1 done, 2 cancelled
    #[schema(minimum = 0, maximum = 2)]
    status: u8,
}

/// What `get_payouts` gives, and `add_payout`, with the new one alone
#[derive(Serialize, ToSchema)]
#[schema(as = PartnerPayouts)]
pub struct Payouts {
    /// By id, ascending
    #[schema(value_type = std::collections::HashMap<String, ShownPayout>)]
    items: ById<ShownPayout>,
}

fn shown(payouts: Vec<Payout>, partner: &Partner) -> Data {
    let shown = |payout: Payout| ShownPayout {
        id: payout.id,
        time: payout.time.seconds(),
        date: payout.time.date_time(partner.domain.zone),
        amount: payout.amount.json_number(),
        method_id: payout.method_id,
        account: payout.account,
        status: payout.status as u8,
    };
    let items = payouts.into_iter().map(|payout| (payout.id, shown(payout))).collect();
    Data::Payouts(Payouts { items: ById(items) })
}

/// `get_info`.
pub async fn info(app: &App, partner: &Partner) -> Result<Data, Failure> {
    let domain_id = partner.domain.id;
    let Balance { due, received } = match &partner.user {
        Some(user) => payouts::balance(&app.store, domain_id, &user.user_hash).await?,
        None => Balance::default(),
    };
    let min = payouts::min_payout(&app.store, domain_id).await?;
    let methods = payouts::methods(&app.store, domain_id).await?;
    let public_url = &app.settings.public_url;
    let link = partner.code().map(|code| format!("{public_url}/ref/{code}/"));
    Ok(Data::Info(Info {
        balance: due.json_number(),
        total_received: received.json_number(),
        link: link.unwrap_or_default(),
        min_payout: min.json_number(),
        items: ById(methods.into_iter().map(|method| (method.id, method.into())).collect()),
    }))
}

/// `get_payouts`.
pub async fn list(app: &App, partner: &Partner, fields: &Fields) -> Result<Data, Failure> {
    let window = window(fields)?;
    let Some(user) = &partner.user else { return Ok(shown(Vec::new(), partner)) };
    let filter = Filter {
        user_hash: Some(&user.user_hash),
        status: None,
        from: window.from,
        before: window.before,
        after: window.after,
    };
    let payouts = payouts::page(&app.store, partner.domain.id, &filter, window.limit).await?;
    Ok(shown(payouts, partner))
}

/// `add_payout`.
pub async fn add(app: &App, partner: &Partner, fields: &Fields) -> Result<Data, Failure> {
    let domain = &partner.domain;
    let method_id = fields.int("method_id")?.ok_or_else(|| missing("method_id"))?;
    let account = account(fields)?;
    let methods = payouts::methods(&app.store, domain.id).await?;
    if !methods.iter().any(|method| method.id == method_id) {
        return Err(Refusal::field("method_id", "there is no such payout method").into());
    }
    let min = payouts::min_payout(&app.store, domain.id).await?;
    let asked = match &partner.user {
        Some(user) => {
            let wanted = Wanted {
                domain_id: domain.id,
                user_hash: &user.user_hash,
                method_id,
                account: &account,
                currency: domain.currency.as_str(),
                min,
                now: app.clock.now(),
            };
            payouts::ask(&app.store, &wanted).await?
        }
        None => Asked::TooLittle(Money::ZERO),
    };
    match asked {
        Asked::Taken(payout) => Ok(shown(vec![payout], partner)),
        Asked::TooLittle(due) => Err(Failure::BadParameter(too_little(due, min).into())),
    }
}

fn account(fields: &Fields) -> Result<String, Refusal> {
    let account = fields.text("account")?.map(|account| account.trim().to_owned());
    let account = account.filter(|account| !account.is_empty());
    let account = account.ok_or_else(|| missing("account"))?;
    if account.chars().count() > ACCOUNT_MAX_CHARS || account.chars().any(char::is_control) {
        let problem = format!("must be 1 to {ACCOUNT_MAX_CHARS} characters");
        return Err(Refusal::field("account", problem));
    }
    Ok(account)
}

fn too_little(due: Money, min: Money) -> String {
    if due <= Money::ZERO {
        "balance: nothing is due".to_owned()
    } else {
        format!("balance: {due} is due, which is less than the least payout, {min}")
    }
}
