//! Who is calling: the client's address, user agent and trace context, as far as they are believed.
use std::{
    borrow::Cow,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};

use super::App;
use crate::domain::{
    Trace,
    event::{TEXT_MAX_CHARS, is_traceparent},
};

/// The other end of the connection; `serve` puts it into every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// What is known of the caller.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its address: the connection's, or what a trusted proxy says.
    pub address: IpAddr,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Its W3C trace context.
    pub trace: Trace,
}

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let forwarded = parts.headers.get_all("x-forwarded-for");
        let forwarded = forwarded.iter().filter_map(|v| v.to_str().ok());
        Ok(Self {
            address: client_address(peer, forwarded, &app.settings.trusted_proxies),
            user_agent: text(&parts.headers, &header::USER_AGENT),
            // Of the span that this request is, where there is one.
            trace: match parts.extensions.get::<Trace>() {
                Some(trace) => trace.clone(),
                None => trace(&parts.headers),
            },
        })
    }
}

/// The nearest address that is no trusted proxy: each proxy appends the address it was called
/// from, so the list is read from its end for as long as it was a trusted one who wrote it.
fn client_address<'a>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
    trusted: &[IpAddr],
) -> IpAddr {
    let mut address = peer.to_canonical();
    let entries = forwarded.rev().flat_map(|line| line.rsplit(','));
    for entry in entries.map(str::trim).filter(|entry| !entry.is_empty()) {
        if !trusted.contains(&address) {
            break;
        }
        let ip = entry.parse().or_else(|_| entry.parse::<SocketAddr>().map(|s| s.ip()));
        let Ok(ip) = ip else { break };
        address = ip.to_canonical();
    }
    address
}

/// A header as text, cut to what an event may carry.
pub fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(cut(&text).into_owned()).filter(|text| !text.is_empty())
}

/// The first characters of a text, as many as an event's member may have.
pub fn cut(text: &str) -> Cow<'_, str> {
    // Bytes are an upper bound of characters: counting is for the rare long text.
    if text.len() <= TEXT_MAX_CHARS && !text.as_bytes().contains(&0) {
        return Cow::Borrowed(text);
    }
    text.chars().filter(|c| *c != '\0').take(TEXT_MAX_CHARS).collect()
}

/// The caller's trace context, if that is what it is.
pub fn trace(headers: &HeaderMap) -> Trace {
    let parent = headers.get("traceparent").and_then(|v| v.to_str().ok());
    match parent.filter(|parent| is_traceparent(parent)) {
        Some(parent) => {
            let state = headers.get("tracestate").and_then(|v| v.to_str().ok());
            let state = state.filter(|state| !state.is_empty() && state.len() <= 512);
            Trace { parent: Some(parent.to_owned()), state: state.map(str::to_owned) }
        }
        None => Trace::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_its_characters_and_without_nul() {
        let long = "é".repeat(TEXT_MAX_CHARS);
        assert!(matches!(cut("as it is"), Cow::Borrowed("as it is")));
        assert_eq!(cut("a\0b"), "ab");
        assert_eq!(cut(&long), long);
        assert_eq!(cut(&format!("{long}x")), long);
    }

    #[test]
    fn forwarded_for_is_believed_from_trusted_proxies_only() {
        let (proxy, other) = ("10.0.0.1", "10.0.0.2");
        let cases = [
            ("no proxy configured", "1.1.1.1", "9.9.9.9", vec![], "1.1.1.1"),
            ("not from the proxy", "1.1.1.1", "9.9.9.9", vec![proxy], "1.1.1.1"),
            ("from the proxy", proxy, "9.9.9.9", vec![proxy], "9.9.9.9"),
            ("in two headers", proxy, "8.8.8.8; 9.9.9.9,10.0.0.2", vec![proxy, other], "9.9.9.9"),
            ("what the client forged", proxy, "8.8.8.8, 9.9.9.9", vec![proxy], "9.9.9.9"),
            ("two proxies", proxy, "9.9.9.9, 10.0.0.2", vec![proxy, other], "9.9.9.9"),
            ("with a port", proxy, "9.9.9.9:4711", vec![proxy], "9.9.9.9"),
            ("version 6", proxy, "[2001:db8::1]:80", vec![proxy], "2001:db8::1"),
            ("rubbish", proxy, "unknown", vec![proxy], proxy),
            ("nothing", proxy, "", vec![proxy], proxy),
            ("mapped peer", "::ffff:10.0.0.1", "9.9.9.9", vec![proxy], "9.9.9.9"),
        ];
        for (name, peer, forwarded, trusted, expected) in cases {
            let trusted: Vec<IpAddr> = trusted.iter().map(|ip| ip.parse().unwrap()).collect();
            let lines = forwarded.split(';');
            let address = client_address(peer.parse().unwrap(), lines, &trusted);
            assert_eq!(address.to_string(), expected, "{name}");
        }
    }
}
