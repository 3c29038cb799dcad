//! What is for sale to a site, for how much, and what paying it does (contract 3).
//!
//! | a site | goods of a period | goods for ever | upgrades |
//! | --- | --- | --- | --- |
//! | unpaid | of every tariff: move it there, from now | of every tariff | none |
//! | paid for a time | of its own tariff: from its end on | of its own tariff and higher ones | to higher tariffs, for the days left |
//! | paid for ever | none | none | to higher tariffs that have goods for ever |
//!
//! [`forever`] lists of them, also to an unpaid site, only what keeps or raises its tariff.
use super::{Catalogue, Good, Period, Span, Tariff, Upgrade, discounted};
use crate::domain::{Micros, Money, day::DAY_US, money::AMOUNT_MAX_MINOR};

/// What a `year_price` pays for.
const YEAR_DAYS: i64 = 365;
/// Nothing is paid for beyond the year 9999.
const TOO_LONG: &str = "pays for longer than can be kept";
/// The `expiration` of a price that holds without a limit.
const NO_LIMIT: i64 = 0;

/// What a site has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its tariff.
    pub tariff_id: i64,
    /// Until when it is, or was, paid; none: it never was for a time.
    pub paid_until: Option<Micros>,
    /// Whether it is paid for ever.
    pub is_paid_forever: bool,
}

enum Status {
    Unpaid,
    Until(Micros),
    Forever,
}

impl Standing {
    /// Whether it is paid at this instant; at the very end it is not any more.
    pub fn is_paid(&self, now: Micros) -> bool {
        !matches!(self.status(now), Status::Unpaid)
    }

    fn status(&self, now: Micros) -> Status {
        match self.paid_until {
            _ if self.is_paid_forever => Status::Forever,
            Some(until) if until > now => Status::Until(until),
            _ => Status::Unpaid,
        }
    }

    fn moved(self, tariff: &Tariff) -> Self {
        Self { tariff_id: tariff.id, ..self }
    }
}

/// What a tariff is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title {
    /// In requests.
    pub id: i64,
    /// In answers.
    pub system_name: String,
    /// For people.
    pub name: String,
}

/// A good that a site may pay now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The tariff that it moves the site to, or that the site has already.
    pub tariff: Title,
    /// The good's id.
    pub product_id: i64,
    /// Its name for people.
    pub name: String,
    /// The full price.
    pub price: Money,
    /// The price that is paid. May be 0.00, which is no payment event.
    pub price_with_discount: Money,
    /// The Unix time until which the price holds; 0: no limit.
    pub expiration: i64,
    /// What the site has once it is paid.
    pub effect: Standing,
}

/// Why a good is not for sale to a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotForSale {
    /// Nothing in the catalogue has this id.
    #[error("there is no such good")]
    NoSuchGood,
    /// It is not for this site as it stands now; one sentence says why.
    #[error("{0}")]
    NotNow(&'static str),
}

/// How the site can move on (`action=upgrade_price`), and what `action=upgrade` takes, in the
/// catalogue's order: for an unpaid site goods of a period, for a paid one a good per higher tariff.
pub fn upgrades(catalogue: &Catalogue, standing: &Standing, now: Micros) -> Vec<Offer> {
    match standing.status(now) {
        Status::Unpaid => catalogue
            .goods()
            .filter_map(|(tariff, good)| timed(tariff, good, standing, now))
            .collect(),
        Status::Until(until) => each_higher(catalogue, standing, |own, tariff, upgrade| {
            Some(for_days_left(own, tariff, upgrade, standing, until, now))
        }),
        Status::Forever => each_higher(catalogue, standing, |own, tariff, upgrade| {
            for_ever(own, tariff, upgrade, standing)
        }),
    }
}

/// What pays the site for ever (`action=forever_price`): goods of its own tariff and of higher ones.
/// What is paid for ever already moves on by an upgrade.
pub fn forever(catalogue: &Catalogue, standing: &Standing, now: Micros) -> Vec<Offer> {
    if matches!(standing.status(now), Status::Forever) {
        return Vec::new();
    }
    let tariffs = catalogue.and_higher(standing.tariff_id);
    tariffs.iter().flat_map(|tariff| endless_of(tariff, standing)).collect()
}

