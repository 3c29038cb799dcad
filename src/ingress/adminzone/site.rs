//! The client's page: what a site is, until when it is paid, and what its referral link has brought.
use axum::{http::StatusCode, response::Response};
use chrono_tz::Tz;

use super::entry::Problem;
use crate::{
    domain::{Code, Micros, Money, UserHash},
    ingress::{
        App,
        pages::{
            self, grouped,
            zone::{Paid, SitePage, When},
        },
        problem::Refusal,
    },
    store::{
        StoreError,
        accounts::{self, Sums},
        records,
        reference::Domain,
        sites::Site,
        tenants,
    },
};

/// The page of this site; `problem` is what became of an attempt to sign in elsewhere.
pub async fn page(app: &App, site: &Site, problem: Option<Problem>) -> Result<Response, Refusal> {
    let gone = || Refusal::not_found("the domain is gone");
    let domain = tenants::domain_of_id(&app.store, site.domain_id).await?.ok_or_else(gone)?;
    // Every host name is one.
    let user = UserHash::parse(&site.host).map_err(|error| Refusal::field("host", error))?;
    let code = Code::of_user(domain.id, &user);
    let clicks = records::clicks(&app.store, domain.id, &code).await?;
    let signups = accounts::referred(&app.store, domain.id, &site.host).await?;
    let sums = accounts::sums(&app.store, domain.id, &site.host).await?;
    let link = format!("{}/register?ref_code={code}", app.settings.public_url);
    let page = SitePage {
        host: &site.host,
        email: &site.email,
        tariff: &tariff_name(app, site).await?,
        paid: paid(site, app.clock.now(), domain.zone),
        zone: domain.zone.name(),
        blocked: site.blocked.map(|since| when(since, domain.zone)),
        link: &link,
        clicks: &grouped(&clicks.to_string()),
        signups: &grouped(&signups.to_string()),
        granted: &amounts(&sums, &domain, |s| s.signup.minor().saturating_add(s.acquired.minor())),
        possible: &amounts(&sums, &domain, |sums| sums.potential.minor()),
        problem: problem.map(Problem::text),
    };
    Ok(pages::page(StatusCode::OK, &page))
}

/// The name of the site's tariff; of one that is in no catalogue any more, its number.
async fn tariff_name(app: &App, site: &Site) -> Result<String, StoreError> {
    let in_force = app.catalogues.of(&app.store, site.domain_id).await?;
    let tariff = in_force.catalogue.tariff(site.tariff_id);
    Ok(tariff.map_or_else(|| site.tariff_id.to_string(), |tariff| tariff.name.clone()))
}

fn paid(site: &Site, now: Micros, zone: Tz) -> Paid {
    match site.paid_until {
        _ if site.is_paid_forever => Paid::Forever,
        Some(until) if until > now => Paid::Until(when(until, zone)),
        Some(until) => Paid::Expired(when(until, zone)),
        None => Paid::Never,
    }
}

fn when(at: Micros, zone: Tz) -> When {
    When { exact: at.rfc3339(zone), shown: at.for_people(zone) }
}

/// Sums that are not nought, by currency; at least one, if need be of the domain's currency.
fn amounts(
    sums: &std::collections::BTreeMap<String, Sums>,
    domain: &Domain,
    minor: impl Fn(&Sums) -> i64,
) -> Vec<String> {
    let shown = |minor: i64, currency: &str| {
        format!("{} {currency}", grouped(&Money::from_minor(minor).to_string()))
    };
    let amounts = sums.iter().map(|(currency, sums)| (currency, minor(sums)));
    let some = amounts.filter(|(_, minor)| *minor != 0);
    let some: Vec<String> = some.map(|(currency, minor)| shown(minor, currency)).collect();
    if some.is_empty() { vec![shown(0, domain.currency.as_str())] } else { some }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(paid_until: Option<i64>, is_paid_forever: bool) -> Site {
        Site {
            host: "shop.example.com".to_owned(),
            domain_id: 1,
            partner_id: 1,
            email: String::new(),
            email_key: String::new(),
            password_hash: String::new(),
            password_version: 1,
            tariff_id: 1,
            paid_until: paid_until.map(Micros),
            is_paid_forever,
            blocked: None,
            ctime: Micros(0),
        }
    }

    #[test]
    fn a_site_is_paid_until_and_not_at_its_end() {
        let (zone, now) = (Tz::UTC, Micros(1_000_000));
        for (until, forever, expected) in [
            (None, false, Paid::Never),
            (Some(1_000_001), false, Paid::Until(when(Micros(1_000_001), zone))),
            (Some(1_000_000), false, Paid::Expired(when(now, zone))),
            (Some(1), true, Paid::Forever),
            (None, true, Paid::Forever),
        ] {
            assert_eq!(paid(&site(until, forever), now, zone), expected, "{until:?} {forever}");
        }
    }

    #[test]
    fn instants_are_the_domains_own() {
        let at = Micros::parse("2027-11-30T21:05:00Z").unwrap();
        let shown = when(at, "Europe/Moscow".parse().unwrap());
        assert_eq!(shown.shown, "1 December 2027, 00:05");
        assert_eq!(shown.exact, "2027-12-01T00:05:00.000000+03:00");
    }
}
