//! What `action=upgrade_price` and `action=forever_price` give (contract 3): goods that a site may pay
//! now, with their prices.
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{domain::catalogue::terms::Offer, ingress::aura::ById};

/// The tariffs that have something for the site, by their system names; `{}` where none has
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = UmiPrices, value_type = std::collections::HashMap<String, Vec<TariffPrices>>, example = json!({"business": [{"id": 2, "name": "Business", "goods": [
    {"29": {"name": "Business: upgrade", "price": 30.25, "price_with_discount": 27.23, "expiration": 1_767_225_600}},
]}]}))]
pub struct PricesAnswer(ById<[TariffPrices; 1], String>);

/// A tariff and what the site may pay to have it
#[derive(Serialize, ToSchema)]
#[schema(as = UmiTariffPrices)]
pub struct TariffPrices {
    id: i64,
    name: String,
    /// Each an object with one member, the good's id
    #[schema(value_type = Vec<std::collections::HashMap<String, Priced>>)]
    goods: Vec<ById<Priced>>,
}

/// A good and its price in the domain's currency
#[derive(Serialize, ToSchema)]
#[schema(as = UmiPrice)]
struct Priced {
    name: String,
    /// The full price
    #[schema(value_type = f64)]
    price: Box<RawValue>,
    /// What is paid
    #[schema(value_type = f64)]
    price_with_discount: Box<RawValue>,
    /// The Unix time until which the price holds; 0: no limit
    expiration: i64,
}

impl From<Vec<Offer>> for PricesAnswer {
    fn from(offers: Vec<Offer>) -> Self {
        let mut tariffs: Vec<(String, [TariffPrices; 1])> = Vec::new();
        for Offer { tariff, product_id, name, price, price_with_discount, expiration, .. } in offers
        {
            let priced = Priced {
                name,
                price: price.json_number(),
                price_with_discount: price_with_discount.json_number(),
                expiration,
            };
            let good = ById(vec![(product_id, priced)]);
            match tariffs.iter_mut().find(|(_, [known])| known.id == tariff.id) {
                Some((_, [known])) => known.goods.push(good),
                None => {
                    let new = TariffPrices { id: tariff.id, name: tariff.name, goods: vec![good] };
                    tariffs.push((tariff.system_name, [new]));
                }
            }
        }
        Self(ById(tariffs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Catalogue, Micros,
        catalogue::terms::{Standing, forever, upgrades},
    };

    fn told(offers: Vec<Offer>) -> String {
        serde_json::to_string(&PricesAnswer::from(offers)).unwrap()
    }

    #[test]
    fn prices_are_told_by_tariff_a_good_an_object() {
        let catalogue = Catalogue::example().unwrap();
        let now = Micros::parse("2026-01-01T00:00:00Z").unwrap();
        let unpaid = Standing { tariff_id: 2, paid_until: None, is_paid_forever: false };
        assert_eq!(
            told(upgrades(&catalogue, &unpaid, now)),
            r#"{"start":[{"id":1,"name":"Start","goods":[{"11":{"name":"Start, 1 month","price":6.0,"price_with_discount":6.0,"expiration":0}},{"12":{"name":"Start, 1 year","price":60.0,"price_with_discount":57.0,"expiration":0}}]}],"business":[{"id":2,"name":"Business","goods":[{"21":{"name":"Business, 1 month","price":12.0,"price_with_discount":12.0,"expiration":0}},{"22":{"name":"Business, 1 year","price":120.0,"price_with_discount":108.0,"expiration":0}}]}],"shop":[{"id":3,"name":"Shop","goods":[{"31":{"name":"Shop, 1 month","price":25.0,"price_with_discount":25.0,"expiration":0}},{"32":{"name":"Shop, 1 year","price":250.0,"price_with_discount":218.75,"expiration":0}}]}]}"#
        );
        assert_eq!(
            told(forever(&catalogue, &unpaid, now)),
            r#"{"business":[{"id":2,"name":"Business","goods":[{"23":{"name":"Business, for ever","price":360.0,"price_with_discount":360.0,"expiration":0}}]}],"shop":[{"id":3,"name":"Shop","goods":[{"33":{"name":"Shop, for ever","price":750.0,"price_with_discount":750.0,"expiration":0}}]}]}"#
        );
        let paid = Standing { paid_until: now.plus_days(184), ..unpaid };
        assert_eq!(
            told(upgrades(&catalogue, &paid, now)),
            r#"{"shop":[{"id":3,"name":"Shop","goods":[{"39":{"name":"Shop: upgrade","price":65.53,"price_with_discount":58.98,"expiration":1767312000}}]}]}"#
        );
        let highest = Standing { tariff_id: 3, ..paid };
        assert_eq!(told(upgrades(&catalogue, &highest, now)), "{}");
    }

    #[test]
    fn offers_of_one_tariff_are_together() {
        let catalogue = Catalogue::example().unwrap();
        let standing = Standing { tariff_id: 1, paid_until: None, is_paid_forever: false };
        let mut offers = upgrades(&catalogue, &standing, Micros(0));
        offers.extend(forever(&catalogue, &standing, Micros(0)));
        let told: serde_json::Value = serde_json::from_str(&told(offers)).unwrap();
        for tariff in ["start", "business", "shop"] {
            assert_eq!(told[tariff].as_array().unwrap().len(), 1, "{told}");
            assert_eq!(told[tariff][0]["goods"].as_array().unwrap().len(), 3, "{told}");
        }
    }
}
