//! Codes and their referrers: what came by them, by day and by whom.
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    frame::{Frame, Part, page},
    session::Admin,
    table::{self, PAGE_ROWS, Pager, address},
};
use crate::{
    domain::{Code, ids::Invalid},
    ingress::{
        App,
        fields::{Fields, InQuery},
        problem::{InPath, Refusal},
    },
    store::{
        programmes,
        records::{self, Filter, Record},
        referrers::{self, Referrer, Sort},
    },
};

const LIST: &str = "/dashboard/codes";

/// What a list is asked with.
struct Asked {
    search: String,
    sort: Sort,
    sort_name: &'static str,
}

impl Asked {
    fn read(query: &Fields) -> Result<Self, Refusal> {
        let search = query.text("q")?.unwrap_or_default().trim().to_owned();
        let by = query.parsed("sort", |name| {
            let found = Sort::ALL.into_iter().find(|(_, known)| *known == name);
            found.ok_or(Invalid("must be clicks, signups, last, code or email"))
        })?;
        let (sort, sort_name) = by.unwrap_or(Sort::ALL[0]);
        Ok(Self { search, sort, sort_name })
    }

    fn kept(&self) -> [(&str, &str); 2] {
        [("q", self.search.as_str()), ("sort", self.sort_name)]
    }
}

#[derive(Template)]
#[template(path = "codes.html", config = "src/ingress/dashboard/askama.toml")]
struct Codes<'a> {
    frame: Frame<'a>,
    search: &'a str,
    /// A column's heading, where it sorts by that, and whether it does.
    columns: Vec<(&'static str, String, bool, bool)>,
    rows: Vec<Referrer>,
    pager: Pager,
    csv: String,
}

/// The list.
pub async fn list(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query)?;
    let pager = Pager::read(&query, LIST, &asked.kept())?;
    let Asked { search, sort, sort_name } = &asked;
    let found =
        referrers::codes(&app.store, admin.domain.id, search, *sort, PAGE_ROWS, pager.offset());
    let (rows, total) = found.await?;
    let headings = [
        ("Code", "code", false),
        ("Referrer", "email", false),
        ("Clicks", "clicks", true),
        ("Signups", "signups", true),
        ("Last day", "last", false),
    ];
    let columns = headings.map(|(heading, name, is_number)| {
        let there = address(LIST, &[("q", search.as_str()), ("sort", name)]);
        (heading, there, name == *sort_name, is_number)
    });
    let codes = Codes {
        frame: Frame::new(&admin, Part::Codes, "Codes and referrers"),
        search,
        columns: columns.into(),
        rows,
        pager: pager.of(total),
        csv: address("/dashboard/codes.csv", &asked.kept()),
    };
    Ok(page(StatusCode::OK, &codes))
}

/// The list as CSV.
pub async fn export(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let Asked { search, sort, .. } = Asked::read(&query)?;
    let most = table::rows_read(&app);
    let (rows, _) = referrers::codes(&app.store, admin.domain.id, &search, sort, most, 0).await?;
    let head = ["code", "email", "user_hash", "program_id", "clicks", "signups", "last_day"];
    let rows = rows.into_iter().map(|row| {
        [
            row.code,
            row.email.unwrap_or_default(),
            row.user_hash.unwrap_or_default(),
            row.program_id.map(|id| id.to_string()).unwrap_or_default(),
            row.clicks.to_string(),
            row.signups.to_string(),
            row.last.unwrap_or_default(),
        ]
    });
    table::csv(&app, "codes", head, rows)
}

#[derive(Template)]
#[template(path = "code.html", config = "src/ingress/dashboard/askama.toml")]
struct CodePage<'a> {
    frame: Frame<'a>,
    code: &'a Referrer,
    programme: Option<String>,
    link: String,
    records: Vec<Record>,
    pager: Pager,
    csv: String,
}

/// A code and its daily records, newest first.
pub async fn show(
    State(app): State<App>,
    admin: Admin,
    InPath(code): InPath,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let (code, found) = find(&app, &admin, &code).await?;
    let pager = Pager::read(&query, &format!("{LIST}/{code}"), &[])?;
    let filter = Filter { code: Some(code.clone()), ..Filter::default() };
    let (records, total) =
        records::page(&app.store, admin.domain.id, &filter, PAGE_ROWS, pager.offset()).await?;
    let programme = match found.program_id {
        Some(id) => programmes::one(&app.store, admin.domain.id, id).await?,
        None => None,
    };
    let shown = CodePage {
        frame: Frame::new(&admin, Part::Codes, &found.code),
        code: &found,
        programme: programme.map(|programme| programme.name),
        link: format!("{}/register?ref_code={code}", app.settings.public_url),
        records,
        pager: pager.of(total),
        csv: address("/dashboard/records.csv", &[("code", code.as_str())]),
    };
    Ok(page(StatusCode::OK, &shown))
}

/// A code's daily records as CSV; without a code the domain's.
pub async fn export_records(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let filter = Filter { code: query.code("code")?, ..Filter::default() };
    let most = table::rows_read(&app);
    let (rows, _) = records::page(&app.store, admin.domain.id, &filter, most, 0).await?;
    let head = ["day", "code", "clicks", "emails"];
    let rows = rows
        .into_iter()
        .map(|row| [row.date, row.code, row.clicks.to_string(), row.emails.join(" ")]);
    table::csv(&app, "records", head, rows)
}

async fn find(app: &App, admin: &Admin, code: &str) -> Result<(Code, Referrer), Refusal> {
    let unknown = || Refusal::not_found("there is no such code");
    let code = Code::parse(code).map_err(|_| unknown())?;
    let found = referrers::code(&app.store, admin.domain.id, code.as_str()).await?;
    Ok((code, found.ok_or_else(unknown)?))
}
