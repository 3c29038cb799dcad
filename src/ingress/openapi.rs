//! The OpenAPI 3.1 document and its page (contract 2: `GET /v1/openapi.json`, `GET /swagger/`).
//!
//! Routes are made from the documented handlers themselves (`routes!`), so that none is missing here.
//! What any call may be refused with is added to all of them in one place, [`complete`]. Refuses to
//! load anything from another host.
#![expect(unused_qualifications, reason = "written by utoipa's macros")]
use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::json;
use utoipa::{
    Modify, OpenApi, PartialSchema, ToSchema,
    openapi::{
        Content, Header, ObjectBuilder, OneOfBuilder, OpenApi as Document, Ref, RefOr,
        Response as Answer, ResponseBuilder, Schema, Type,
        path::{Operation, PathItem},
        security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        },
    },
};
use utoipa_axum::{router::OpenApiRouter, router::UtoipaMethodRouter, routes};

use super::{
    App,
    problem::{Dialect, InPath, Plain, Problem, Refusal},
};

/// Name of the security scheme of everything but logging in and the partner API.
const BEARER: &str = "bearer";
/// Name of the security scheme of the partner API.
const PARTNER_KEY: &str = "partner_key";
/// Name of the security scheme of the client's pages.
const SESSION: &str = "session";
/// Where the document is.
const DOCUMENT: &str = "/v1/openapi.json";
/// Redirects whatever stands in its path (contract 4).
const FORGIVING: &str = "/ref/{code}/";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Referral pipeline",
        description = "Referral codes, daily records, programmes, registrations, invoices and statements.\n\n\
            Log in with `POST /v1/auth/token`, then send `Authorization: Bearer KEY`. A key sees and changes \
            its own domain only. What is published is answered once the broker has confirmed it, a followed link \
            once its click is on the disk at the latest; a 503 is safe to repeat. Paths that end in a slash work without it, too.",
        license(name = "MIT", identifier = "MIT"),
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "rcp", description = "Daily referral records, tokens, the referral link"),
        (name = "umi", description = "Registration and payment of sites by partners; the client's page"),
        (name = "getup", description = "Programmes, registration, invoices, statements"),
        (name = "aura", description = "Links with currencies, rate exports, partner accounts"),
        (name = "billing", description = "What billing was told, or is to be told, of credits"),
        (name = "events", description = "What became of an event"),
        (name = "documentation", description = "This document"),
        (name = "operations", description = "Served at OPS_ADDR by every program, not here"),
    ),
    components(schemas(Problem, Plain)),
    modifiers(&Bearer),
)]
struct Base;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A key of `POST /v1/auth/token` or of `referral token create`"));
        let scheme = SecurityScheme::Http(scheme.build());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(BEARER, scheme);
        let key = ApiKeyValue::with_description("api_key", "A key of `referral partner key`");
        let scheme = SecurityScheme::ApiKey(ApiKey::Query(key));
        components.add_security_scheme(PARTNER_KEY, scheme);
        let cookie = ApiKeyValue::with_description("adminzone", "A cookie of `/adminzone/`");
        let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
        components.add_security_scheme(SESSION, scheme);
    }
}

/// An amount of money in a request: at most 2 decimals.
pub struct Amount;
/// A percentage in a request: at most 4 decimals.
pub struct Percent;

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        number_or_text(1_000_000_000_000_i64, r"^[0-9]{1,12}(\.[0-9]{1,2})?$")
    }
}

impl PartialSchema for Percent {
    fn schema() -> RefOr<Schema> {
        number_or_text(100_i64, r"^[0-9]{1,2}(\.[0-9]{1,4})?$")
    }
}

impl ToSchema for Amount {}
impl ToSchema for Percent {}

/// Numbers come as numbers or as decimal strings (contract 5).
fn number_or_text(maximum: i64, pattern: &str) -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0));
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .description(Some("The same as a decimal string"));
    OneOfBuilder::new().item(number.maximum(Some(maximum))).item(text).into()
}

/// The document, still without any route.
pub fn base() -> Document {
    Base::openapi()
}

/// This file's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show)).merge(both(routes!(page))).routes(routes!(asset))
}

/// The route with and without its last slash; the document has the spelling of the contract.
pub fn both(route: UtoipaMethodRouter<App>) -> OpenApiRouter<App> {
    let other = route.1.paths.keys().next().map(|path| match path.strip_suffix('/') {
        Some(bare) => bare.to_owned(),
        None => format!("{path}/"),
    });
    let handlers = route.2.clone();
    let router = OpenApiRouter::new().routes(route);
    // `/swagger/` and the like would be at "" without theirs.
    match other.filter(|path| !path.is_empty()) {
        Some(path) => router.route(&path, handlers),
        None => router,
    }
}

/// The whole document as it is served.
pub fn document() -> &'static Document {
    static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
        let mut document = super::documented().into_openapi();
        complete(&mut document);
        document
    });
    &DOCUMENT
}

/// Adds what every call of a kind may be answered, and the operations' own routes.
fn complete(document: &mut Document) {
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            refusals(path, operation);
        }
    }
    operations_routes(document);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten()
}

