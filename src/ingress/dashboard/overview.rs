//! The first page: the figures of the last days and as they stand now.
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    frame::{Frame, Part, page},
    live::{self, Now},
    session::Admin,
    table,
};
use crate::{
    domain::{Day, Micros, Money},
    ingress::{
        App,
        fields::{Fields, InQuery},
        pages::grouped,
        problem::Refusal,
    },
    store::{
        overview::{self, DayFigures},
        reference::Domain,
    },
};

/// Days that are shown where nothing else is asked for.
const DAYS_DEFAULT: i64 = 30;
/// Most days that are shown.
const DAYS_MAX: i64 = 90;

#[derive(Template)]
#[template(path = "overview.html", config = "src/ingress/dashboard/askama.toml")]
struct Overview<'a> {
    frame: Frame<'a>,
    now: Now,
    asked: i64,
    days: Vec<DayFigures>,
}

impl Overview<'_> {
    fn granted(figures: &DayFigures) -> String {
        granted(figures, |sum| grouped(&sum.to_string()))
    }
}

/// What was granted on a day, one sum a currency, each as `shown`.
pub fn granted(figures: &DayFigures, shown: impl Fn(&Money) -> String) -> String {
    let sums = figures.granted.iter().map(|(currency, sum)| format!("{} {currency}", shown(sum)));
    sums.collect::<Vec<_>>().join(", ")
}

/// The page.
pub async fn show(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let asked = asked(&query)?;
    let days = figures(&app, &admin.domain, asked).await?;
    let overview = Overview {
        now: live::now(&app, &admin).await?,
        asked,
        days,
        frame: Frame::new(&admin, Part::Overview, "Overview").told(&query),
    };
    Ok(page(StatusCode::OK, &overview))
}

/// The days as CSV.
pub async fn export(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let figures = figures(&app, &admin.domain, asked(&query)?).await?;
    let head = ["day", "clicks", "signups", "credits", "granted", "payments"];
    let rows = figures.iter().map(|figures| {
        [
            figures.day.to_string(),
            figures.clicks.to_string(),
            figures.signups.to_string(),
            figures.credits.to_string(),
            granted(figures, Money::to_string),
            figures.payments.to_string(),
        ]
    });
    table::csv(&app, "days", head, rows)
}

fn asked(query: &Fields) -> Result<i64, Refusal> {
    let days = query.int("days")?.unwrap_or(DAYS_DEFAULT);
    if (1..=DAYS_MAX).contains(&days) {
        return Ok(days);
    }
    Err(Refusal::field("days", format!("must be 1 to {DAYS_MAX}")))
}

async fn figures(app: &App, domain: &Domain, days: i64) -> Result<Vec<DayFigures>, Refusal> {
    let days = last_days(app.clock.now(), domain, days);
    Ok(overview::days(&app.store, domain, &days).await?)
}

/// So many days, the last of them today's in the domain's zone.
pub fn last_days(now: Micros, domain: &Domain, number: i64) -> Vec<Day> {
    let mut day = now.day(domain.zone);
    let mut days = vec![day];
    for _ in 1..number {
        day = day.before();
        days.push(day);
    }
    days.reverse();
    days
}
