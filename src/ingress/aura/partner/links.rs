//! `get_links`: clicks on the partner's codes (contract 4), and how little of a visitor is shown.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use utoipa::ToSchema;
use woothee::parser::Parser;

use super::{
    answer::{ById, Data, Failure},
    lists::window,
};
use crate::{
    ingress::{App, fields::Fields},
    settings::ClickIp,
    store::{
        partners::Partner,
        referred::{self, Follow},
    },
};

/// The browser where the user agent names none.
const UNKNOWN: &str = "Unknown";
/// What is shown where there is no address.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A click on a link of the partner
#[derive(Serialize, ToSchema)]
#[schema(as = PartnerLink, example = json!({
    "id": 163, "time": 1_631_577_600, "date": "2021-09-14 00:00:00", "browser": "Unknown", "ip": "0.0.0.0", "referrer": "",
    "user_hash": "613fe600", "query_string": "cur_from=PMUSD&cur_to=BTC",
}))]
struct Link {
    /// Ascending in order of arrival
    id: i64,
    /// Unix seconds
    time: i64,
    /// In the domain's time zone
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$")]
    date: String,
    /// The family, from the user agent, or `Unknown`
    browser: String,
    /// As `CLICK_IP` says: whole, the network alone, or `0.0.0.0`
    #[schema(pattern = "^[0-9a-f.:]+$")]
    ip: String,
    referrer: String,
    user_hash: String,
    query_string: String,
}

/// What `get_links` gives
#[derive(Serialize, ToSchema)]
#[schema(as = PartnerLinks)]
pub struct Links {
    /// By id, ascending
    #[schema(value_type = std::collections::HashMap<String, Link>)]
    items: ById<Link>,
}

/// `get_links`.
pub async fn links(app: &App, partner: &Partner, fields: &Fields) -> Result<Data, Failure> {
    let (window, domain) = (window(fields)?, &partner.domain);
    let follows = referred::follows(&app.store, domain.id, &partner.codes(), &window).await?;
    let shown = |follow: Follow| Link {
        id: follow.id,
        time: follow.time.seconds(),
        date: follow.time.date_time(domain.zone),
        browser: browser(follow.user_agent.as_deref()),
        ip: address(follow.ip.as_deref(), app.settings.click_ip).to_string(),
        referrer: follow.referrer.unwrap_or_default(),
        user_hash: follow.user_hash.unwrap_or_default(),
        query_string: follow.query_string.unwrap_or_default(),
    };
    let items = follows.into_iter().map(|follow| (follow.id, shown(follow))).collect();
    Ok(Data::Links(Links { items: ById(items) }))
}

fn browser(user_agent: Option<&str>) -> String {
    let found = user_agent.and_then(|agent| Parser::new().parse(agent));
    let family = found.map(|found| found.name).filter(|name| !name.is_empty());
    let family = family.filter(|name| *name != woothee::woothee::VALUE_UNKNOWN);
    family.unwrap_or(UNKNOWN).to_owned()
}

/// As much of an address as may be seen.
fn address(stored: Option<&str>, shown: ClickIp) -> IpAddr {
    let ip = stored.and_then(|text| text.trim().parse::<IpAddr>().ok());
    let ip = ip.map_or(NO_ADDRESS, |ip| ip.to_canonical());
    match (shown, ip) {
        (ClickIp::Full, ip) => ip,
        (ClickIp::None, _) => NO_ADDRESS,
        (ClickIp::Truncated, IpAddr::V4(ip)) => IpAddr::V4(Ipv4Addr::from(u32::from(ip) >> 8 << 8)),
        (ClickIp::Truncated, IpAddr::V6(ip)) => {
            IpAddr::V6(Ipv6Addr::from(u128::from(ip) >> 80 << 80))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_shown_as_far_as_it_may_be() {
        let cases = [
            (Some("203.0.113.77"), "203.0.113.77", "203.0.113.0"),
            (Some("::ffff:203.0.113.77"), "203.0.113.77", "203.0.113.0"),
            (Some("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            (Some("::1"), "::1", "::"),
            (Some("nowhere"), "0.0.0.0", "0.0.0.0"),
            (Some("1.2.3.4:80"), "0.0.0.0", "0.0.0.0"),
            (None, "0.0.0.0", "0.0.0.0"),
        ];
        for (stored, full, truncated) in cases {
            let shown = |how| address(stored, how).to_string();
            assert_eq!(shown(ClickIp::Full), full, "{stored:?}");
            assert_eq!(shown(ClickIp::Truncated), truncated, "{stored:?}");
            assert_eq!(shown(ClickIp::None), "0.0.0.0", "{stored:?}");
        }
    }

    #[test]
    fn browsers_are_told_by_their_family() {
        let windows =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, family) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox"),
            (&format!("{windows} Chrome/126.0.0.0 Safari/537.36"), "Chrome"),
            (&format!("{windows} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"), "Edge"),
            ("", UNKNOWN),
            ("-", UNKNOWN),
            ("something else", UNKNOWN),
        ] {
            assert_eq!(browser(Some(agent)), family, "{agent}");
        }
        assert_eq!(browser(None), UNKNOWN);
    }

    proptest! {
        #[test]
        fn no_user_agent_panics(agent in r"(\PC|Mozilla/|Windows NT|MSIE|Opera|DoCoMo/|KDDI-|SoftBank|é| |;|\(|\)|/|[0-9.]){0,40}") {
            let _ = browser(Some(&agent));
        }
    }
}
