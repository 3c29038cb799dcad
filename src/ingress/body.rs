//! The bodies of requests: how they are read, and what they say that they are.
//!
//! Owns the limits on a body's size and time; [`fields`](super::fields) says what is in it.
use std::time::Duration;

use axum::{
    body::{Bytes, HttpBody as _, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::LengthLimitError;

use super::problem::Refusal;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The media type of forms.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The body of a call that takes JSON alone, of at most so many bytes.
pub async fn json(request: Request, bytes_max: usize) -> Result<Bytes, Refusal> {
    if is_json(request.headers())? == Some(false) {
        let detail = "the body must be application/json";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    read(request, bytes_max).await
}

/// The body, of at most so many bytes, whatever it is.
pub async fn read(request: Request, bytes_max: usize) -> Result<Bytes, Refusal> {
    let too_large = || {
        let detail = format!("the body is over {bytes_max} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    let body = request.into_body();
    // What says that it is too large is not waited for.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let Ok(done) = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, bytes_max)).await else {
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body took too long"));
    };
    done.map_err(|error| {
        if error.into_inner().is::<LengthLimitError>() {
            return too_large();
        }
        Refusal::new(StatusCode::BAD_REQUEST, "the body is broken off, or framed wrongly")
    })
}

/// Whether the body says that it is JSON, or a form; `None` where it says nothing.
pub fn is_json(headers: &HeaderMap) -> Result<Option<bool>, Refusal> {
    let Some(essence) = essence(headers) else { return Ok(None) };
    match essence.as_str() {
        FORM => Ok(Some(false)),
        "application/json" => Ok(Some(true)),
        json if json.starts_with("application/") && json.ends_with("+json") => Ok(Some(true)),
        _ => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json or application/x-www-form-urlencoded",
        )),
    }
}

/// The media type of the body without its parameters; `None` where it says nothing.
pub fn essence(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_form_is_a_form() {
        let of_kind = |kind: &'static str| {
            let kind = (header::CONTENT_TYPE, axum::http::HeaderValue::from_static(kind));
            essence(&HeaderMap::from_iter([kind])).as_deref() == Some(FORM)
        };
        for (kind, expected) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-URLencoded; charset=utf-8", true),
            ("application/json", false),
            ("multipart/form-data; boundary=x", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(of_kind(kind), expected, "{kind}");
        }
        assert_eq!(essence(&HeaderMap::new()), None);
    }
}
