//! What sites are offered, and the promises of prices that change with time.
use proptest::prelude::*;

use super::*;

/// Ids: tariff T has goods T1 (month), T2 (year), T3 (for ever) and the upgrade T9.
fn example() -> Catalogue {
    Catalogue::example().unwrap()
}

fn at(text: &str) -> Micros {
    Micros::parse(text).unwrap()
}

fn now() -> Micros {
    at("2026-01-31T12:00:00Z")
}

fn unpaid(tariff_id: i64) -> Standing {
    Standing { tariff_id, paid_until: None, is_paid_forever: false }
}

fn paid(tariff_id: i64, until: Micros) -> Standing {
    Standing { paid_until: Some(until), ..unpaid(tariff_id) }
}

fn endless(tariff_id: i64) -> Standing {
    Standing { is_paid_forever: true, ..unpaid(tariff_id) }
}

fn ids(offers: &[Offer]) -> Vec<i64> {
    offers.iter().map(|offer| offer.product_id).collect()
}

/// Everything of the example that `payable` takes.
fn payables(standing: &Standing) -> Vec<i64> {
    let takes = |id: &i64| payable(&example(), standing, *id, now()).is_ok();
    (1..=50).filter(takes).collect()
}

#[test]
fn a_site_is_paid_until_the_very_end_or_for_ever() {
    let until = at("2026-02-01T00:00:00Z");
    for (standing, now, expected) in [
        (unpaid(1), until, false),
        (paid(1, until), Micros(until.0 - 1), true),
        (paid(1, until), until, false),
        (endless(1), until, true),
        (Standing { is_paid_forever: true, ..paid(1, until) }, until, true),
    ] {
        assert_eq!(standing.is_paid(now), expected, "{standing:?} {now:?}");
    }
}

#[test]
fn each_site_is_offered_what_is_for_it() {
    let (was, ahead) = (paid(2, now()), at("2026-06-01T00:00:00Z"));
    let periods = vec![11, 12, 21, 22, 31, 32];
    let all = vec![11, 12, 13, 21, 22, 23, 31, 32, 33];
    for (standing, upgraded, endless_goods, paid_for) in [
        (unpaid(1), periods.clone(), vec![13, 23, 33], all.clone()),
        (unpaid(3), periods.clone(), vec![33], all.clone()),
        (unpaid(7), periods.clone(), vec![], all.clone()),
        (was, periods, vec![23, 33], all),
        (paid(1, ahead), vec![29, 39], vec![13, 23, 33], vec![11, 12, 13, 23, 29, 33, 39]),
        (paid(2, ahead), vec![39], vec![23, 33], vec![21, 22, 23, 33, 39]),
        (paid(3, ahead), vec![], vec![33], vec![31, 32, 33]),
        (paid(7, ahead), vec![], vec![], vec![]),
        (endless(1), vec![29, 39], vec![], vec![29, 39]),
        (endless(2), vec![39], vec![], vec![39]),
        (endless(3), vec![], vec![], vec![]),
        (endless(7), vec![], vec![], vec![]),
        (Standing { is_paid_forever: true, ..paid(2, ahead) }, vec![39], vec![], vec![39]),
    ] {
        let catalogue = example();
        let offers = upgrades(&catalogue, &standing, now());
        assert_eq!(ids(&offers), upgraded, "upgrades {standing:?}");
        assert_eq!(ids(&forever(&catalogue, &standing, now())), endless_goods, "{standing:?}");
        assert_eq!(payables(&standing), paid_for, "payable {standing:?}");
        for id in 1..=50 {
            let offer = offers.iter().find(|offer| offer.product_id == id);
            let taken = upgrade(&catalogue, &standing, id, now());
            assert_eq!(taken.as_ref().ok(), offer, "{standing:?} {id}");
        }
    }
}

#[test]
fn paying_moves_the_site_and_gives_the_time_that_was_paid() {
    let (ahead, past) = (at("2026-08-31T06:30:00Z"), at("2026-01-01T00:00:00Z"));
    let for_ever =
        |tariff_id, paid_until| Standing { tariff_id, paid_until, is_paid_forever: true };
    for (standing, product_id, effect) in [
        (unpaid(1), 11, paid(1, at("2026-02-28T12:00:00Z"))),
        (unpaid(3), 22, paid(2, at("2027-01-31T12:00:00Z"))),
        (paid(2, past), 31, paid(3, at("2026-02-28T12:00:00Z"))),
        (unpaid(3), 13, for_ever(1, None)),
        (paid(2, past), 23, for_ever(2, Some(past))),
        (paid(2, ahead), 21, paid(2, at("2026-09-30T06:30:00Z"))),
        (paid(2, ahead), 22, paid(2, at("2027-08-31T06:30:00Z"))),
        (paid(1, ahead), 29, paid(2, ahead)),
        (paid(1, ahead), 33, for_ever(3, Some(ahead))),
        (endless(1), 39, endless(3)),
        (for_ever(1, Some(ahead)), 29, for_ever(2, Some(ahead))),
    ] {
        let offer = payable(&example(), &standing, product_id, now()).unwrap();
        assert_eq!(offer.effect, effect, "{standing:?} {product_id}");
        assert_eq!(offer.tariff.id, effect.tariff_id, "{standing:?} {product_id}");
        let is_timed = standing.is_paid(now()) && product_id % 10 == 9 && !effect.is_paid_forever;
        assert_eq!(offer.expiration != 0, is_timed, "{standing:?} {product_id}");
    }
}

