//! What `/goods.php` answers (contract 3): the catalogue, without prices.
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{Catalogue, catalogue::Tariff},
    ingress::aura::ById,
};

/// All tariffs by their system names, in ascending order
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = UmiGoods, value_type = std::collections::HashMap<String, TariffGoods>, example = json!({
    "start": {"id": 1, "name": "Start", "goods": {"11": {"name": "Start, 1 month"}, "13": {"name": "Start, for ever"}}},
}))]
pub struct GoodsAnswer(ById<TariffGoods, String>);

/// A tariff and what pays a site of it
#[derive(Serialize, ToSchema)]
#[schema(as = UmiTariffGoods)]
pub struct TariffGoods {
    id: i64,
    name: String,
    /// By their ids; what upgrades a paid site is none of them
    #[schema(value_type = std::collections::HashMap<String, Named>)]
    goods: ById<Named>,
}

/// A good
#[derive(Serialize, ToSchema)]
#[schema(as = UmiGood)]
struct Named {
    name: String,
}

impl From<&Catalogue> for GoodsAnswer {
    fn from(catalogue: &Catalogue) -> Self {
        let tariffs = catalogue.tariffs().iter();
        Self(ById(tariffs.map(|tariff| (tariff.system_name.clone(), tariff.into())).collect()))
    }
}

impl From<&Tariff> for TariffGoods {
    fn from(tariff: &Tariff) -> Self {
        let goods = tariff.goods.iter().map(|good| (good.id, Named { name: good.name.clone() }));
        Self { id: tariff.id, name: tariff.name.clone(), goods: ById(goods.collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_told_in_its_own_order_without_upgrades() {
        let text = r#"
[[tariff]]
id = 7
system_name = "z"
name = "Zürich"
year_price = 0
[[tariff]]
id = 2
system_name = "a"
name = "A"
year_price = 1
upgrade_product = 29
[[tariff.goods]]
id = 23
name = "for ever"
period = "forever"
price = 9
[[tariff.goods]]
id = 21
name = "a \"month\""
period = "1 month"
price = 1
"#;
        let answer = GoodsAnswer::from(&Catalogue::parse(text).unwrap());
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"z":{"id":7,"name":"Zürich","goods":{}},"a":{"id":2,"name":"A","goods":{"23":{"name":"for ever"},"21":{"name":"a \"month\""}}}}"#
        );
    }
}
