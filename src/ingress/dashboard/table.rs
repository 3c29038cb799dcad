//! Lists: pages of them, and the whole as CSV.
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};

use crate::{
    domain::Micros,
    ingress::{App, fields::Fields, problem::Refusal},
};

/// Rows of a page.
pub const PAGE_ROWS: i64 = 50;

/// Where in a list a page is, and the ways to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pager {
    /// From 1.
    pub page: i64,
    /// Rows on all pages.
    pub total: i64,
    /// The list's address, and what it was asked with but for the page.
    address: String,
}

impl Pager {
    /// The page that the query names, of a list at this address that is asked with these.
    pub fn read(query: &Fields, path: &str, kept: &[(&str, &str)]) -> Result<Self, Refusal> {
        let page = query.int("page")?.unwrap_or(1);
        if !(1..=1_000_000).contains(&page) {
            return Err(Refusal::field("page", "must be 1 to 1000000"));
        }
        Ok(Self { page, total: 0, address: address(path, kept) })
    }

    /// Rows before this page.
    pub fn offset(&self) -> i64 {
        (self.page - 1) * PAGE_ROWS
    }

    /// Of so many rows.
    pub fn of(self, total: i64) -> Self {
        Self { total, ..self }
    }

    /// How many pages there are.
    pub fn pages(&self) -> i64 {
        ((self.total + PAGE_ROWS - 1) / PAGE_ROWS).max(1)
    }

    /// The page before.
    pub fn before(&self) -> Option<String> {
        (self.page > 1).then(|| self.at(self.page.min(self.pages() + 1) - 1))
    }

    /// The page after.
    pub fn after(&self) -> Option<String> {
        (self.page < self.pages()).then(|| self.at(self.page + 1))
    }

    fn at(&self, page: i64) -> String {
        let sign = if self.address.contains('?') { '&' } else { '?' };
        format!("{}{sign}page={page}", self.address)
    }
}

/// A path with a query of what is not empty.
pub fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    pairs.extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
    match pairs.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// A table as a file of this name, in the form of RFC 4180. No cell is a formula to a spreadsheet.
///
/// `rows` has one row more than may be exported where there are more: then it says so in the last line.
pub fn csv<const N: usize>(
    app: &App,
    name: &str,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<Response, Refusal> {
    let most = app.settings.dashboard.csv_rows_max as usize;
    let text = written(most, head, rows).map_err(|error| {
        tracing::error!(%error, "a table cannot be written");
        Refusal::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    })?;
    let file = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\""));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (
            header::CONTENT_DISPOSITION,
            file.unwrap_or(HeaderValue::from_static("attachment; filename=\"table.csv\"")),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, text).into_response())
}

fn written<const N: usize>(
    most: usize,
    head: [&str; N],
    mut rows: impl Iterator<Item = [String; N]>,
) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(Vec::new());
    writer.write_record(head)?;
    for row in rows.by_ref().take(most) {
        writer.write_record(row.map(harmless))?;
    }
    if rows.next().is_some() {
        writer.write_record([format!("There are more than {most} rows: DASHBOARD_CSV_ROWS")])?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// So many rows are read for an export: one more than are written.
pub fn rows_read(app: &App) -> i64 {
    app.settings.dashboard.csv_rows_max + 1
}

/// A cell that no spreadsheet takes for a formula: an apostrophe stands before what would begin one.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell }
}

/// An instant in a cell: RFC 3339 in the domain's zone.
pub fn instant(at: Option<Micros>, zone: chrono_tz::Tz) -> String {
    at.map(|at| at.rfc3339(zone)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("1=1", "1=1"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell.to_owned()), expected);
        }
    }

    #[test]
    fn a_table_says_where_it_was_cut_off() {
        let rows = |n: usize| (0..n).map(|n| [n.to_string(), "a,\"b\"\n".to_owned()]);
        let text = |n| String::from_utf8(written(2, ["n", "=x"], rows(n)).unwrap()).unwrap();
        let two = "n,=x\r\n0,\"a,\"\"b\"\"\n\"\r\n1,\"a,\"\"b\"\"\n\"\r\n";
        assert_eq!(text(2), two);
        assert_eq!(text(3), format!("{two}There are more than 2 rows: DASHBOARD_CSV_ROWS\r\n"));
    }

    #[test]
    fn pages_lead_to_each_other() {
        let pager = |page: &str, total| {
            let query = Fields::of_form(format!("page={page}").as_bytes());
            let pager = Pager::read(&query, "/x", &[("q", "a b"), ("sort", "")]);
            pager.map(|pager| pager.of(total))
        };
        let ways = |page, total| {
            let pager = pager(page, total).unwrap();
            (pager.before(), pager.after())
        };
        let at = |n: i64| Some(format!("/x?q=a+b&page={n}"));
        assert_eq!(ways("1", 0), (None, None));
        assert_eq!(ways("1", 50), (None, None));
        assert_eq!(ways("1", 51), (None, at(2)));
        assert_eq!(ways("2", 51), (at(1), None));
        assert_eq!(ways("9", 51), (at(2), None), "beyond the end");
        assert_eq!(pager("", 1).unwrap().page, 1);
        for bad in ["0", "-1", "x", "1000001"] {
            assert_eq!(pager(bad, 1).unwrap_err().field.as_deref(), Some("page"), "{bad}");
        }
    }
}
