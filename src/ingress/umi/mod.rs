//! The UMI dialect (contract 3): partners register sites and report payments.
//!
//! Reading order: this file (who calls, and the routes), [`call`] (what is asked for, pure), [`act`]
//! (how it is done), [`answer`] (what is said), [`goods`] and [`prices`] (the catalogue as it is
//! shown), [`relay`] (how its events get to the broker).
#![expect(unused_qualifications, reason = "written by utoipa's macros")]
mod act;
pub mod answer;
mod call;
mod goods;
mod prices;
pub mod relay;

use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    answer::{Answer, Catalogued, Errors, Failure, Outcome},
    goods::GoodsAnswer,
};
use super::{
    App, auth,
    client::Client,
    fields::{Fields, Form, InQuery},
    problem::Refusal,
    throttle::Key,
};
use crate::{
    credentials,
    domain::event::DEFAULT_DOMAIN,
    failpoint,
    store::{
        partners::{self, Caller},
        tenants,
    },
};

/// What partners' logins are counted under: no domain's name, and none that can be sent.
const PARTNERS: &str = "\0partner";
/// How many catalogues may follow each other while one call is carried out.
const CATALOGUES_MAX: usize = 5;

/// The dialect's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(partner_api)).routes(routes!(goods_get, goods_post))
}

/// Whether refusals of this path are in this dialect's words.
pub fn is_umi(path: &str) -> bool {
    matches!(path, "/partnerapi.php" | "/goods.php")
}

/// A partner's call
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from the form")]
#[schema(as = UmiCall, example = json!({"partner": "acme", "code": "0123456789abcdef0123456789abcdef01234567",
    "host": "shop.example.com", "email": "a@example.com", "product": 11}))]
struct Call {
    /// The partner's login
    partner: String,
    /// The partner's code
    code: String,
    /// The site's full name
    #[schema(max_length = 253)]
    host: String,
    /// `block`, `unblock`, `check_free`, `upgrade_price`, `forever_price` or `upgrade`; without one, `email` registers
    /// and `product` pays
    action: Option<String>,
    /// Register: the administrator's e-mail, which is its login
    #[schema(format = Email, max_length = 254)]
    email: Option<String>,
    /// Register: the administrator's password [default: generated]
    #[schema(max_length = 1024)]
    password: Option<String>,
    /// Register: 0 sends the administrator no letter [default: 1]
    sendmail: Option<u8>,
    /// Register: a tariff's id [default: the first]
    app: Option<i64>,
    /// Register: 1 makes a free site; needs `product`
    no_pay: Option<u8>,
    /// Pay, upgrade, and register and pay: the id of what is paid
    product: Option<i64>,
    /// The partner's name for a payment: repeated, it charges nothing more
    #[schema(max_length = 253, pattern = "^[!-~]+$")]
    request_id: Option<String>,
}

/// Registers a site, pays for it, blocks it, tells prices
///
/// All that is wrong with a call is told in `errors`, with HTTP 200. Safe to repeat: what was registered is not
/// registered twice, what was paid with the registration or under a `request_id` is not charged twice.
#[utoipa::path(post, path = "/partnerapi.php", tag = "umi", operation_id = "site_api",
    request_body(content((Call = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Done, or what is wrong", body = Answer),
        (status = 413, description = "The body is over `BODY_MAX` bytes", body = Answer),
        (status = 429, description = "10 failed codes within a minute from one address or of one partner", body = Answer),
        (status = 503, description = "The database is away: safe to repeat", body = Answer),
    ))]
async fn partner_api(State(app): State<App>, client: Client, request: Request) -> Response {
    match done(&app, &client, request).await {
        Ok(outcome) => {
            failpoint::pass("sites::before-answer");
            ([(header::CACHE_CONTROL, "no-store")], outcome).into_response()
        }
        Err(Failure::Wrong(errors)) => errors.into_response(),
        Err(Failure::Refused(refusal)) => refusal.into_response(),
        Err(Failure::CatalogueChanged) => {
            Refusal::unavailable("the catalogue is being changed").into_response()
        }
    }
}

