//! `/program/` and `/program/<id>/` (contract 5).
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    both,
    shapes::{self, ShownProgramme},
};
use crate::{
    domain::Money,
    ingress::{
        App,
        auth::Caller,
        fields::{Fields, missing},
        openapi::{Amount, Percent},
        problem::{InPath, Refusal},
    },
    store::{
        programmes::{self, Terms},
        reference::Programme,
    },
};

/// Longest name, in characters.
const NAME_MAX_CHARS: usize = 253;

/// This file's routes.
pub fn routes() -> OpenApiRouter<App> {
    both(routes!(list, create)).merge(both(routes!(show, change, remove)))
}

/// The terms of a new programme
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from JSON or a form")]
#[schema(example = json!({"name": "Default", "credit_value": 10, "target_value": "25.00"}))]
struct NewProgramme {
    #[schema(min_length = 1, max_length = 253)]
    name: String,
    /// What the referred user gets at signup
    credit_value: Amount,
    /// What the referrer gets, once the referred user's payments reach it
    target_value: Amount,
    /// Share of each payment for the referrer, 0 to 100 with at most 4 decimals
    reward_percent: Option<Percent>,
}

/// What is given is changed
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from JSON or a form")]
#[schema(example = json!({"credit_value": 0}))]
struct ChangedProgramme {
    #[schema(min_length = 1, max_length = 253)]
    name: Option<String>,
    /// A given 0 counts
    credit_value: Option<Amount>,
    /// A given 0 counts
    target_value: Option<Amount>,
    reward_percent: Option<Percent>,
}

/// Makes a programme
#[utoipa::path(post, path = "/program/", tag = "getup", operation_id = "create_programme",
    security(("bearer" = [])),
    request_body(content((NewProgramme = "application/json"), (NewProgramme = "application/x-www-form-urlencoded"))),
    responses(
        (status = 201, description = "The programme", body = ShownProgramme),
        (status = 422, description = "A bad or missing value; the error names it"),
    ))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    fields: Fields,
) -> Result<Response, Refusal> {
    let terms = Given::read(&fields)?.terms()?;
    let made = programmes::create(&app.store, caller.domain.id, terms, app.clock.now()).await?;
    Ok((StatusCode::CREATED, Json(shown(&app, &caller, made))).into_response())
}

/// All programmes of the domain
#[utoipa::path(get, path = "/program/", tag = "getup", operation_id = "programmes",
    security(("bearer" = [])),
    responses((status = 200, description = "In order of their ids", body = Vec<ShownProgramme>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Vec<ShownProgramme>>, Refusal> {
    let all = programmes::all(&app.store, caller.domain.id).await?;
    Ok(Json(all.into_iter().map(|one| shown(&app, &caller, one)).collect()))
}

/// One programme
#[utoipa::path(get, path = "/program/{id}/", tag = "getup", operation_id = "programme",
    security(("bearer" = [])),
    params(("id" = i64, Path, description = "The programme's id", example = 1)),
    responses(
        (status = 200, description = "The programme", body = ShownProgramme),
        (status = 404, description = "ID not found"),
    ))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath,
) -> Result<Json<ShownProgramme>, Refusal> {
    let found = find(&app, &caller, &id).await?;
    Ok(Json(shown(&app, &caller, found)))
}

/// Changes a programme
///
/// Users who are registered already keep the terms they registered under.
#[utoipa::path(put, path = "/program/{id}/", tag = "getup", operation_id = "change_programme",
    security(("bearer" = [])),
    params(("id" = i64, Path, description = "The programme's id", example = 1)),
    request_body(content((ChangedProgramme = "application/json"),
        (ChangedProgramme = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The programme as it is now", body = ShownProgramme),
        (status = 404, description = "ID not found"),
        (status = 422, description = "A bad value; the error names it"),
    ))]
async fn change(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath,
    fields: Fields,
) -> Result<Json<ShownProgramme>, Refusal> {
    let given = Given::read(&fields)?;
    let found = find(&app, &caller, &id).await?;
    let (id, terms) = (found.id, given.over(Terms::from(found)));
    let changed = programmes::change(&app.store, caller.domain.id, id, terms).await?;
    Ok(Json(shown(&app, &caller, changed)))
}

/// Removes a programme
#[utoipa::path(delete, path = "/program/{id}/", tag = "getup", operation_id = "remove_programme",
    security(("bearer" = [])),
    params(("id" = i64, Path, description = "The programme's id", example = 1)),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "ID not found"),
        (status = 409, description = "Users are registered under it"),
    ))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath,
) -> Result<StatusCode, Refusal> {
    let found = find(&app, &caller, &id).await?;
    if programmes::remove(&app.store, caller.domain.id, found.id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::conflict("users are registered under this programme"))
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<Programme, Refusal> {
    let unknown = || Refusal::not_found("ID not found");
    let id = id.parse().map_err(|_| unknown())?;
    programmes::one(&app.store, caller.domain.id, id).await?.ok_or_else(unknown)
}

fn shown(app: &App, caller: &Caller, programme: Programme) -> ShownProgramme {
    shapes::programme(programme, caller.domain.currency.as_str(), &app.settings.public_url)
}

/// The members that a request has.
pub struct Given {
    name: Option<String>,
    credit: Option<Money>,
    target: Option<Money>,
    reward_percent_e4: Option<i64>,
}

impl Given {
    /// The terms of a new programme; what may be left out is nought.
    pub fn terms(self) -> Result<Terms, Refusal> {
        Ok(Terms {
            name: self.name.ok_or_else(|| missing("name"))?,
            credit: self.credit.ok_or_else(|| missing("credit_value"))?,
            target: self.target.ok_or_else(|| missing("target_value"))?,
            reward_percent_e4: self.reward_percent_e4.unwrap_or_default(),
        })
    }

    /// These terms, with what is given changed.
    pub fn over(self, terms: Terms) -> Terms {
        Terms {
            name: self.name.unwrap_or(terms.name),
            credit: self.credit.unwrap_or(terms.credit),
            target: self.target.unwrap_or(terms.target),
            reward_percent_e4: self.reward_percent_e4.unwrap_or(terms.reward_percent_e4),
        }
    }

    /// Reads them.
    pub fn read(fields: &Fields) -> Result<Self, Refusal> {
        let name = fields.text("name")?;
        if name.as_ref().is_some_and(|name| name.chars().count() > NAME_MAX_CHARS) {
            let problem = format!("must be at most {NAME_MAX_CHARS} characters");
            return Err(Refusal::field("name", problem));
        }
        Ok(Self {
            name,
            credit: fields.money("credit_value")?,
            target: fields.money("target_value")?,
            reward_percent_e4: fields.percent("reward_percent")?,
        })
    }
}
