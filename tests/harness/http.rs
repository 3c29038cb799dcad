//! One HTTP client for all tests of the process.
use std::{sync::OnceLock, time::Duration};

/// Follows no redirects and believes no proxy.
pub fn client() -> reqwest::Client {
    // A pooled connection belongs to the runtime of the test that opened it, so nothing is pooled.
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let make = || {
        // Fails only where another test was first.
        drop(rustls::crypto::ring::default_provider().install_default());
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30))
            .build()
            .expect("an HTTP client")
    };
    CLIENT.get_or_init(make).clone()
}
