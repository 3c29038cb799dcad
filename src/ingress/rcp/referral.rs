//! `PUT /v1/referral/{code}` and `GET /v1/referral` (contract 2).
#![expect(unused_qualifications, reason = "written by utoipa's macros")]
use axum::{
    Json,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    domain::{Code, Micros, key},
    ingress::{
        App,
        auth::Caller,
        fields::{Fields, missing},
        problem::{InPath, Refusal},
    },
    store::{
        codes::{self, Registered},
        programmes,
        records::{self, Filter, Record},
        reference::Domain,
    },
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(list))
}

/// One record per code and day
#[derive(Serialize, ToSchema)]
#[schema(as = Record, example = json!({
    "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "ctime": "2024-07-29T14:52:25.426324+03:00",
    "mtime": "2024-07-29T14:52:25.428960+03:00", "date": "2024-07-29", "code": "b4b9e071006f409d8e6d",
    "emails": ["a@example.com"], "clicks": 1,
}))]
struct Shown {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    /// When the record appeared, with the domain's UTC offset
    #[schema(format = DateTime)]
    ctime: String,
    /// When it last changed
    #[schema(format = DateTime)]
    mtime: String,
    /// In the domain's time zone
    #[schema(format = Date)]
    date: String,
    #[schema(pattern = "^[0-9A-Za-z]{20}$")]
    code: String,
    /// Who registered that day through the code, each once
    emails: Vec<String>,
    /// Link follows of that day, without bots
    #[schema(minimum = 0)]
    clicks: i64,
}

fn shown(record: Record, domain: &Domain) -> Shown {
    let Record { id, ctime, mtime, date, code, emails, clicks } = record;
    let (ctime, mtime) = (ctime.rfc3339(domain.zone), mtime.rfc3339(domain.zone));
    Shown { id, ctime, mtime, date, code, emails, clicks }
}

/// Whose code it is
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from JSON or a form")]
#[schema(example = json!({"email": "a@example.com"}))]
struct Referrer {
    /// The referrer is the user with this address
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// The programme of those who come with the code; replaces one given earlier
    program_id: Option<i64>,
}

/// Registers a referral code
///
/// Safe to repeat. Events that came for the code before it was registered count.
#[utoipa::path(put, path = "/v1/referral/{code}", tag = "rcp", operation_id = "register_code",
    security(("bearer" = [])),
    params(("code" = String, Path, description = "20 characters `[0-9A-Za-z]`", example = "b4b9e071006f409d8e6d")),
    request_body(content((Referrer = "application/json"), (Referrer = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Registered before, with the same e-mail: the record of today", body = Shown),
        (status = 201, description = "Registered: the record of today", body = Shown),
        (status = 409, description = "The code belongs to another e-mail or another domain"),
        (status = 422, description = "The code is not 20 characters, the e-mail is not one, or there is no such programme"),
    ))]
async fn register(
    State(app): State<App>,
    caller: Caller,
    InPath(code): InPath,
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
    let mut of = b"empty daily record\0".to_vec();
    of.extend(domain.id.to_be_bytes());
    of.extend(code.as_str().as_bytes());
    of.extend(date.as_bytes());
    Record {
        id: key::stable_id(&of),
        ctime: now,
        mtime: now,
        date,
        code: code.as_str().to_owned(),
        emails: Vec::new(),
        clicks: 0,
    }
}

/// A page of records
#[derive(Serialize, ToSchema)]
#[schema(as = Records)]
struct Page {
    /// Newest day first, then by code
    items: Vec<Shown>,
    /// Most records of a page
    limit: i64,
    /// Records on all pages
    total: i64,
}

/// Which records; they combine
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documentation; read by name from the query")]
struct Query {
    /// The referrer's address
    #[param(format = Email, nullable = false, example = "a@example.com")]
    email: Option<String>,
    /// `YYYY-MM-DD`
    #[param(format = Date, nullable = false, example = "2024-07-29")]
    date: Option<String>,
    /// The referral code
    #[param(pattern = "^[0-9A-Za-z]{20}$", nullable = false, example = "b4b9e071006f409d8e6d")]
    code: Option<String>,
    /// From 1
    #[param(minimum = 1, nullable = false, default = 1)]
    page: Option<i64>,
    /// Most records of a page
    #[param(minimum = 1, maximum = 1000, nullable = false, default = 10)]
    limit: Option<i64>,
}

/// The domain's daily records
#[utoipa::path(get, path = "/v1/referral", tag = "rcp", operation_id = "records",
    security(("bearer" = [])), params(Query),
    responses(
        (status = 200, description = "A page of records", body = Page),
        (status = 422, description = "A bad filter or bound; `field` names it"),
    ))]
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
    let (limit, offset) = fields.paging()?;
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
