//! `SMTP_URL`: which server, how safely, as whom.
//!
//! Owns the reading of the setting, in the form that lettre's own URLs have, and the secrets in it;
//! refuses to show any of it, so every complaint is one that fits any URL.
use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use lettre::transport::smtp::{
    SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT,
    authentication::Credentials,
    client::{Tls, TlsParameters},
    extension::ClientId,
};
use percent_encoding::percent_decode_str;
use referral::settings::SettingError;
use url::Url;

const SETTING: &str = "SMTP_URL";

/// A server, and how to be let in.
#[derive(Clone)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether and how the connection is encrypted.
    pub tls: Tls,
    /// What to call ourselves.
    pub hello: ClientId,
    /// As whom; none: as nobody.
    pub credentials: Option<Credentials>,
    /// What must not be kept: the password, in the forms that it travels in.
    pub secrets: Vec<String>,
}

fn bad(problem: &str) -> SettingError {
    SettingError { name: SETTING.to_owned(), problem: problem.to_owned() }
}

impl Server {
    /// Reads `smtps://[USER:PASSWORD@]HOST[:PORT][/EHLO-NAME]` (TLS from the first byte),
    /// `smtp://…?tls=required` (STARTTLS), `smtp://…?tls=opportunistic` (STARTTLS where offered) or
    /// `smtp://…` (no TLS).
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        let url = Url::parse(text).map_err(|_| bad("is no URL"))?;
        let host = match url.host() {
            Some(url::Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            _ => return Err(bad("has no host")),
        };
        let (tls, port) = tls(&url, &host)?;
        let login = login(&url)?;
        let name = url.path().trim_matches('/');
        Ok(Self {
            port: url.port().unwrap_or(port),
            tls,
            hello: hello(name)?,
            secrets: login.as_ref().map(secrets).unwrap_or_default(),
            credentials: login.map(|(user, password)| Credentials::new(user, password)),
            host,
        })
    }
}

/// The encryption that the URL asks for, and the port that goes with it.
fn tls(url: &Url, host: &str) -> Result<(Tls, u16), SettingError> {
    if url.fragment().is_some() {
        return Err(bad("must not have a fragment; percent-encode a # in the password"));
    }
    let query: Vec<(Cow<str>, Cow<str>)> = url.query_pairs().collect();
    let wish = match query.as_slice() {
        [] => None,
        [(name, value)] if name == "tls" => Some(value.as_ref()),
        _ => return Err(bad("must have no parameter but tls")),
    };
    let parameters =
        || TlsParameters::new(host.to_owned()).map_err(|_| bad("TLS is not possible for its host"));
    match (url.scheme(), wish) {
        ("smtps", None) => Ok((Tls::Wrapper(parameters()?), SUBMISSIONS_PORT)),
        ("smtp", Some("required")) => Ok((Tls::Required(parameters()?), SUBMISSION_PORT)),
        ("smtp", Some("opportunistic")) => Ok((Tls::Opportunistic(parameters()?), SUBMISSION_PORT)),
        ("smtp", None) => Ok((Tls::None, SMTP_PORT)),
        ("smtp" | "smtps", _) => {
            Err(bad("tls must be required or opportunistic, with smtp:// only"))
        }
        _ => Err(bad("must begin with smtp:// or smtps://")),
    }
}

/// User and password; both or neither.
fn login(url: &Url) -> Result<Option<(String, String)>, SettingError> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(Cow::into_owned).map_err(|_| bad("has a user or password that is no UTF-8"))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(bad("has a password without a user")),
        (_, None) => Err(bad("has a user without a password")),
        (user, Some(password)) => Ok(Some((decoded(user)?, decoded(password)?))),
    }
}

fn hello(name: &str) -> Result<ClientId, SettingError> {
    if name.is_empty() {
        return Ok(ClientId::default());
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':');
    if name.bytes().all(fits) {
        Ok(ClientId::Domain(name.to_owned()))
    } else {
        Err(bad("its path must be a name for EHLO, or nothing"))
    }
}

/// As AUTH PLAIN and AUTH LOGIN send them, and as they are.
fn secrets((user, password): &(String, String)) -> Vec<String> {
    let plain = format!("\0{user}\0{password}");
    vec![BASE64_STANDARD.encode(plain), BASE64_STANDARD.encode(password), password.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_how_and_as_whom() {
        let cases = [
            ("smtp://mail.example", "mail.example", 25, "None", false),
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, "None", false),
            ("smtp://[::1]:2525/", "::1", 2525, "None", false),
            ("smtp://u:p@h.example?tls=required", "h.example", 587, "Required", true),
            ("smtp://u:p@h.example:25/?tls=opportunistic", "h.example", 25, "Opportunistic", true),
            ("smtps://u%40x:p%2F%23@h.example/me.example", "h.example", 465, "Wrapper", true),
        ];
        for (text, host, port, tls, login) in cases {
            let server = Server::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((server.host.as_str(), server.port), (host, port), "{text}");
            assert_eq!(format!("{:?}", server.tls), tls, "{text}");
            assert_eq!(server.credentials.is_some(), login, "{text}");
        }
        let server = Server::parse("smtps://u%40x:p%2F%23@h.example/me.example").unwrap();
        assert_eq!(server.credentials, Some(Credentials::new("u@x".into(), "p/#".into())));
        assert_eq!(server.hello, ClientId::Domain("me.example".into()));
        assert_eq!(server.secrets, ["AHVAeABwLyM=", "cC8j", "p/#"]);
    }

    #[test]
    fn a_bad_url_is_named_by_the_setting_and_not_shown() {
        for text in [
            "canary",
            "mail.example:25",
            "http://u:canary@h",
            "smtp:canary",
            "smtp://",
            "smtp://:canary@h",
            "smtp://canary@h",
            "smtp://u:%ff%fecanary@h",
            "smtp://u:canary@h?tls=off",
            "smtp://u:canary@h?starttls=required",
            "smtp://u:canary@h?tls=required&x=1",
            "smtps://u:canary@h?tls=required",
            "smtp://u:canary#1@h",
            "smtp://u:canary@h:99999",
            "smtp://h/can%0d%0aary",
            "smtp://h/can ary",
        ] {
            let error = Server::parse(text).err().unwrap_or_else(|| panic!("taken: {text}"));
            let line = error.to_string();
            assert!(line.starts_with("SMTP_URL: ") && !line.contains('\n'), "{text}: {line}");
            assert!(!line.contains("canary") && !line.contains("@h"), "{text}: {line}");
        }
    }
}