#[test]
fn what_is_not_for_sale_says_why() {
    let ahead = at("2026-06-01T00:00:00Z");
    let late = paid(1, at("9999-12-15T00:00:00Z"));
    let why = |standing: &Standing, id| payable(&example(), standing, id, now()).unwrap_err();
    assert_eq!(why(&unpaid(1), 99), NotForSale::NoSuchGood);
    assert_eq!(why(&unpaid(1), 19), NotForSale::NoSuchGood);
    for (standing, id, told) in [
        (unpaid(1), 29, "an unpaid one pays for a period"),
        (paid(1, ahead), 21, "changes its tariff by an upgrade"),
        (paid(2, ahead), 13, "changes its tariff by an upgrade"),
        (paid(2, ahead), 29, "no upgrade of the tariff"),
        (endless(2), 21, "is paid for ever"),
        (endless(2), 23, "is paid for ever"),
        (endless(2), 29, "no upgrade of what"),
        (late, 11, "longer than can be kept"),
    ] {
        let told_of = why(&standing, id);
        assert!(matches!(told_of, NotForSale::NotNow(_)), "{standing:?} {id}: {told_of}");
        assert!(told_of.to_string().contains(told), "{standing:?} {id}: {told_of}");
    }
    for (standing, id, told) in [
        (unpaid(1), 13, "is upgraded by a period"),
        (paid(1, ahead), 11, "it is no upgrade"),
        (paid(1, ahead), 23, "changes its tariff by an upgrade"),
    ] {
        let told_of = upgrade(&example(), &standing, id, now()).unwrap_err().to_string();
        assert!(told_of.contains(told), "{standing:?} {id}: {told_of}");
    }
}

#[test]
fn a_paid_sites_upgrade_costs_the_difference_for_the_days_left() {
    // The days end half a second after those that `expiration` can name.
    let until = at("2026-03-01T06:00:00.5Z");
    for (now, price, with_discount, expiration) in [
        // 60 a year more, 10 percent less.
        ("2026-02-28T06:00:00.500000Z", 16, 14, "2026-03-01T06:00:00Z"),
        ("2026-02-28T06:00:00.499999Z", 33, 30, "2026-02-28T06:00:00Z"),
        ("2026-01-30T06:00:00.5Z", 493, 444, "2026-01-31T06:00:00Z"),
        ("2026-01-30T06:00:00.499999Z", 510, 459, "2026-01-30T06:00:00Z"),
        ("2025-03-01T06:00:00.5Z", 6000, 5400, "2025-03-02T06:00:00Z"),
        ("2026-03-01T06:00:00.499999Z", 16, 14, "2026-03-01T06:00:00Z"),
    ] {
        let offer = upgrade(&example(), &paid(1, until), 29, at(now)).unwrap();
        let prices = (offer.price.minor(), offer.price_with_discount.minor());
        assert_eq!(prices, (price, with_discount), "{now}");
        assert_eq!(offer.expiration, at(expiration).seconds(), "{now}");
        assert_eq!(
            (offer.name.as_str(), offer.tariff.name.as_str()),
            ("Business: upgrade", "Business")
        );
    }
}

#[test]
fn a_price_that_does_not_change_any_more_holds_to_the_end() {
    let text = Catalogue::EXAMPLE.replace("\"120.00\"", "\"60.01\"");
    let catalogue = Catalogue::parse(&text).unwrap();
    let until = at("2027-01-31T12:00:00Z");
    let ask = |now| upgrade(&catalogue, &paid(1, until), 29, now).unwrap();
    // One cent a year is one cent down to 183 days, and nothing from 182 on.
    let (first, last) = (ask(now()), ask(Micros(until.0 - 183 * DAY_US)));
    assert_eq!((first.price.minor(), last.price.minor()), (1, 1));
    let change = Micros(until.0 - 182 * DAY_US);
    assert_eq!((first.expiration, last.expiration), (change.seconds(), change.seconds()));
    let nothing = ask(change);
    assert_eq!((nothing.price, nothing.expiration), (Money::ZERO, until.seconds()));
}

