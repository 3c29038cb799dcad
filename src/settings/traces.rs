//! Where traces go, in the names that OpenTelemetry gives these settings.
use std::fmt;

use super::{SettingError, Settings};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";
const SERVICE: &str = "OTEL_SERVICE_NAME";

/// See [`Settings::traces`].
#[derive(Clone)]
pub struct TraceSettings {
    /// Where spans are POSTed.
    pub endpoint: String,
    /// `http/json` instead of `http/protobuf`.
    pub json: bool,
    /// Sent with each export; secret.
    pub headers: Vec<(String, String)>,
    /// How many of the traces that begin here are sampled, 0 to 1.
    pub ratio: f64,
    /// Whose spans they are.
    pub service: String,
}

/// Without the headers.
impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, json, ratio, service, .. } = self;
        f.debug_struct("TraceSettings")
            .field("endpoint", endpoint)
            .field("json", json)
            .field("ratio", ratio)
            .field("service", service)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The traces of a program of this name; none where there is no collector. The other settings are
    /// other programs', too, and are looked at only where there is one.
    pub fn traces(&self, program: &str) -> Result<Option<TraceSettings>, SettingError> {
        let Some(base) = self.http_url(ENDPOINT)? else { return Ok(None) };
        let endpoint = format!("{}/v1/traces", base.trim_end_matches('/'));
        if base.contains(['?', '#', '@']) || endpoint.parse::<hyper::Uri>().is_err() {
            let problem = "must be an http or https URL without user, query and fragment";
            return Err(SettingError::new(ENDPOINT, problem));
        }
        let json = match self.required(PROTOCOL)?.as_str() {
            "http/protobuf" => false,
            "http/json" => true,
            other => {
                let problem = format!("must be http/protobuf or http/json, not {other:?}");
                return Err(SettingError::new(PROTOCOL, problem));
            }
        };
        let ratio = self.required(RATIO)?;
        let ratio = match ratio.parse::<f64>() {
            Ok(number) if (0.0..=1.0).contains(&number) => number,
            _ => {
                let problem = format!("must be a number of 0 to 1, not {ratio:?}");
                return Err(SettingError::new(RATIO, problem));
            }
        };
        let headers = self.text(HEADERS)?.unwrap_or_default();
        let headers = headers.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        // Nothing of it is shown.
        let bad = || SettingError::new(HEADERS, "must be NAME=value, several with commas between");
        Ok(Some(TraceSettings {
            endpoint,
            json,
            headers: headers.map(|pair| header(pair).ok_or_else(bad)).collect::<Result<_, _>>()?,
            ratio,
            service: self.text(SERVICE)?.unwrap_or_else(|| program.to_owned()),
        }))
    }
}

/// `NAME=value`, the value percent-encoded where it has to be.
fn header(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=')?;
    let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
    let name = name.trim().parse::<hyper::header::HeaderName>().ok()?;
    hyper::header::HeaderValue::from_str(&value).ok()?;
    Some((name.as_str().to_owned(), value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLLECTOR: &str = "http://collector:4318";

    #[test]
    fn without_a_collector_there_are_none() {
        let others = [(PROTOCOL, "grpc"), (HEADERS, "no pair"), (RATIO, "always")];
        assert!(Settings::from_pairs(others).traces("credits").unwrap().is_none());
    }

    #[test]
    fn the_defaults_are_opentelemetrys() {
        for endpoint in [COLLECTOR, "http://collector:4318/"] {
            let settings = Settings::from_pairs([(ENDPOINT, endpoint)]);
            let traces = settings.traces("credits").unwrap().unwrap();
            assert_eq!(traces.endpoint, "http://collector:4318/v1/traces");
            assert_eq!((traces.json, traces.headers.len()), (false, 0));
            assert_eq!((traces.ratio, traces.service.as_str()), (1.0, "credits"));
        }
    }

    #[test]
    fn headers_are_pairs_and_never_shown() {
        let given = "Authorization=Bearer%20hunter2 , x-tenant=a=b";
        let settings = Settings::from_pairs([(ENDPOINT, COLLECTOR), (HEADERS, given)]);
        let traces = settings.traces("credits").unwrap().unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            traces.headers,
            [pair("authorization", "Bearer hunter2"), pair("x-tenant", "a=b")]
        );
        assert!(!format!("{traces:?}").contains("hunter2"));
    }

    #[test]
    fn a_bad_one_is_named_and_no_secret_shown() {
        for (name, value) in [
            (ENDPOINT, "collector:4318"),
            (ENDPOINT, "http://collector:4318?key=hunter2"),
            (ENDPOINT, "http://user:hunter2@collector:4318"),
            (PROTOCOL, "grpc"),
            (RATIO, "1.5"),
            (RATIO, "NaN"),
            (RATIO, "half"),
            (HEADERS, "hunter2"),
            (HEADERS, "a b=hunter2"),
            (HEADERS, "a=hunter2%0A"),
        ] {
            let settings = Settings::from_pairs([(ENDPOINT, COLLECTOR), (name, value)]);
            let line = settings.traces("credits").map(|_| ()).unwrap_err().to_string();
            assert!(line.starts_with(name) && !line.contains("hunter2"), "{value}: {line}");
        }
    }
}