async fn done(app: &App, client: &Client, request: Request) -> Result<Outcome, Failure> {
    let fields = read(request, app).await?;
    let mut errors = Errors::default();
    let Some(partner) = admit(app, client, &fields, &mut errors).await? else {
        call::read(&fields, None, &mut errors);
        return Err(Failure::Wrong(errors));
    };
    for _ in 1..CATALOGUES_MAX {
        match carry_out(app, client, &fields, &partner).await {
            Err(Failure::CatalogueChanged) => {}
            outcome => return outcome,
        }
    }
    carry_out(app, client, &fields, &partner).await
}

async fn read(request: Request, app: &App) -> Result<Fields, Refusal> {
    Form::from_request(request, app).await.map(|Form(fields)| fields)
}

/// Reads the call by the catalogue that is in force, and carries it out.
async fn carry_out(
    app: &App,
    client: &Client,
    fields: &Fields,
    partner: &Caller,
) -> Result<Outcome, Failure> {
    let mut errors = Errors::default();
    let in_force = app.catalogues.of(&app.store, partner.domain.id).await?;
    let (host, wanted) = call::read(fields, Some(&in_force.catalogue), &mut errors);
    let Some(host) = host else { return Err(Failure::Wrong(errors)) };
    let act = act::Act { app, client, partner, in_force: &in_force, host: &host };
    match wanted {
        Some(wanted) if errors.is_empty() => act.carry_out(wanted).await,
        // What the registry has to say is told with the rest.
        wanted => {
            act.also_wrong(wanted.as_ref(), &mut errors).await?;
            Err(Failure::Wrong(errors))
        }
    }
}

/// The partner, by login and code; wrong ones are counted with all other credentials, and nothing
/// tells which of both was wrong.
async fn admit(
    app: &App,
    client: &Client,
    fields: &Fields,
    errors: &mut Errors,
) -> Result<Option<Caller>, Refusal> {
    let login = errors.require("partner", fields.text("partner"));
    let code = errors.require("code", fields.text("code"));
    // With one of them missing nothing was tried, so nothing failed.
    let Some((login, code)) = login.zip(code) else { return Ok(None) };
    let tried_by = [Key::address(client.address), Key::login(PARTNERS, &login)];
    let code_hash = credentials::key_hash(&code);
    let finding = partners::by_login(&app.store, &login);
    let found = auth::open(app, &tried_by, &code_hash, finding, |found| &found.code_hash).await?;
    if found.is_none() {
        errors.add("partner, code: one of the two is wrong");
    }
    Ok(found)
}

/// Whose catalogue
#[derive(IntoParams, ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from the query or the form")]
#[into_params(parameter_in = Query)]
#[schema(as = UmiCatalogueOf, example = json!({"domain": "default"}))]
struct Whose {
    /// The domain whose catalogue it is [default: `default`]
    #[param(nullable = false, example = "default")]
    #[schema(nullable = false)]
    domain: Option<String>,
}

/// The catalogue: tariffs and what can be paid
#[utoipa::path(get, path = "/goods.php", tag = "umi", operation_id = "goods",
    params(Whose),
    responses(
        (status = 200, description = "The catalogue", body = Catalogued),
        (status = 503, description = "The database is away", body = Answer),
    ))]
async fn goods_get(State(app): State<App>, InQuery(query): InQuery) -> Result<Response, Refusal> {
    goods_of(&app, &query).await
}

/// The same
#[utoipa::path(post, path = "/goods.php", tag = "umi", operation_id = "goods_by_post",
    request_body(content((Whose = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The catalogue", body = Catalogued),
        (status = 413, description = "The body is over `BODY_MAX` bytes", body = Answer),
        (status = 503, description = "The database is away", body = Answer),
    ))]
async fn goods_post(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    // Who sends nothing need not say what it is.
    let is_empty = !request.headers().contains_key(header::CONTENT_TYPE);
    let fields = if is_empty { Fields::default() } else { read(request, &app).await? };
    goods_of(&app, &fields).await
}

async fn goods_of(app: &App, fields: &Fields) -> Result<Response, Refusal> {
    let name = fields.text("domain")?;
    let name = name.as_deref().unwrap_or(DEFAULT_DOMAIN);
    let Some(domain) = tenants::domain(&app.store, name).await? else {
        return Err(Refusal::field("domain", "there is no such domain"));
    };
    let in_force = app.catalogues.of(&app.store, domain.id).await?;
    Ok(Json(GoodsAnswer::from(&*in_force.catalogue)).into_response())
}