#[test]
fn a_site_that_is_paid_for_ever_pays_the_difference_of_that() {
    let ask = |text: &str| {
        let catalogue = Catalogue::parse(text).unwrap();
        upgrades(&catalogue, &endless(1), now())
            .iter()
            .map(|offer| {
                let prices = (offer.price.minor(), offer.price_with_discount.minor());
                assert_eq!((offer.expiration, offer.effect), (0, endless(offer.tariff.id)));
                (offer.product_id, prices)
            })
            .collect::<Vec<_>>()
    };
    let example = Catalogue::EXAMPLE;
    assert_eq!(ask(example), [(29, (18_000, 16_200)), (39, (57_000, 51_300))]);
    // The full price counts, of several goods the least; never less than nothing.
    let cheap = example.replace("\"360.00\"", "\"100.00\"\ndiscount_percent = 50");
    assert_eq!(ask(&cheap), [(29, (0, 0)), (39, (57_000, 51_300))]);
    let two = format!("{example}[[tariff.goods]]\nid=34\nname='x'\nperiod='forever'\nprice=500\n");
    assert_eq!(ask(&two), [(29, (18_000, 16_200)), (39, (32_000, 28_800))]);
    let timed = |id: i64, text: &str| {
        let ever = format!("id = {id}\n  name = \"Business, for ever\"\n  period = \"forever\"");
        text.replace(&ever, &ever.replace("\"forever\"", "\"9 years\""))
    };
    assert_eq!(ask(&timed(23, example)), [(39, (57_000, 51_300))]);
    let own = example.replacen("period = \"forever\"", "period = \"9 years\"", 1);
    assert_eq!(ask(&own), []);
}

/// Two tariffs with these prices a year, and the discount of the upgrade 29.
fn two(own: i64, new: i64, discount_e4: i64) -> Catalogue {
    let (own, new) = (Money::from_minor(own), Money::from_minor(new));
    let percent = crate::domain::money::percent_number(discount_e4);
    Catalogue::parse(&format!(
        "[[tariff]]\nid = 1\nsystem_name = 'a'\nname = 'A'\nyear_price = '{own}'\n\
         [[tariff]]\nid = 2\nsystem_name = 'b'\nname = 'B'\nyear_price = '{new}'\n\
         upgrade_product = 29\nupgrade_discount_percent = '{percent}'\n"
    ))
    .unwrap()
}

prop_compose! {
    /// A year's price, and how much more the higher tariff costs: from next to nothing to the most.
    fn prices()(own in 0..=10_000_000_i64, power in 0..13_u32, digits in 0..=100_i64) -> (i64, i64) {
        (own, (own + digits * 10_i64.pow(power)).min(AMOUNT_MAX_MINOR))
    }
}

proptest! {
    #[test]
    fn a_price_never_rises_and_holds_until_it_expires(
        (own, new) in prices(),
        discount_e4 in 0..=1_000_000_i64,
        until in 1_700_000_000_000_000..2_000_000_000_000_000_i64,
        left in 1..4000 * DAY_US,
        later in prop::collection::vec(0.0..1.0_f64, 8),
    ) {
        let (catalogue, standing) = (two(own, new, discount_e4), paid(1, Micros(until)));
        let ask = |now: i64| upgrade(&catalogue, &standing, 29, Micros(now)).ok();
        let now = until - left;
        let first = ask(now).unwrap();
        let expires = first.expiration * 1_000_000;
        prop_assert_eq!(first.effect, paid(2, Micros(until)));
        prop_assert!(expires <= until && now < expires + 1_000_000);
        prop_assert!(first.price_with_discount <= first.price);
        for part in &later {
            let then = ask(now + (left as f64 * part) as i64).unwrap();
            prop_assert!(then.price <= first.price);
            prop_assert!(then.price_with_discount <= first.price_with_discount);
            prop_assert!(then.expiration >= first.expiration);
            // Any instant at which it holds, up to the last.
            let holds = now + ((expires - now) as f64 * part) as i64;
            if holds < expires {
                prop_assert_eq!(&ask(holds).unwrap(), &first);
            }
        }
        if expires > now {
            prop_assert_eq!(&ask(expires - 1).unwrap(), &first);
        }
        // The second that is named is the one in which it changes.
        if let Some(after) = ask(expires + 1_000_000) {
            prop_assert!(after.price < first.price, "{:?} {:?}", first, after);
        }
        // With whole seconds it changes at that very instant.
        let whole = paid(1, Micros(until - until % 1_000_000));
        if let Ok(first) = upgrade(&catalogue, &whole, 29, Micros(now)) {
            let then = upgrade(&catalogue, &whole, 29, Micros(first.expiration * 1_000_000));
            prop_assert!(then.is_err() || then.unwrap().price < first.price);
        }
    }

    #[test]
    fn a_price_is_the_exact_fraction_to_the_cent(
        (own, new) in prices(), days in 1..4000_i64, rest in 0..DAY_US,
    ) {
        let until = Micros(2_000_000_000_000_000);
        let offer = upgrade(&two(own, new, 0), &paid(1, until), 29, Micros(until.0 - days * DAY_US + rest));
        let price = i128::from(offer.unwrap().price.minor());
        let exact = i128::from(new - own) * i128::from(days);
        // 365 is odd, so there is no middle between two cents.
        prop_assert!((2 * (price * 365 - exact)).abs() < 365 || price == i128::from(AMOUNT_MAX_MINOR));
    }
}
