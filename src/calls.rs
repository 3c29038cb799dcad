//! How the programs call others over HTTP: what all of their clients have in common.
//!
//! Owns that none follows redirects, uses a proxy from the environment, or repeats anything by itself.
//! Refuses to know whom they call, and how long that may take.
use reqwest::{Client, ClientBuilder, redirect};

/// A client that calls itself `name`, with the version.
pub fn client(name: &str, is_tls: bool) -> ClientBuilder {
    let client = Client::builder()
        .user_agent(format!("{name}/{}", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy();
    // Without TLS no certificates are needed, and a machine may have none.
    if is_tls { client } else { client.tls_certs_only([]) }
}
