//! The answers of the UMI dialect (contract 3): `{"result": …}`, or `{"result":false,"errors":[…]}`
//! with every error that was found.
use std::borrow::Cow;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, Ref, RefOr, Schema, Type, schema::AnyOfBuilder},
};

use super::{goods::GoodsAnswer, prices::PricesAnswer};
use crate::{credentials::CredentialError, ingress::problem::Refusal, store::StoreError};

/// What a call of the partner API came to
#[derive(Serialize, ToSchema)]
#[schema(as = UmiAnswer, example = json!({"result": false, "errors": ["host: is taken"]}))]
pub struct Answer {
    result: Outcome,
    /// Where `result` is false for another reason than `check_free`'s: all that is wrong, each beginning with the
    /// parameter
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    errors: Option<Vec<Cow<'static, str>>>,
}

/// What a call that nothing was wrong with came to.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// Done, so, or (`check_free`) not so.
    So(bool),
    /// The site is registered.
    Registered(Registered),
    /// What can be paid.
    Prices(PricesAnswer),
}

/// The access data of a site
#[derive(Serialize, ToSchema)]
#[schema(as = UmiRegistered, example = json!({"host": "shop.example.com", "login": "a@example.com", "password": "Q7cWqfUuGb6t1zVnM0aK"}))]
pub struct Registered {
    /// The site's name
    pub host: String,
    /// Its administrator's login: the e-mail
    pub login: String,
    /// Where it was generated, this once
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub password: Option<String>,
}

impl PartialSchema for Outcome {
    fn schema() -> RefOr<Schema> {
        let of = |name: Cow<'static, str>| Ref::from_schema_name(name);
        AnyOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::Boolean))
            .item(of(Registered::name()))
            .item(of(PricesAnswer::name()))
            .description(Some(
                "`true`, or what the call asks for; `false` where something is wrong",
            ))
            .into()
    }
}

impl ToSchema for Outcome {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("UmiResult")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            schemas.push((T::name().into_owned(), T::schema()));
            T::schemas(schemas);
        }
        add::<Registered>(schemas);
        add::<PricesAnswer>(schemas);
    }
}

/// What `/goods.php` answers: documentation.
pub struct Catalogued;

impl PartialSchema for Catalogued {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .item(Ref::from_schema_name(GoodsAnswer::name()))
            .item(Ref::from_schema_name(Answer::name()))
            .description(Some("The catalogue; or what is wrong, as in all answers of this dialect"))
            .into()
    }
}

impl ToSchema for Catalogued {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("UmiCatalogue")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((GoodsAnswer::name().into_owned(), GoodsAnswer::schema()));
        GoodsAnswer::schemas(schemas);
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        Json(Answer { result: self, errors: None }).into_response()
    }
}

/// Every error that was found in a call, in the order of looking.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Errors(Vec<Cow<'static, str>>);

impl Errors {
    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more, in words that begin with the parameter.
    pub fn add(&mut self, error: impl Into<Cow<'static, str>>) {
        self.0.push(error.into());
    }

    /// What was read, or one more error.
    pub fn take<T>(&mut self, read: Result<Option<T>, Refusal>) -> Option<T> {
        read.unwrap_or_else(|refusal| {
            self.add(refusal.detail);
            None
        })
    }

    /// The same of what has to be there.
    pub fn require<T>(
        &mut self,
        name: &'static str,
        read: Result<Option<T>, Refusal>,
    ) -> Option<T> {
        self.take(
            read.and_then(|read| {
                read.map(Some).ok_or_else(|| crate::ingress::fields::missing(name))
            }),
        )
    }

    /// The errors' texts.
    #[cfg(test)]
    pub fn texts(&self) -> Vec<&str> {
        self.0.iter().map(Cow::as_ref).collect()
    }
}

impl IntoResponse for Errors {
    fn into_response(self) -> Response {
        let errors = Some(self.0);
        Json(Answer { result: Outcome::So(false), errors }).into_response()
    }
}

/// Why a call is not fulfilled.
pub enum Failure {
    /// Something is wrong with the call itself.
    Wrong(Errors),
    /// Something else is in the way.
    Refused(Refusal),
    /// The catalogue that the call was read by is no longer in force.
    CatalogueChanged,
}

impl Failure {
    /// The one thing that is wrong.
    pub fn of(error: impl Into<Cow<'static, str>>) -> Self {
        Self::Wrong(Errors(vec![error.into()]))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        Self::Refused(error.into())
    }
}

/// A refusal in this dialect's words: HTTP 200 but for 405, 413, 429 and what is the server's.
pub fn refused(refusal: &Refusal) -> Response {
    let mut errors = Errors::default();
    errors.add(refusal.detail.clone());
    let mut response = errors.into_response();
    let kept = [
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if kept.contains(&refusal.status) || refusal.status.is_server_error() {
        *response.status_mut() = refusal.status;
    }
    response
}
