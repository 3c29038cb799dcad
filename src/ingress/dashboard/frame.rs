//! What all pages have in common: the frame around them, and the headers they leave with.
use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode},
    response::Response,
};

use super::session::Admin;
use crate::ingress::{fields::Fields, pages};

/// Everything from this host, nothing written into the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What stands around a page.
pub struct Frame<'a> {
    /// Who is signed in.
    pub admin: &'a Admin,
    /// What the page is about.
    pub title: &'a str,
    /// Which part of the whole it is.
    pub part: Part,
    /// What was done.
    pub told: Option<String>,
}

/// A part of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The figures.
    Overview,
    /// Codes and referrers.
    Codes,
    /// Programmes.
    Programmes,
    /// Partners and payouts.
    Partners,
    /// Deliveries to billing.
    Deliveries,
    /// Parked messages, for operators.
    Dead,
}

impl Part {
    /// Those that every administrator sees, with their addresses and names.
    pub const ALL: [(Self, &str, &str); 5] = [
        (Self::Overview, "/dashboard/", "Overview"),
        (Self::Codes, "/dashboard/codes", "Codes"),
        (Self::Programmes, "/dashboard/programmes", "Programmes"),
        (Self::Partners, "/dashboard/partners", "Partners"),
        (Self::Deliveries, "/dashboard/deliveries", "Deliveries"),
    ];
}

impl<'a> Frame<'a> {
    /// Around a page with this title.
    pub fn new(admin: &'a Admin, part: Part, title: &'a str) -> Self {
        Self { admin, title, part, told: None }
    }

    /// With what was done before, in the words of the address that a form's answer leads to.
    pub fn told(self, query: &Fields) -> Self {
        let number = query.text_if_one("n").parse::<u64>().unwrap_or_default();
        let many = |one: &str, many: &str| match number {
            1 => format!("1 {one}"),
            _ => format!("{number} {many}"),
        };
        let told = match query.text_if_one("told").as_str() {
            "created" => Some("The programme was created.".to_owned()),
            "changed" => {
                Some("The programme was changed. Registered users keep their terms.".to_owned())
            }
            "retried" => Some(many("delivery is due now.", "deliveries are due now.")),
            "revoked" => Some("The key was revoked.".to_owned()),
            "paid" => Some("The payout is marked as paid out.".to_owned()),
            "cancelled" => Some("The payout was cancelled; its money is due again.".to_owned()),
            "replayed" => Some(many("message was sent back.", "messages were sent back.")),
            "dropped" => Some(many("message was dropped.", "messages were dropped.")),
            _ => None,
        };
        Self { told, ..self }
    }
}

/// A page as an answer; nobody keeps it.
pub fn page(status: StatusCode, page: &impl Template) -> Response {
    pages::answer(status, page, HeaderValue::from_static(POLICY))
}
