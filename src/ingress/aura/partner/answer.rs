//! The envelope of the partner API's answers, members in contract 4's order.
use std::borrow::Cow;

use axum::http::StatusCode;
use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, schema::AnyOfBuilder},
};

use super::{
    links::Links,
    lists::Exchanges,
    payouts::{Info, Payouts},
};
use crate::{ingress::problem::Refusal, store::StoreError};

/// Why there are no data.
#[derive(Debug)]
pub enum Failure {
    /// Error 1.
    UnknownAction,
    /// Error 2.
    BadKey,
    /// Error 3.
    UnknownMethod,
    /// Error 4, with a sentence that begins with the parameter.
    BadParameter(Cow<'static, str>),
    /// No answer at all but an HTTP status.
    Refused(Refusal),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        if refusal.status == StatusCode::UNPROCESSABLE_ENTITY {
            Self::BadParameter(refusal.detail)
        } else {
            Self::Refused(refusal)
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

/// An answer of the partner API
#[derive(Serialize, ToSchema)]
#[schema(as = PartnerAnswer)]
pub struct Answer {
    /// `success` or `error`
    #[schema(pattern = "^(success|error)$")]
    status: &'static str,
    /// 0; 1 unknown `api_action`, 2 bad key, 3 unknown method, 4 bad parameter
    #[schema(minimum = 0, maximum = 4)]
    error: u8,
    /// One sentence, which begins with the parameter at fault; empty where nothing is wrong
    error_text: Cow<'static, str>,
    data: Data,
}

impl Answer {
    pub fn success(data: Data) -> Self {
        Self { status: "success", error: 0, error_text: Cow::Borrowed(""), data }
    }

    /// What is wrong, or the status that says it.
    pub fn failure(failure: Failure) -> Result<Self, Refusal> {
        let (error, error_text) = match failure {
            Failure::UnknownAction => (1, "api_action: must be pp".into()),
            Failure::BadKey => (2, "api_key: is not valid".into()),
            Failure::UnknownMethod => (3, "method: there is no such method".into()),
            Failure::BadParameter(text) => (4, text),
            Failure::Refused(refusal) => return Err(refusal),
        };
        Ok(Self { status: "error", error, error_text, data: Data::Nothing(Nothing {}) })
    }
}

/// What each method gives; empty where something is wrong
#[derive(Serialize)]
#[serde(untagged)]
pub enum Data {
    Info(Info),
    Exchanges(Exchanges),
    Links(Links),
    Payouts(Payouts),
    Nothing(Nothing),
}

/// No data: something is wrong
#[derive(Serialize, ToSchema)]
#[schema(as = PartnerNothing)]
pub struct Nothing {}

impl ToSchema for Data {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("PartnerData")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            schemas.push((T::name().into_owned(), T::schema()));
            T::schemas(schemas);
        }
        add::<Info>(schemas);
        add::<Exchanges>(schemas);
        add::<Links>(schemas);
        add::<Payouts>(schemas);
        add::<Nothing>(schemas);
    }
}

impl PartialSchema for Data {
    /// Lists without items look alike, so this is no `oneOf`.
    fn schema() -> RefOr<Schema> {
        let of = |name: Cow<'static, str>| Ref::from_schema_name(name);
        AnyOfBuilder::new()
            .item(of(Info::name()))
            .item(of(Exchanges::name()))
            .item(of(Links::name()))
            .item(of(Payouts::name()))
            .item(of(Nothing::name()))
            .description(Some("What each method gives; empty where something is wrong"))
            .into()
    }
}

/// Items by their ids, or other names, in this order: an object, `{}` when empty.
pub struct ById<T, K = i64>(pub Vec<(K, T)>);

impl<T: Serialize, K: Serialize> Serialize for ById<T, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, item)| (id, item)))
    }
}
