//! `PUT /v1/rates` (contract 4): replaces the domain's rates.
#![expect(unused_qualifications, reason = "written by utoipa's macros")]
use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    domain::{
        Rates,
        rate::{Bad, NoRates},
    },
    ingress::{App, auth::Caller, body, problem::Refusal},
    store::rates,
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(replace))
}

/// A number in a request: at most 20 digits before the point and 18 after it.
struct Exact;

impl PartialSchema for Exact {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0));
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^[0-9]{1,20}(\.[0-9]{1,18})?$"))
            .description(Some("The same as a decimal string"));
        OneOfBuilder::new().item(number).item(text).into()
    }
}

impl ToSchema for Exact {}

/// One direction of exchange
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name")]
#[schema(as = NewRate, example = json!({"from": "PMUSD", "to": "BTC", "in": "65000.5", "out": 1, "amount": 3.25}))]
struct NewRate {
    /// The currency that is given
    #[schema(pattern = "^[0-9A-Za-z]{1,20}$")]
    from: String,
    /// The currency that is got
    #[schema(pattern = "^[0-9A-Za-z]{1,20}$")]
    to: String,
    /// More than 0: for so much of `from` …
    r#in: Exact,
    /// … more than 0: one gets so much of `to`
    out: Exact,
    /// The reserve of `to`
    amount: Option<Exact>,
    /// The least that is exchanged
    minamount: Option<Exact>,
    /// The most that is exchanged
    maxamount: Option<Exact>,
    /// BestChange's marks, comma-separated
    #[schema(max_length = 255, example = "manual,verifying")]
    param: Option<String>,
}

/// All rates of the domain, no direction twice
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read item by item")]
#[schema(max_items = 10_000, example = json!([
    {"from": "PMUSD", "to": "BTC", "in": "65000.5", "out": 1, "amount": 3.25, "param": "manual"},
    {"from": "BTC", "to": "PMUSD", "in": 1, "out": 64000, "minamount": 0.001, "maxamount": 2},
]))]
struct NewRates(Vec<NewRate>);

/// Replaces the domain's rates, all of them at once
///
/// The same rates again change nothing. An empty array clears them.
#[utoipa::path(put, path = "/v1/rates", tag = "aura", operation_id = "replace_rates",
    security(("bearer" = [])),
    request_body(content = NewRates, content_type = "application/json"),
    responses(
        (status = 204, description = "They are in force"),
        (status = 413, description = "The body is over `RATES_BODY_MAX` bytes"),
        (status = 415, description = "The body is not JSON"),
        (status = 422, description = "A bad item; `field` names it and its member, such as `[3].in`. Nothing has changed"),
    ))]
async fn replace(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let body = body::json(request, app.settings.rates_body_bytes_max).await?;
    let given = Rates::of_json(&body).map_err(refusal)?;
    rates::replace(&app.store, caller.domain.id, &given, app.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refusal(no: NoRates) -> Refusal {
    match no {
        NoRates::Json(problem) => {
            Refusal::new(StatusCode::BAD_REQUEST, format!("the body {problem}"))
        }
        NoRates::Item(bad) => {
            Refusal::field(Bad::place(&bad), bad.problem(|item| format!("[{item}]")))
        }
    }
}