/// What the request `pay` takes.
pub fn payable(
    catalogue: &Catalogue,
    standing: &Standing,
    product_id: i64,
    now: Micros,
) -> Result<Offer, NotForSale> {
    let mut offers = upgrades(catalogue, standing, now);
    match standing.status(now) {
        Status::Unpaid => {
            let tariffs = catalogue.tariffs();
            offers.extend(tariffs.iter().flat_map(|tariff| endless_of(tariff, standing)));
        }
        Status::Until(until) => {
            let own = catalogue.tariff(standing.tariff_id);
            let goods =
                own.into_iter().flat_map(|own| own.goods.iter().map(move |good| (own, good)));
            offers.extend(goods.filter_map(|(own, good)| timed(own, good, standing, until)));
            offers.extend(forever(catalogue, standing, now));
        }
        Status::Forever => {}
    }
    picked(offers, catalogue, standing, product_id, now)
}

/// What `action=upgrade` takes: exactly what [`upgrades`] lists.
pub fn upgrade(
    catalogue: &Catalogue,
    standing: &Standing,
    product_id: i64,
    now: Micros,
) -> Result<Offer, NotForSale> {
    picked(upgrades(catalogue, standing, now), catalogue, standing, product_id, now)
}

fn picked(
    offers: Vec<Offer>,
    catalogue: &Catalogue,
    standing: &Standing,
    product_id: i64,
    now: Micros,
) -> Result<Offer, NotForSale> {
    let offer = offers.into_iter().find(|offer| offer.product_id == product_id);
    offer.ok_or_else(|| why_not(catalogue, standing, product_id, now))
}

/// Why a good that was not offered was not.
fn why_not(catalogue: &Catalogue, standing: &Standing, product_id: i64, now: Micros) -> NotForSale {
    let good = catalogue.good(product_id);
    if good.is_none() && catalogue.upgrade(product_id).is_none() {
        return NotForSale::NoSuchGood;
    }
    let is_forever = good.is_some_and(|(_, good)| good.period == Period::Forever);
    let is_own = good.is_some_and(|(tariff, _)| tariff.id == standing.tariff_id);
    let from = standing.paid_until.map_or(now, |until| until.max(now));
    let fits = good.is_none_or(|(tariff, good)| timed(tariff, good, standing, from).is_some());
    NotForSale::NotNow(match standing.status(now) {
        Status::Unpaid if good.is_none() => "upgrades a paid site: an unpaid one pays for a period",
        Status::Unpaid if is_forever => "pays for ever: an unpaid site is upgraded by a period",
        Status::Unpaid => TOO_LONG,
        Status::Forever if good.is_none() => "is no upgrade of what the site has for ever",
        Status::Forever => "the site is paid for ever: it changes its tariff by an upgrade",
        Status::Until(_) if good.is_none() => "is no upgrade of the tariff that the site has",
        Status::Until(_) if is_own && !is_forever && !fits => TOO_LONG,
        Status::Until(_) if is_own => "pays the tariff that the site has: it is no upgrade",
        Status::Until(_) => "a paid site changes its tariff by an upgrade",
    })
}

/// A good of a period, paid from this instant on.
fn timed(tariff: &Tariff, good: &Good, standing: &Standing, from: Micros) -> Option<Offer> {
    let Period::Time(span) = good.period else { return None };
    let paid_until = Some(Span::after(span, from)?);
    Some(offer(tariff, good, Standing { paid_until, ..standing.moved(tariff) }))
}

/// The goods of a tariff that pay for ever.
fn endless_of(tariff: &Tariff, standing: &Standing) -> impl Iterator<Item = Offer> {
    let effect = Standing { is_paid_forever: true, ..standing.moved(tariff) };
    let goods = tariff.goods.iter().filter(|good| good.period == Period::Forever);
    goods.map(move |good| offer(tariff, good, effect))
}

