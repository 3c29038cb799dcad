//! `/program/` and `/program/<id>/` (contract 5).
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};

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
        problem::Refusal,
    },
    store::{
        programmes::{self, Terms},
        reference::Programme,
    },
};

/// Longest name, in characters.
const NAME_MAX_CHARS: usize = 253;

pub fn routes() -> Router<App> {
    both("/program", get(list).post(create))
        .merge(both("/program/{id}", get(show).put(change).delete(remove)))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    fields: Fields,
) -> Result<Response, Refusal> {
    let given = Given::read(&fields)?;
    let terms = Terms {
        name: given.name.ok_or_else(|| missing("name"))?,
        credit: given.credit.ok_or_else(|| missing("credit_value"))?,
        target: given.target.ok_or_else(|| missing("target_value"))?,
        reward_percent_e4: given.reward_percent_e4.unwrap_or_default(),
    };
    let made = programmes::create(&app.store, caller.domain.id, terms, app.clock.now()).await?;
    Ok((StatusCode::CREATED, Json(shown(&app, &caller, made))).into_response())
}

async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Vec<ShownProgramme>>, Refusal> {
    let all = programmes::all(&app.store, caller.domain.id).await?;
    Ok(Json(all.into_iter().map(|one| shown(&app, &caller, one)).collect()))
}

async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ShownProgramme>, Refusal> {
    let found = find(&app, &caller, &id).await?;
    Ok(Json(shown(&app, &caller, found)))
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<ShownProgramme>, Refusal> {
    let given = Given::read(&fields)?;
    let found = find(&app, &caller, &id).await?;
    let (id, mut terms) = (found.id, Terms::from(found));
    terms.name = given.name.unwrap_or(terms.name);
    terms.credit = given.credit.unwrap_or(terms.credit);
    terms.target = given.target.unwrap_or(terms.target);
    terms.reward_percent_e4 = given.reward_percent_e4.unwrap_or(terms.reward_percent_e4);
    let changed = programmes::change(&app.store, caller.domain.id, id, terms).await?;
    Ok(Json(shown(&app, &caller, changed)))
}

async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
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
struct Given {
    name: Option<String>,
    credit: Option<Money>,
    target: Option<Money>,
    reward_percent_e4: Option<i64>,
}

impl Given {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
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
