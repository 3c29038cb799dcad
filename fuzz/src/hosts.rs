//! Names of hosts: of sites (contract 3), and those that links and deliveries lead to (contracts 4 and 6).
//! Nobody but the operator says where.
//!
//! Input, a line each: a site's name, a template of `LANDING_URL`, what a visitor brings (three words),
//! billing's endpoint, a user's hash.
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use referral::{
    domain::{
        Host, UserHash,
        host::HOST_MAX_CHARS,
        landing::{Brought, Landing},
    },
    webhook::Target,
};
use url::Url;

/// Where links begin.
const OWN: &str = "https://own.example/ref/x/";

/// All but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// See the module.
pub fn hosts(data: &[u8]) {
    let Some(mut lines) = super::lines(data) else { return };
    let mut line = || lines.next().unwrap_or_default();
    site(line());
    let (template, mut brought) = (line(), line().split(' '));
    let mut word = || brought.next().unwrap_or_default();
    landing(template, &Brought { cur_from: word(), cur_to: word(), code: word() });
    target(line(), line());
}

fn site(text: &str) {
    let Ok(host) = Host::parse(text) else { return };
    let name = host.as_str();
    assert_eq!(host.to_string(), name);
    assert!(name.len() <= HOST_MAX_CHARS && name.split('.').count() > 1, "{text:?}: {name}");
    for label in name.split('.') {
        let is_clean = label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        assert!((1..=63).contains(&label.len()) && is_clean, "{text:?}: {name}");
        assert!(!label.starts_with('-') && !label.ends_with('-'), "{text:?}: {name}");
    }
    assert_eq!(Host::parse(name).as_ref(), Ok(&host), "{text:?}");
    assert_eq!(Host::parse(&name.to_ascii_uppercase()).as_ref(), Ok(&host), "{text:?}");
    assert_eq!(host.user().map(|user| user.to_string()).as_deref(), Ok(name), "{text:?}");
    // Whoever makes an address of it arrives there, and at no IP address.
    let url = Url::parse(&format!("https://{name}/")).map(|url| url.domain().map(str::to_owned));
    assert_eq!(url, Ok(Some(name.to_owned())), "{text:?}");
}

fn landing(template: &str, brought: &Brought<'_>) {
    let landing = match Landing::parse(template) {
        Ok(landing) => landing,
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && !told.contains(char::is_control), "{told:?}");
            return;
        }
    };
    let own = Url::parse(OWN).expect("a URL");
    let arrives = |brought: &Brought<'_>| {
        let filled = landing.fill(brought);
        let is_plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
        assert!(filled.chars().all(is_plain), "{template:?}: {filled:?}");
        own.join(&filled).unwrap_or_else(|error| panic!("{template:?}: {filled:?}: {error}"))
    };
    let nobody = arrives(&Brought::default());
    let example = arrives(&Brought { cur_from: "A", cur_to: "B", code: "C" });
    let visitor = arrives(brought);
    for url in [&nobody, &visitor] {
        assert_eq!(url.origin(), example.origin(), "{template:?}: {url}");
        assert_eq!((url.username(), url.password()), ("", None), "{template:?}: {url}");
    }
    if template.starts_with('/') {
        assert_eq!(example.origin(), own.origin(), "{template:?}");
    }
}

fn target(endpoint: &str, user: &str) {
    let Ok(user) = UserHash::parse(user) else { return };
    let user = user.as_str();
    // As the settings check it.
    let checked = Url::parse(&endpoint.replace("%s", "x"));
    let Ok(checked) = checked.map_err(drop).and_then(web) else { return };
    let target = Target::new(endpoint);
    if !target.says_user() {
        return;
    }
    assert_eq!(target.is_tls(), checked.scheme() == "https", "{endpoint:?}");
    let url = target.url(user);
    let destination = target.destination(user);
    let Ok(url) = url else {
        assert!(endpoint.contains("%s") || matches!(user, "." | ".."), "{endpoint:?} {user:?}");
        assert_eq!(destination, None, "{endpoint:?} {user:?}");
        return;
    };
    let host = url.host_str().expect("the web has hosts");
    let port = url.port_or_known_default().expect("the web has ports");
    let origin = format!("{}://{host}:{port}", checked.scheme());
    assert_eq!(destination.as_ref().map(|it| it.as_str()), Some(origin.as_str()), "{endpoint:?}");
    if let Some(shared) = target.shared() {
        assert_eq!(Some(shared), destination, "{endpoint:?} {user:?}");
        assert_eq!(url.origin(), checked.origin(), "{endpoint:?} {user:?}");
        // It is said once at least, and whole.
        let said = utf8_percent_encode(user, ENCODED).to_string();
        assert!(url.as_str().contains(&said), "{endpoint:?} {user:?}: {url}");
    }
}

fn web(url: Url) -> Result<Url, ()> {
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(()) }
}