/// The refusals that come with a body, a bearer token or a member of the path.
fn refusals(path: &str, operation: &mut Operation) {
    let body = operation.request_body.as_ref();
    let has_body = body.is_some();
    let takes_json =
        matches!(body, Some(RefOr::T(body)) if body.content.contains_key("application/json"));
    let bearer = SecurityRequirement::new::<_, [&str; 0], _>(BEARER, []);
    let secured = operation.security.iter().flatten().any(|way| *way == bearer);
    let mut add = |status: u16, description: &str| {
        let answers = &mut operation.responses.responses;
        answers
            .entry(status.to_string())
            .or_insert_with(|| RefOr::T(refusal(path, status, description)));
    };
    if (path.contains('{') && path != FORGIVING) || takes_json {
        add(400, "The path is not UTF-8, or the body is not what it says it is");
    }
    if secured {
        add(401, "No bearer token, or one that is not valid");
        add(429, "10 failures within a minute: try again after `Retry-After` seconds");
        add(503, "Database or broker are away: safe to repeat");
    }
    // The UMI dialect says these in an answer of 200 (contract 3), and the rest by itself.
    if has_body && Dialect::of(path) != Dialect::Umi {
        add(408, "The body took over 10 s");
        add(413, "The body is over `BODY_MAX` bytes");
        add(415, "The body is neither JSON nor a form");
    }
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        if matches!(status.as_str(), "429" | "503") {
            let seconds = Header::new(i64::schema());
            answer.headers.entry("Retry-After".to_owned()).or_insert(RefOr::T(seconds));
        }
        let is_refusal = status.starts_with('4') || status.starts_with('5');
        if is_refusal && answer.content.is_empty() {
            answer.content = refusal(path, 0, "").content;
        }
    }
}

/// A refusal in the words of the path's dialect.
fn refusal(path: &str, status: u16, description: &str) -> Answer {
    let (kind, schema, example) = match Dialect::of(path) {
        Dialect::Problem => {
            let title =
                StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            let example = title.map(|title| {
                json!({"type": "about:blank", "title": title, "status": status, "detail": description})
            });
            ("application/problem+json", reference(&Problem::name()), example)
        }
        Dialect::Page(..) => ("text/html", String::schema(), None),
        Dialect::Umi => ("application/json", reference(&super::umi::answer::Answer::name()), None),
        Dialect::Plain => {
            let example = (status != 0).then(|| json!({"error": description}));
            ("application/json", reference(&Plain::name()), example)
        }
    };
    let mut content = Content::new(Some(schema));
    content.example = example;
    ResponseBuilder::new().description(description).content(kind, content).build()
}

fn reference(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

/// `GET /live`, `/ready` and `/metrics` of every program: at another address, so not routes of the
/// ingress, but in the document.
fn operations_routes(document: &mut Document) {
    #[derive(OpenApi)]
    #[openapi(paths(live, ready, metrics))]
    struct Operations;

    /// 200 while the program runs
    #[utoipa::path(get, path = "/live", tag = "operations", operation_id = "live",
        servers((url = "http://127.0.0.1:9090", description = "OPS_ADDR")),
        responses((status = 200, description = "It runs", body = String, content_type = "text/plain", example = "live\n")))]
    #[expect(dead_code, reason = "documentation; served by crate::ops")]
    fn live() {}

    /// 200 while broker and database are there
    #[utoipa::path(get, path = "/ready", tag = "operations", operation_id = "ready",
        servers((url = "http://127.0.0.1:9090", description = "OPS_ADDR")),
        responses(
            (status = 200, description = "Ready for work", body = String, content_type = "text/plain"),
            (status = 503, description = "What it waits for", body = String, content_type = "text/plain"),
        ))]
    #[expect(dead_code, reason = "documentation; served by crate::ops")]
    fn ready() {}

    /// Prometheus' text format
    #[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics",
        servers((url = "http://127.0.0.1:9090", description = "OPS_ADDR")),
        responses((status = 200, description = "All metrics", body = String,
            content_type = "application/openmetrics-text")))]
    #[expect(dead_code, reason = "documentation; served by crate::ops")]
    fn metrics() {}

    document.merge(Operations::openapi());
}

/// This document
#[utoipa::path(get, path = "/v1/openapi.json", tag = "documentation", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
async fn show() -> Response {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| serde_json::to_string(document()).unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

/// Swagger UI, a page to read and try this document
#[utoipa::path(get, path = "/swagger/", tag = "documentation", operation_id = "swagger",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 308, description = "Without its last slash",
            headers(("Location" = String, description = "With it"))),
    ))]
async fn page(uri: axum::http::Uri) -> Result<Response, Refusal> {
    if !uri.path().ends_with('/') {
        // The page's own links are relative.
        return Ok(Redirect::permanent("/swagger/").into_response());
    }
    file("index.html")
}

/// The page's own scripts and styles
#[utoipa::path(get, path = "/swagger/{file}", tag = "documentation", operation_id = "swagger_asset",
    params(("file" = String, Path, description = "A file of the page", example = "swagger-ui.css")),
    responses(
        (status = 200, description = "The file", body = String, content_type = "*/*"),
        (status = 404, description = "There is no such file"),
    ))]
async fn asset(InPath(name): InPath) -> Result<Response, Refusal> {
    file(&name)
}

/// A file of Swagger UI. Its policy lets the browser fetch nothing from elsewhere.
fn file(name: &str) -> Result<Response, Refusal> {
    type Config = Arc<utoipa_swagger_ui::Config<'static>>;
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        // Its default validator is another host.
        let config = utoipa_swagger_ui::Config::from(DOCUMENT).validator_url("none");
        Arc::new(config.try_it_out_enabled(true).persist_authorization(false))
    });
    const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src 'self' data:; \
        script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; base-uri 'none'; \
        form-action 'none'; frame-ancestors 'none'";
    let missing = || Refusal::not_found("there is no such file");
    let found = utoipa_swagger_ui::serve(name, CONFIG.clone()).map_err(|_| missing())?;
    let found = found.ok_or_else(missing)?;
    let headers = [
        (header::CONTENT_TYPE, found.content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    let bytes: Cow<'static, [u8]> = found.bytes;
    Ok((headers, bytes.into_owned()).into_response())
}