fn offer(tariff: &Tariff, good: &Good, effect: Standing) -> Offer {
    Offer {
        tariff: title(tariff),
        product_id: good.id,
        name: good.name.clone(),
        price: good.price,
        price_with_discount: good.price_with_discount(),
        expiration: NO_LIMIT,
        effect,
    }
}

/// Offers of the tariffs above the site's own, each by its upgrade. A site whose tariff is not in the
/// catalogue any more has none: nobody knows which are higher, nor the price of its own.
fn each_higher(
    catalogue: &Catalogue,
    standing: &Standing,
    offer: impl Fn(&Tariff, &Tariff, Upgrade) -> Option<Offer>,
) -> Vec<Offer> {
    let Some((own, higher)) = catalogue.and_higher(standing.tariff_id).split_first() else {
        return Vec::new();
    };
    higher.iter().filter_map(|tariff| offer(own, tariff, tariff.upgrade?)).collect()
}

/// An upgrade of a site that is paid for a time: the difference of the tariffs for the days left.
fn for_days_left(
    own: &Tariff,
    tariff: &Tariff,
    upgrade: Upgrade,
    standing: &Standing,
    until: Micros,
    now: Micros,
) -> Offer {
    let year = tariff.year_price.less(own.year_price);
    let left = days_left(until, now);
    let price = for_days(year, left);
    // The price falls at the instant at which so many days are left, or ends with them.
    let lower = fewer_days(left, |days| for_days(year, days) < price);
    let expiration = Micros(until.0.saturating_sub(lower.saturating_mul(DAY_US))).seconds();
    Offer { expiration, ..upgrade_offer(tariff, upgrade, price, standing.moved(tariff)) }
}

/// An upgrade of a site that is paid for ever: the difference of what that costs, where both do.
fn for_ever(own: &Tariff, tariff: &Tariff, upgrade: Upgrade, standing: &Standing) -> Option<Offer> {
    let price = cheapest_endless(tariff)?.less(cheapest_endless(own)?);
    Some(upgrade_offer(tariff, upgrade, price, standing.moved(tariff)))
}

fn upgrade_offer(tariff: &Tariff, upgrade: Upgrade, price: Money, effect: Standing) -> Offer {
    Offer {
        tariff: title(tariff),
        product_id: upgrade.product_id,
        name: format!("{}: upgrade", tariff.name),
        price,
        price_with_discount: discounted(price, upgrade.discount_e4),
        expiration: NO_LIMIT,
        effect,
    }
}

/// The least that a tariff costs for ever, before discounts.
fn cheapest_endless(tariff: &Tariff) -> Option<Money> {
    let endless = tariff.goods.iter().filter(|good| good.period == Period::Forever);
    endless.map(|good| good.price).min()
}

/// Days of 24 hours that are left, a begun one counted whole.
fn days_left(until: Micros, now: Micros) -> i64 {
    let left = until.0.saturating_sub(now.0).max(0);
    left / DAY_US + i64::from(left % DAY_US > 0)
}

/// So many days of what a year costs, rounded half-even to cents, and no more than an amount can be.
fn for_days(year: Money, days: i64) -> Money {
    year.fraction(days, YEAR_DAYS).min(Money::from_minor(AMOUNT_MAX_MINOR))
}

/// The most days below `days` of which `is_lower` is true, 0 where there are none; what is true of
/// some days is true of fewer.
fn fewer_days(days: i64, is_lower: impl Fn(i64) -> bool) -> i64 {
    let (mut lower, mut same) = (0, days);
    while same - lower > 1 {
        let middle = lower + (same - lower) / 2;
        if is_lower(middle) {
            lower = middle;
        } else {
            same = middle;
        }
    }
    lower
}

fn title(tariff: &Tariff) -> Title {
    Title { id: tariff.id, system_name: tariff.system_name.clone(), name: tariff.name.clone() }
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
