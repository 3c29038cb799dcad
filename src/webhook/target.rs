//! Where a delivery is POSTed (contract 6): `ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP` with the credited
//! user's hash put in.
//!
//! Owns the address. Refuses to send a hash to any other place than its own: what a URL cannot
//! say is an error, not a guess.
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Position, Url};

/// Stands for the hash.
const PLACE: &str = "%s";
/// Stands in for a hash that no parser changes.
const TOKEN: &str = "0referral0user0hash0";
/// All but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address with the place of the hash.
#[derive(Debug, Clone)]
pub struct Target {
    template: String,
}

/// No URL says this hash at this place: `.` and `..` as path segments, or a hash that makes no
/// host name; or the place is one that is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the user's hash cannot be part of the endpoint's address")]
pub struct Unspeakable;

/// With whom connections are made: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination(String);

impl Destination {
    /// One that was stored.
    pub fn of_stored(text: String) -> Self {
        Self(text)
    }

    /// As it is stored: `https://billing.example:443`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Target {
    /// From the setting, which `Settings` has found to be an http or https URL.
    pub fn new(endpoint: &str) -> Self {
        Self { template: endpoint.to_owned() }
    }

    /// Whether what is sent there says whom it is about: not where the place of the hash is in a part of the
    /// path that `..` takes away, or behind a `#`.
    pub fn says_user(&self) -> bool {
        self.url(TOKEN).is_ok()
    }

    /// Whether TLS is spoken there.
    pub fn is_tls(&self) -> bool {
        // As the parser reads it, blanks before it or not.
        Url::parse(&self.template.replace(PLACE, TOKEN)).is_ok_and(|url| url.scheme() == "https")
    }

    /// With whom this user's credits make connections; `None` where no address says the user.
    pub fn destination(&self, user_hash: &str) -> Option<Destination> {
        let url = self.url(user_hash).ok()?;
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        Some(Destination(format!("{}://{host}:{port}", url.scheme())))
    }

    /// The one destination of all users; `None` where the hash stands in the host name.
    pub fn shared(&self) -> Option<Destination> {
        let [one, another] = ["0one0", "0another0"].map(|user| self.destination(user));
        one.filter(|one| Some(one) == another.as_ref())
    }

    /// The address for this user.
    pub fn url(&self, user_hash: &str) -> Result<Url, Unspeakable> {
        let hash = utf8_percent_encode(user_hash, ENCODED).to_string();
        if !self.template.contains(PLACE) {
            let mut url = Url::parse(&self.template).map_err(|_| Unspeakable)?;
            let path = url.path();
            let path = format!("{}/{hash}", path.strip_suffix('/').unwrap_or(path));
            url.set_path(&path);
            return if url.path() == path { Ok(url) } else { Err(Unspeakable) };
        }
        let url = Url::parse(&self.template.replace(PLACE, &hash)).map_err(|_| Unspeakable)?;
        // Where the parser read the hash as structure, the path is another than it should be.
        let plain = Url::parse(&self.template.replace(PLACE, TOKEN)).map_err(|_| Unspeakable)?;
        let is_said = plain[..Position::AfterQuery].contains(TOKEN);
        let path = plain.path().replace(TOKEN, &hash);
        if is_said && url.path() == path { Ok(url) } else { Err(Unspeakable) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_put_in_or_appended() {
        let cases = [
            ("http://h/cb", "alice", "http://h/cb/alice"),
            ("http://h/cb/", "alice", "http://h/cb/alice"),
            ("http://h", "alice", "http://h/alice"),
            ("http://h/", "alice", "http://h/alice"),
            ("http://h/cb?key=1&x=%20", "alice", "http://h/cb/alice?key=1&x=%20"),
            ("http://h/cb/?key=1", "alice", "http://h/cb/alice?key=1"),
            ("http://h/a%20b", "a/b?c#d%e", "http://h/a%20b/a%2Fb%3Fc%23d%25e"),
            ("http://h/u/%s/credit", "a/b c", "http://h/u/a%2Fb%20c/credit"),
            ("http://h/cb?user=%s", "a&b=c+d", "http://h/cb?user=a%26b%3Dc%2Bd"),
            ("http://h/cb?user=%s", "..", "http://h/cb?user=.."),
            ("http://h/%s/%s", "x~y", "http://h/x~y/x~y"),
            ("http://h/u-%s", "..", "http://h/u-.."),
            ("http://%s.example/", "Alice", "http://alice.example/"),
            ("http://h/cb", "...", "http://h/cb/..."),
        ];
        for (endpoint, hash, expected) in cases {
            let url = Target::new(endpoint).url(hash).map(String::from);
            assert_eq!(url.as_deref(), Ok(expected), "{endpoint} {hash}");
        }
    }

    #[test]
    fn a_hash_never_leads_elsewhere() {
        let cases = [
            ("http://h/cb", "."),
            ("http://h/cb", ".."),
            ("http://h/cb/%s", ".."),
            ("http://h/cb/%s", "."),
            ("http://h/cb/%s/credit", ".."),
            ("http://%s.example/", "evil.com/x"),
            ("http://%s.example/", "evil.com#"),
            ("http://%s.example/", "me@evil.com:80"),
            ("http://h/cb/%s/../x", "alice"),
            ("http://h/cb/me:%s@x/../x", "alice"),
            ("http://h/cb#%s", "alice"),
        ];
        for (endpoint, hash) in cases {
            assert_eq!(Target::new(endpoint).url(hash), Err(Unspeakable), "{endpoint} {hash}");
        }
    }

    #[test]
    fn a_destination_is_scheme_host_and_port() {
        let cases = [
            ("http://h/cb", "alice", Some("http://h:80"), true),
            (
                "HTTPS://user:password@H.Example/%s?key=1",
                "alice",
                Some("https://h.example:443"),
                true,
            ),
            ("http://h:8080/%s", "..", None, true),
            ("http://[::1]:8080/", "alice", Some("http://[::1]:8080"), true),
            ("http://%s.example/", "Alice", Some("http://alice.example:80"), false),
            ("http://%s.example/", "a/b", None, false),
            ("http://127.0.0.%s:8080/", "2", Some("http://127.0.0.2:8080"), false),
            ("https://%s/credit", "shop.example", Some("https://shop.example:443"), false),
        ];
        for (endpoint, user, expected, shared) in cases {
            let target = Target::new(endpoint);
            let destination = target.destination(user);
            assert_eq!(destination.as_ref().map(Destination::as_str), expected, "{endpoint}");
            assert_eq!(target.shared().is_some(), shared, "{endpoint}");
        }
    }

    #[test]
    fn tls_is_told_by_the_scheme() {
        assert!(Target::new("HTTPS://h").is_tls());
        assert!(Target::new(" https://%s.h/").is_tls());
        assert!(!Target::new("http://https:1/").is_tls());
    }
}
