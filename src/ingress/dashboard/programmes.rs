//! Programmes: the terms, a new one, and a change of one.
use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};

use super::{
    frame::{Frame, Part, page},
    session::Admin,
    table,
};
use crate::{
    domain::money,
    ingress::{
        App,
        fields::{Fields, InQuery},
        getup::programme::Given,
        own::Posted,
        pages::to,
        problem::{InPath, Refusal},
    },
    store::{
        programmes::{self, Terms},
        reference::Programme,
    },
};

/// A programme's terms as they are shown, and typed.
struct Typed {
    id: Option<i64>,
    name: String,
    credit: String,
    target: String,
    reward: String,
}

impl Typed {
    fn of(programme: &Programme) -> Self {
        Self {
            id: Some(programme.id),
            name: programme.name.clone(),
            credit: programme.credit.to_string(),
            target: programme.target.to_string(),
            reward: money::percent_number(programme.reward_percent_e4).get().to_owned(),
        }
    }

    fn posted(id: Option<i64>, fields: &Fields) -> Self {
        Self {
            id,
            name: fields.text_if_one("name"),
            credit: fields.text_if_one("credit_value"),
            target: fields.text_if_one("target_value"),
            reward: fields.text_if_one("reward_percent"),
        }
    }

    fn none() -> Self {
        Self {
            id: None,
            name: String::new(),
            credit: String::new(),
            target: String::new(),
            reward: "0".to_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "programmes.html", config = "src/ingress/dashboard/askama.toml")]
struct Programmes<'a> {
    frame: Frame<'a>,
    rows: Vec<Typed>,
    typed: Typed,
    flaw: Option<Refusal>,
}

impl Programmes<'_> {
    /// The form's fields: name, label, what was typed, hint, and how it is typed.
    fn fields(&self) -> [(&'static str, &'static str, &str, &'static str, &'static str); 4] {
        let Typed { name, credit, target, reward, .. } = &self.typed;
        [
            ("name", "Name", name, "Billing is told it with each credit", "text"),
            (
                "credit_value",
                "Credit at signup",
                credit,
                "What the referred user gets, such as 10.00",
                "decimal",
            ),
            (
                "target_value",
                "Target",
                target,
                "What the referrer gets, once the referred user's payments reach it",
                "decimal",
            ),
            (
                "reward_percent",
                "Reward in percent",
                reward,
                "Share of each payment for the referrer, 0 to 100",
                "decimal",
            ),
        ]
    }

    /// What is wrong with a field.
    fn flaw(&self, field: &str) -> Option<&str> {
        let flaw = self.flaw.as_ref().filter(|flaw| flaw.field.as_deref() == Some(field))?;
        Some(&flaw.detail)
    }
}

/// The list, and the form of a new one.
pub async fn list(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let frame = Frame::new(&admin, Part::Programmes, "Programmes").told(&query);
    shown(&app, &admin, frame, Typed::none(), None).await
}

/// The list, and the form of a change of one.
pub async fn show(
    State(app): State<App>,
    admin: Admin,
    InPath(id): InPath,
) -> Result<Response, Refusal> {
    let found = find(&app, &admin, &id).await?;
    let frame = Frame::new(&admin, Part::Programmes, "Change a programme");
    shown(&app, &admin, frame, Typed::of(&found), None).await
}

async fn shown(
    app: &App,
    admin: &Admin,
    frame: Frame<'_>,
    typed: Typed,
    flaw: Option<Refusal>,
) -> Result<Response, Refusal> {
    let all = programmes::all(&app.store, admin.domain.id).await?;
    let status = flaw.as_ref().map_or(StatusCode::OK, |flaw| flaw.status);
    let rows = all.iter().map(Typed::of).collect();
    Ok(page(status, &Programmes { frame, rows, typed, flaw }))
}

/// Makes a programme.
pub async fn create(
    State(app): State<App>,
    admin: Admin,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    match Given::read(&fields).and_then(Given::terms) {
        Ok(terms) => {
            programmes::create(&app.store, admin.domain.id, terms, app.clock.now()).await?;
            Ok(to("/dashboard/programmes?told=created"))
        }
        Err(flaw) => again(&app, &admin, Typed::posted(None, &fields), flaw).await,
    }
}

/// Changes a programme; what is left empty stays as it is.
pub async fn change(
    State(app): State<App>,
    admin: Admin,
    InPath(id): InPath,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    let found = find(&app, &admin, &id).await?;
    let id = found.id;
    match Given::read(&fields) {
        Ok(given) => {
            let terms = given.over(Terms::from(found));
            programmes::change(&app.store, admin.domain.id, id, terms).await?;
            Ok(to("/dashboard/programmes?told=changed"))
        }
        Err(flaw) => again(&app, &admin, Typed::posted(Some(id), &fields), flaw).await,
    }
}

/// The form again, with what is wrong beside it.
async fn again(app: &App, admin: &Admin, typed: Typed, flaw: Refusal) -> Result<Response, Refusal> {
    if flaw.field.is_none() {
        return Ok(flaw.into_response());
    }
    let frame = Frame::new(admin, Part::Programmes, "Please check the terms");
    shown(app, admin, frame, typed, Some(flaw)).await
}

async fn find(app: &App, admin: &Admin, id: &str) -> Result<Programme, Refusal> {
    let unknown = || Refusal::not_found("there is no such programme");
    let id = id.parse().map_err(|_| unknown())?;
    programmes::one(&app.store, admin.domain.id, id).await?.ok_or_else(unknown)
}

/// The list as CSV.
pub async fn export(State(app): State<App>, admin: Admin) -> Result<Response, Refusal> {
    let all = programmes::all(&app.store, admin.domain.id).await?;
    let head = ["id", "name", "credit_value", "target_value", "reward_percent", "currency"];
    let currency = admin.domain.currency;
    let rows = all.iter().map(Typed::of).map(|row| {
        let id = row.id.map(|id| id.to_string()).unwrap_or_default();
        [id, row.name, row.credit, row.target, row.reward, currency.as_str().to_owned()]
    });
    table::csv(&app, "programmes", head, rows)
}
