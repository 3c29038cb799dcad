//! Refusals: what a caller gets when it does not get what it asked for.
//!
//! A handler says *what* is wrong, as a [`Refusal`]; [`render`] says it in the words of the path's
//! [`Dialect`].
use std::{any::Any, borrow::Cow, convert::Infallible, panic::AssertUnwindSafe};

use axum::{
    Json,
    extract::{FromRequestParts, Path},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::{pages, umi};
use crate::{broker::PublishError, credentials::CredentialError, store::StoreError};

/// How long a caller is asked to wait for broker or database, in seconds.
const PASSING_RETRY_SECONDS: u64 = 1;

/// Why a request is not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// One sentence for the caller.
    pub detail: Cow<'static, str>,
    /// The member of the request that is at fault.
    pub field: Option<Cow<'static, str>>,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal of this status.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), field: None, retry_after: None }
    }

    /// 422 that names the field; `problem` reads on after its name.
    pub fn field(name: impl Into<Cow<'static, str>>, problem: impl std::fmt::Display) -> Self {
        let name = name.into();
        let detail = format!("{name}: {problem}");
        let refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        Self { field: Some(name), ..refusal }
    }

    /// 404.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 503: safe to repeat.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            retry_after: Some(PASSING_RETRY_SECONDS),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    /// 500; the cause is for the log only.
    fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.is_passing() {
            tracing::debug!(%error, "a request had to be put off");
            return Self::unavailable("the database is not available");
        }
        Self::internal(&error)
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        if error == PublishError::TooLarge {
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the event is too large");
        }
        tracing::debug!(%error, "an event could not be published");
        Self::unavailable("the broker is not available")
    }
}

impl From<CredentialError> for Refusal {
    fn from(error: CredentialError) -> Self {
        Self::internal(&error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// 500 for a handler that panicked; the panic itself is in the log already.
fn panicked(cause: &(dyn Any + Send)) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no text");
    Refusal::internal(&format!("a handler panicked: {text}")).into_response()
}

/// RFC 9457.
#[derive(Serialize, ToSchema)]
pub struct Problem<'a> {
    /// `about:blank`: the status says it all
    r#type: &'static str,
    /// The status in words
    title: &'a str,
    status: u16,
    /// One sentence, which begins with the member at fault where there is one
    detail: &'a str,
    /// The member of the request that is at fault
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
}

/// A refusal outside `/v1`
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub struct Plain<'a> {
    /// One sentence, which begins with the member at fault where there is one
    error: &'a str,
}

/// The words that refusals are said in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `application/problem+json` (RFC 9457): below `/v1`.
    Problem,
    /// `{"result":false,"errors":[…]}` of contract 3.
    Umi,
    /// A page for people, with where they go on to: the client's pages, the dashboard.
    Page(&'static str, &'static str),
    /// `{"error": …}` of contract 5: elsewhere.
    Plain,
}

impl Dialect {
    /// The dialect of a path.
    pub fn of(path: &str) -> Self {
        match path {
            path if path.starts_with("/v1/") => Self::Problem,
            path if umi::is_umi(path) => Self::Umi,
            path if is_below(path, "/adminzone") => {
                Self::Page("/adminzone/", "To your site's page")
            }
            path if is_below(path, "/dashboard") => Self::Page("/dashboard/", "To the dashboard"),
            _ => Self::Plain,
        }
    }

    /// A refusal's status and body; headers that it has of its own are added.
    fn say(self, refusal: &Refusal) -> Response {
        let (status, detail) = (refusal.status, &refusal.detail);
        match self {
            Self::Umi => umi::answer::refused(refusal),
            Self::Page(path, name) => {
                pages::zone::refused(status, refusal.retry_after, (path, name))
            }
            Self::Plain => (status, Json(Plain { error: detail })).into_response(),
            Self::Problem => {
                let problem = Problem {
                    r#type: "about:blank",
                    title: status.canonical_reason().unwrap_or_default(),
                    status: status.as_u16(),
                    detail,
                    field: refusal.field.as_deref(),
                };
                let kind = [(header::CONTENT_TYPE, "application/problem+json")];
                (status, kind, Json(problem)).into_response()
            }
        }
    }
}

fn is_below(path: &str, room: &str) -> bool {
    path.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The one member of a path, percent-decoded; or, as a tuple, all of several.
pub struct InPath<T = String>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(members)) => Ok(Self(members)),
            Err(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the path is not UTF-8")),
        }
    }
}

/// Waits for the answer, and gives every refusal its body, that of a panic, too.
pub async fn render(
    dialect: Dialect,
    answering: impl Future<Output = Result<Response, Infallible>>,
) -> Response {
    let answered = AssertUnwindSafe(answering).catch_unwind().await;
    let answered = answered.map(|Ok(response)| response);
    let mut response = answered.unwrap_or_else(|cause| panicked(&*cause));
    let status = response.status();
    let refusal = response.extensions_mut().remove::<Refusal>();
    let refusal = match refusal {
        Some(refusal) => refusal,
        None if status == StatusCode::METHOD_NOT_ALLOWED => {
            Refusal::new(status, "this method is not for this path")
        }
        None => return response,
    };
    let mut said = dialect.say(&refusal);
    for (name, value) in response.headers() {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
            said.headers_mut().insert(name, value.clone());
        }
    }
    said
}
