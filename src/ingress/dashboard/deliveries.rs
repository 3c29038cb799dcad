//! Deliveries to billing: where they are, what was tried, and once more.
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    frame::{Frame, Part, page},
    session::Admin,
    table::{self, PAGE_ROWS, Pager, address, instant},
};
use crate::{
    ingress::{
        App,
        fields::{Fields, InQuery},
        own::{Own, Posted},
        pages::to,
        problem::{InPath, Refusal},
    },
    store::deliveries::{self, Attempt, Delivery, Filter, State as DeliveryState},
};

const LIST: &str = "/dashboard/deliveries";
/// A bulk retry makes so many due in a second, so that it does not come down on billing all at once.
const RETRIES_A_SECOND: i64 = 100;

/// What a list is asked with.
struct Asked {
    filter: Filter,
    state: String,
    user_hash: String,
}

impl Asked {
    fn read(admin: &Admin, fields: &Fields) -> Result<Self, Refusal> {
        let filter = Filter {
            domain_id: Some(admin.domain.id),
            state: fields.parsed("state", DeliveryState::parse)?,
            user_hash: fields.text("user_hash")?,
            ..Filter::default()
        };
        Ok(Self {
            state: filter.state.map_or("", DeliveryState::as_str).to_owned(),
            user_hash: filter.user_hash.clone().unwrap_or_default(),
            filter,
        })
    }

    /// The lists of each state: where they are, what they are called, and whether it is this one.
    fn states(&self) -> Vec<(String, &'static str, bool)> {
        let names =
            [("", "All"), ("pending", "Pending"), ("delivered", "Delivered"), ("dead", "Given up")];
        let list = |(state, name)| {
            let query = [("state", state), ("user_hash", self.user_hash.as_str())];
            (address(LIST, &query), name, self.state == state)
        };
        names.into_iter().map(list).collect()
    }

    fn kept(&self) -> [(&str, &str); 2] {
        [("state", self.state.as_str()), ("user_hash", self.user_hash.as_str())]
    }
}

#[derive(Template)]
#[template(path = "deliveries.html", config = "src/ingress/dashboard/askama.toml")]
struct Deliveries<'a> {
    frame: Frame<'a>,
    asked: &'a Asked,
    rows: Vec<Delivery>,
    pager: Pager,
    csv: String,
}

/// The list.
pub async fn list(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&admin, &query)?;
    let pager = Pager::read(&query, LIST, &asked.kept())?;
    let (rows, total) =
        deliveries::page(&app.store, &asked.filter, PAGE_ROWS, pager.offset()).await?;
    let list = Deliveries {
        frame: Frame::new(&admin, Part::Deliveries, "Deliveries").told(&query),
        rows,
        pager: pager.of(total),
        csv: address("/dashboard/deliveries.csv", &asked.kept()),
        asked: &asked,
    };
    Ok(page(StatusCode::OK, &list))
}

/// The list as CSV.
pub async fn export(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&admin, &query)?;
    let (rows, _) = deliveries::page(&app.store, &asked.filter, table::rows_read(&app), 0).await?;
    let head = [
        "id",
        "user_hash",
        "kind",
        "amount",
        "currency",
        "program_name",
        "state",
        "attempts",
        "next_attempt_at",
        "created_at",
        "delivered_at",
    ];
    let rows = rows.into_iter().map(|row| {
        [
            row.id,
            row.user_hash,
            row.kind,
            row.amount.to_string(),
            row.currency,
            row.program_name,
            row.state.as_str().to_owned(),
            row.attempts.to_string(),
            instant(row.next_attempt, row.zone),
            instant(Some(row.created), row.zone),
            instant(row.delivered, row.zone),
        ]
    });
    table::csv(&app, "deliveries", head, rows)
}

#[derive(Template)]
#[template(path = "delivery.html", config = "src/ingress/dashboard/askama.toml")]
struct DeliveryPage<'a> {
    frame: Frame<'a>,
    delivery: &'a Delivery,
    attempts: Vec<Attempt>,
}

/// A delivery and its attempts.
pub async fn show(
    State(app): State<App>,
    admin: Admin,
    InPath(id): InPath,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let found = find(&app, &admin, &id).await?;
    let shown = DeliveryPage {
        frame: Frame::new(&admin, Part::Deliveries, "A delivery").told(&query),
        attempts: deliveries::attempts(&app.store, &found.id).await?,
        delivery: &found,
    };
    Ok(page(StatusCode::OK, &shown))
}

/// Makes a delivery due now.
pub async fn retry(
    State(app): State<App>,
    admin: Admin,
    InPath(id): InPath,
    _own: Own,
) -> Result<Response, Refusal> {
    let found = find(&app, &admin, &id).await?;
    if found.state == DeliveryState::Delivered {
        return Err(Refusal::conflict("the delivery is delivered"));
    }
    let (there, now) = (format!("{LIST}/{}", found.id), app.clock.now());
    let retried = deliveries::retry(&app.store, &[found.id], now, now, 0).await?;
    Ok(to(&format!("{there}?told=retried&n={retried}")))
}

/// Makes all deliveries due that the list is asked for; those that are delivered stay so.
pub async fn retry_all(
    State(app): State<App>,
    admin: Admin,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&admin, &fields)?;
    if !matches!(asked.filter.state, Some(DeliveryState::Pending | DeliveryState::Dead)) {
        return Err(Refusal::field("state", "must be pending or dead"));
    }
    let (ids, now) = (deliveries::ids(&app.store, &asked.filter).await?, app.clock.now());
    let spacing_us = 1_000_000 / RETRIES_A_SECOND;
    let retried = deliveries::retry(&app.store, &ids, now, now, spacing_us).await?;
    let (user, retried) = (asked.user_hash.as_str(), retried.to_string());
    Ok(to(&address(LIST, &[("user_hash", user), ("told", "retried"), ("n", &retried)])))
}

async fn find(app: &App, admin: &Admin, id: &str) -> Result<Delivery, Refusal> {
    let found = deliveries::one(&app.store, Some(admin.domain.id), id).await?;
    found.ok_or_else(|| Refusal::not_found("there is no such delivery"))
}
