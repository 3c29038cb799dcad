//! Partners, their keys, and the payouts that they asked for.
use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};

use super::{
    frame::{Frame, Part, page},
    session::Admin,
    table::{self, PAGE_ROWS, Pager, address, instant},
};
use crate::{
    credentials,
    domain::Email,
    ingress::{
        App,
        fields::{Fields, InQuery, missing},
        own::Posted,
        pages::to,
        problem::{InPath, Refusal},
    },
    store::{
        partners,
        payouts::{self, Balance, Closed, Filter, Method, Payout, Status},
        referrers::{self, PartnerRow},
    },
};

const LIST: &str = "/dashboard/partners";

/// A partner as it is shown.
struct Shown {
    row: PartnerRow,
    key_since: Option<String>,
    balance: Option<Balance>,
}

#[derive(Template)]
#[template(path = "partners.html", config = "src/ingress/dashboard/askama.toml")]
struct Partners<'a> {
    frame: Frame<'a>,
    rows: Vec<Shown>,
    pager: Pager,
    csv: &'static str,
    payouts: Vec<Payout>,
    methods: Vec<Method>,
    status: Status,
    payouts_csv: String,
    /// A key that was made just now, and whose; it is shown this once.
    key: Option<(String, String)>,
    email: String,
    flaw: Option<String>,
}

impl Partners<'_> {
    fn method(&self, id: i64) -> &str {
        let found = self.methods.iter().find(|method| method.id == id);
        found.map_or("", |method| &method.title)
    }
}

fn status(query: &Fields) -> Result<Status, Refusal> {
    Ok(query.parsed("status", Status::parse)?.unwrap_or(Status::Pending))
}

/// The list.
pub async fn list(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let frame = Frame::new(&admin, Part::Partners, "Partners and payouts").told(&query);
    Ok(page(StatusCode::OK, &read(&app, &admin, frame, &query).await?))
}

async fn read<'a>(
    app: &App,
    admin: &Admin,
    frame: Frame<'a>,
    query: &Fields,
) -> Result<Partners<'a>, Refusal> {
    let domain = &admin.domain;
    let status = status(query)?;
    let pager = Pager::read(query, LIST, &[("status", status.as_str())])?;
    let (found, total) =
        referrers::partners(&app.store, domain.id, PAGE_ROWS, pager.offset()).await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        let balance = match &row.user_hash {
            Some(user) => Some(payouts::balance(&app.store, domain.id, user).await?),
            None => None,
        };
        let key_since = row.key_since.map(|since| since.date_time(domain.zone));
        rows.push(Shown { row, key_since, balance });
    }
    let filter = Filter::all(Some(status));
    Ok(Partners {
        frame,
        rows,
        pager: pager.of(total),
        csv: "/dashboard/partners.csv",
        payouts: payouts::page(&app.store, domain.id, &filter, PAGE_ROWS).await?,
        methods: payouts::methods(&app.store, domain.id).await?,
        status,
        payouts_csv: address("/dashboard/payouts.csv", &[("status", status.as_str())]),
        key: None,
        email: String::new(),
        flaw: None,
    })
}

/// Partners as CSV.
pub async fn export(State(app): State<App>, admin: Admin) -> Result<Response, Refusal> {
    let domain = &admin.domain;
    let (rows, _) = referrers::partners(&app.store, domain.id, table::rows_read(&app), 0).await?;
    let head = ["email", "login", "referral_code", "user_hash", "key_since"];
    let rows = rows.into_iter().map(|row| {
        [
            row.email,
            row.login.unwrap_or_default(),
            row.referral_code.unwrap_or_default(),
            row.user_hash.unwrap_or_default(),
            instant(row.key_since, domain.zone),
        ]
    });
    table::csv(&app, "partners", head, rows)
}

/// Payouts of a status as CSV.
pub async fn export_payouts(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let status = status(&query)?;
    let filter = Filter::all(Some(status));
    let rows = payouts::page(&app.store, admin.domain.id, &filter, table::rows_read(&app)).await?;
    let head = ["id", "time", "user_hash", "amount", "currency", "method_id", "account", "status"];
    let rows = rows.into_iter().map(|row| {
        [
            row.id.to_string(),
            instant(Some(row.time), admin.domain.zone),
            row.user_hash,
            row.amount.to_string(),
            row.currency,
            row.method_id.to_string(),
            row.account,
            row.status.as_str().to_owned(),
        ]
    });
    table::csv(&app, "payouts", head, rows)
}

/// Makes a key of the partner API, which is shown this once; the one before stops working.
pub async fn make_key(
    State(app): State<App>,
    admin: Admin,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    let email = match email(&fields) {
        Ok(email) => email,
        Err(flaw) if flaw.field.is_some() => {
            let frame = Frame::new(&admin, Part::Partners, "Please check the address");
            let mut flawed = read(&app, &admin, frame, &Fields::default()).await?;
            flawed.email = fields.text_if_one("email");
            flawed.flaw = Some(flaw.detail.into_owned());
            return Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &flawed));
        }
        Err(flaw) => return Ok(flaw.into_response()),
    };
    let key = credentials::new_key()?;
    let (key_hash, now) = (credentials::key_hash(&key), app.clock.now());
    partners::set_key(&app.store, admin.domain.id, &email, &key_hash, now).await?;
    let frame = Frame::new(&admin, Part::Partners, "A new key");
    let mut made = read(&app, &admin, frame, &Fields::default()).await?;
    made.key = Some((email.spelling().to_owned(), key));
    Ok(page(StatusCode::OK, &made))
}

/// Takes a partner's key away, at once.
pub async fn revoke_key(
    State(app): State<App>,
    admin: Admin,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    let (email, now) = (email(&fields)?, app.clock.now());
    if partners::revoke_key(&app.store, admin.domain.id, &email, now).await? {
        return Ok(to(&format!("{LIST}?told=revoked")));
    }
    Err(Refusal::not_found("there is no such key"))
}

fn email(fields: &Fields) -> Result<Email, Refusal> {
    fields.email("email")?.ok_or_else(|| missing("email"))
}

/// Says what became of a payout; that is final.
pub async fn close_payout(
    State(app): State<App>,
    admin: Admin,
    InPath(id): InPath,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    let unknown = || Refusal::not_found("there is no such payout");
    let id: i64 = id.parse().map_err(|_| unknown())?;
    let (status, told) = match Status::parse(&fields.text_if_one("as")) {
        Ok(Status::Done) => (Status::Done, "paid"),
        Ok(Status::Cancelled) => (Status::Cancelled, "cancelled"),
        _ => return Err(Refusal::field("as", "must be done or cancelled")),
    };
    let domain_id = Some(admin.domain.id);
    match payouts::close(&app.store, domain_id, id, status, app.clock.now()).await? {
        Closed::Before(before) if before != status => {
            Err(Refusal::conflict("the payout is closed otherwise already"))
        }
        Closed::Missing => Err(unknown()),
        Closed::Now | Closed::Before(_) => Ok(to(&format!("{LIST}?told={told}"))),
    }
}
