//! Cookies that hold a key: read from a request, and as a browser is given them.
//!
//! Always `HttpOnly` and `SameSite=Lax`, and `Secure` where people come by https.
use axum::http::{HeaderMap, header};

use super::App;

/// A cookie of some pages.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    /// Its name.
    pub name: &'static str,
    /// Below which path it is sent.
    pub path: &'static str,
}

impl Cookie {
    /// The values that a request has of it.
    pub fn all(self, headers: &HeaderMap) -> impl Iterator<Item = &str> {
        let all = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.filter(move |(given, _)| given.trim() == self.name).map(|(_, value)| value.trim())
    }

    /// The first that is a key.
    pub fn key(self, headers: &HeaderMap) -> Option<String> {
        let is_key = |key: &&str| {
            key.len() == 40 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        self.all(headers).find(is_key).map(str::to_owned)
    }

    /// What sets it, for so many seconds.
    pub fn set(self, app: &App, value: &str, seconds: u64) -> String {
        self.text(value, seconds, app.settings.public_url.starts_with("https:"))
    }

    /// What takes it away.
    pub fn remove(self, app: &App) -> String {
        self.set(app, "", 0)
    }

    fn text(self, value: &str, seconds: u64, is_https: bool) -> String {
        let Self { name, path } = self;
        let secure = if is_https { "; Secure" } else { "" };
        format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef01234567";
    const COOKIE: Cookie = Cookie { name: "adminzone", path: "/adminzone" };

    #[test]
    fn a_cookie_is_for_its_pages_alone_and_for_no_script() {
        assert_eq!(
            COOKIE.text(KEY, 43_200, true),
            format!(
                "adminzone={KEY}; Path=/adminzone; Max-Age=43200; HttpOnly; SameSite=Lax; Secure"
            )
        );
        let gone = COOKIE.text("", 0, false);
        assert_eq!(gone, "adminzone=; Path=/adminzone; Max-Age=0; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn a_key_is_found_among_other_cookies() {
        let of = |lines: &[&str]| {
            let value = |line: &&str| HeaderValue::from_str(line).unwrap();
            let lines = lines.iter().map(|line| (header::COOKIE, value(line)));
            let headers = lines.fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
            COOKIE.key(&headers)
        };
        let found = Some(KEY.to_owned());
        let one = format!("a=b; adminzone={KEY};c=d");
        assert_eq!(of(&[&one]), found);
        assert_eq!(of(&["a=b", "adminzone_sent=1", &one]), found);
        for bad in ["", "adminzone=", "adminzone=1", "xadminzone=1", "adminzone"] {
            assert_eq!(of(&[bad]), None, "{bad}");
        }
        let upper = format!("adminzone={}", KEY.to_uppercase());
        assert_eq!(of(&[&upper]), None);
    }
}
