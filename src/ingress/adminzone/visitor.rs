//! Who asks for a page: the address, the cookies, and by which name they came here.
use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::session;
use crate::{
    domain::Host,
    ingress::{App, client::Client, own::authority},
};

/// What is known of whoever asks.
pub struct Visitor {
    /// The client.
    pub client: Client,
    /// The key of the session that they say they have.
    pub key: Option<String>,
    /// The site by whose name they came, if it is one that a site can have.
    pub here: Option<Host>,
    /// Whether it is a browser, on its way to a page of its own.
    pub navigates: bool,
    /// Whether a redirect brought them whose address had secrets in it.
    pub is_sent: bool,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let client = Client::from_request_parts(parts, app).await?;
        let here = host(authority(&parts.uri, &parts.headers));
        let mode = parts.headers.get("sec-fetch-mode");
        Ok(Self {
            client,
            key: session::key(&parts.headers),
            here: Host::parse(here).ok(),
            navigates: mode.is_some_and(|mode| mode == "navigate"),
            is_sent: session::is_sent(&parts.headers),
        })
    }
}

fn host(authority: &str) -> &str {
    authority.split_once(':').map_or(authority, |(host, _port)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_port() {
        assert_eq!((host("h:80"), host("h"), host("")), ("h", "h", ""));
    }
}
