//! `GET /service/export/{xml|json|txt}/{code}` (contract 4): the rates of the code's domain.
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::rendered::{Exported, Format};
use crate::{
    domain::Code,
    ingress::{
        App,
        conditional::Validators,
        problem::{InPath, Refusal},
    },
    store::rates,
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Exports the exchange rates of the domain that a referral code belongs to
///
/// Numbers have a decimal point, never an exponent, and no trailing zeros; what a rate does not have is
/// left out, in `txt` left empty.
#[utoipa::path(get, path = "/service/export/{format}/{code}", tag = "aura", operation_id = "export_rates",
    params(
        ("format" = String, Path, description = "`xml` is BestChange's format, `txt` a line `FROM;TO;IN;OUT;AMOUNT;` per direction",
            pattern = "^(xml|json|txt)$", example = "xml"),
        ("code" = String, Path, description = "A registered referral code, or a user's own",
            pattern = "^[0-9A-Za-z]{20}$", example = "b4b9e071006f409d8e6d"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags that the client has"),
        ("If-Modified-Since" = Option<String>, Header, description = "Counts only without `If-None-Match`"),
    ),
    responses(
        (status = 200, description = "The rates", content(
            (String = "application/xml", example = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rates>\n<item><from>PMUSD</from><to>BTC</to><in>65000.5</in><out>1</out><amount>3.25</amount></item>\n</rates>\n"),
            (Exported<'static> = "application/json"),
            (String = "text/plain", example = "PMUSD;BTC;65000.5;1;3.25;\n"),
        ), headers(
            ("ETag" = String, description = "Strong"),
            ("Last-Modified" = String, description = "When the rates changed"),
            ("Cache-Control" = String, description = "`no-cache`: to be asked for each time"),
        )),
        (status = 304, description = "The client has them", headers(
            ("ETag" = String, description = "Strong"),
            ("Last-Modified" = String, description = "When the rates changed"),
            ("Cache-Control" = String, description = "`no-cache`: to be asked for each time"),
        )),
        (status = 404, description = "There is no such format, or nobody has this code"),
        (status = 503, description = "The database is away: safe to repeat"),
    ))]
async fn export(
    State(app): State<App>,
    InPath((format, code)): InPath<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let format = Format::parse(&format);
    let format = format.ok_or_else(|| Refusal::not_found("formats are xml, json and txt"))?;
    let unknown = || Refusal::not_found("nobody has this code");
    let code = Code::parse(&code).map_err(|_| unknown())?;
    let standing = rates::standing(&app.store, &code).await?.ok_or_else(unknown)?;
    let rendered = app.exports.of(&app.store, standing).await?;
    let file = rendered.file(format);
    let validators = Validators { etag: &file.etag, changed: rendered.changed };
    let own = [
        (header::ETAG, file.etag.clone()),
        (header::LAST_MODIFIED, validators.last_modified(app.clock.now())),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    if validators.match_request(&headers) {
        return Ok((StatusCode::NOT_MODIFIED, own).into_response());
    }
    let kind = [(header::CONTENT_TYPE, format.content_type())];
    Ok((own, kind, Body::from(file.bytes.clone())).into_response())
}
