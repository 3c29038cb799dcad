//! `PUT /v1/referral/{code}` and `GET /v1/referral` (contract 2).
use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    domain::{Code, Micros},
    ingress::{
        App,
        auth::Caller,
        fields::{Fields, missing},
        problem::Refusal,
    },
    store::{
        codes::{self, Registered},
        programmes,
        records::{self, Filter, Record},
        reference::Domain,
    },
};

const LIMIT_DEFAULT: i64 = 10;
const LIMIT_MAX: i64 = 1000;

pub fn routes() -> Router<App> {
    Router::new().route("/v1/referral/{code}", put(register)).route("/v1/referral", get(list))
}

/// A record, members in contract 2's order.
#[derive(Serialize)]
struct Shown {
    id: String,
    ctime: String,
    mtime: String,
    date: String,
    code: String,
    emails: Vec<String>,
    clicks: i64,
}

fn shown(record: Record, domain: &Domain) -> Shown {
    let Record { id, ctime, mtime, date, code, emails, clicks } = record;
    let (ctime, mtime) = (ctime.rfc3339(domain.zone), mtime.rfc3339(domain.zone));
    Shown { id, ctime, mtime, date, code, emails, clicks }
}

async fn register(
    State(app): State<App>,
    caller: Caller,
    Path(code): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let domain = &caller.domain;
    let code = Code::parse(&code).map_err(|e| Refusal::field("code", e))?;
    let email = fields.email("email")?.ok_or_else(|| missing("email"))?;
    let program_id = fields.int("program_id")?;
    if let Some(id) = program_id
        && programmes::one(&app.store, domain.id, id).await?.is_none()
    {
        return Err(Refusal::field("program_id", "there is no such programme"));
    }
    let now = app.clock.now();
    let done = codes::register(&app.store, domain.id, &code, &email, program_id, now).await?;
    let status = match done {
        Registered::New => StatusCode::CREATED,
        Registered::Again => StatusCode::OK,
        Registered::Taken => return Err(Refusal::conflict("code: belongs to another referrer")),
    };
    let date = now.day(domain.zone);
    let filter = Filter { date: Some(date), code: Some(code.clone()), email: None };
    let (records, _) = records::page(&app.store, domain.id, &filter, 1, 0).await?;
    let record =
        records.into_iter().next().unwrap_or_else(|| empty(domain, &code, date.to_string(), now));
    Ok((status, Json(shown(record, domain))).into_response())
}

/// The record of a day on which nothing has happened: shown, not stored. Its id is a function of
/// what it is of, so that asking again gives the same.
fn empty(domain: &Domain, code: &Code, date: String, now: Micros) -> Record {
    let mut hash = Sha256::new();
    hash.update(b"empty daily record\0");
    hash.update(domain.id.to_be_bytes());
    hash.update(code.as_str().as_bytes());
    hash.update(date.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Record {
        id: uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string(),
        ctime: now,
        mtime: now,
        date,
        code: code.as_str().to_owned(),
        emails: Vec::new(),
        clicks: 0,
    }
}

#[derive(Serialize)]
struct Page {
    items: Vec<Shown>,
    limit: i64,
    total: i64,
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Page>, Refusal> {
    let (filter, limit, offset) = read_query(query.as_deref().unwrap_or_default())?;
    let domain = &caller.domain;
    let (found, total) = records::page(&app.store, domain.id, &filter, limit, offset).await?;
    let items = found.into_iter().map(|record| shown(record, domain)).collect();
    Ok(Json(Page { items, limit, total }))
}

/// Filter, limit and offset.
fn read_query(query: &str) -> Result<(Filter, i64, i64), Refusal> {
    let fields = Fields::of_form(query.as_bytes());
    let filter = Filter {
        email: fields.email("email")?,
        date: fields.day("date")?,
        code: fields.code("code")?,
    };
    let limit = fields.int("limit")?.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Refusal::field("limit", format!("must be 1 to {LIMIT_MAX}")));
    }
    let page = fields.int("page")?.unwrap_or(1);
    let offset = page.checked_sub(1).filter(|before| *before >= 0);
    let offset = offset.and_then(|before| before.checked_mul(limit));
    let offset = offset.ok_or_else(|| Refusal::field("page", "must be 1 or more"))?;
    Ok((filter, limit, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_filters_and_bounds_are_named() {
        let (filter, limit, offset) = read_query("page=3&date=2024-07-29&email=a%40b").unwrap();
        assert_eq!((limit, offset), (10, 20));
        assert_eq!(filter.email.unwrap().spelling(), "a@b");
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=x", "limit"),
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=9223372036854775807", "page"),
            ("date=2024-7-29", "date"),
            ("code=short", "code"),
            ("email=nobody", "email"),
        ] {
            assert_eq!(read_query(query).unwrap_err().field.as_deref(), Some(field), "{query}");
        }
        assert_eq!(read_query("limit=1000&page=1").map(|(_, l, o)| (l, o)), Ok((1000, 0)));
    }
}
