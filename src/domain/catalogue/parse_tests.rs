//! What a catalogue may be, and how what is wrong with one is named.
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::domain::{Catalogue, catalogue::Span};

const TWO: &str = r#"[[tariff]]
id = 1
system_name = "start"
name = "Старт"
year_price = 60
[[tariff.goods]]
id = 11
name = "Start, 1 month"
period = "1 month"
price = "6.00"
[[tariff]]
id = 2
system_name = "shop_2-x"
name = "Shop"
year_price = "60.50"
upgrade_product = 29
upgrade_discount_percent = "12.5"
[[tariff.goods]]
id = 23
name = "Shop, for ever"
period = "forever"
price = 1_000
discount_percent = 5
"#;

fn refused(text: &str) -> String {
    Catalogue::parse(text).unwrap_err().to_string()
}

#[test]
fn the_shipped_example_is_sound() {
    let example = Catalogue::example().unwrap();
    let names: Vec<_> = example.tariffs().iter().map(|it| it.system_name.as_str()).collect();
    assert_eq!(names, ["start", "business", "shop"]);
    assert_eq!((example.goods().count(), example.first().id), (9, 1));
    for tariff in example.tariffs() {
        let periods: Vec<_> = tariff.goods.iter().map(|good| good.period.to_string()).collect();
        assert_eq!(periods, ["1 month", "1 year", "forever"], "{}", tariff.name);
    }
}

#[test]
fn a_catalogue_is_read_with_all_it_says() {
    let catalogue = Catalogue::parse(TWO).unwrap();
    assert_eq!(catalogue.text(), TWO);
    let shop = catalogue.tariff(2).unwrap();
    assert_eq!((shop.name.as_str(), shop.year_price.minor()), ("Shop", 6050));
    assert_eq!(shop.upgrade, Some(Upgrade { product_id: 29, discount_e4: 125_000 }));
    let (tariff, good) = catalogue.good(23).unwrap();
    assert_eq!((tariff, good.period, good.price.minor()), (shop, Period::Forever, 100_000));
    assert_eq!(good.price_with_discount().minor(), 95_000);
    let (start, month) = catalogue.good(11).unwrap();
    assert_eq!((start.name.as_str(), start.year_price.minor()), ("Старт", 6000));
    assert_eq!((month.period, month.discount_e4), (Period::Time(Span::Months(1)), 0));
    assert_eq!((start.upgrade, catalogue.upgrade(29)), (None, Some(shop)));
    assert_eq!(
        (catalogue.good(29), catalogue.tariff(3), catalogue.upgrade(11)),
        (None, None, None)
    );
    assert_eq!(catalogue.and_higher(2), std::slice::from_ref(shop));
    assert_eq!((catalogue.and_higher(1).len(), catalogue.and_higher(3).len()), (2, 0));
    for same in [TWO.replace('\n', "\r\n"), TWO.replace("id = 11", "id = 0xB")] {
        assert_eq!(Catalogue::parse(&same).unwrap().tariffs(), catalogue.tariffs());
    }
    let free = "tariff = [{id = 7, system_name = 'free', name = 'Free', year_price = 0}]";
    assert_eq!(Catalogue::parse(free).unwrap().first().goods, []);
}

#[test]
fn what_is_wrong_is_named_by_line_tariff_good_and_member() {
    const FLOAT: &str = "must stand in quotes where it has decimals: a float is not exact";
    const ID: &str = "must be a whole number from 1 to 9007199254740991";
    const KIND: &str = "must be a decimal number in quotes, or a whole one";
    const NAME: &str = "must be 1 to 253 characters, no control characters";
    let long = format!("name = \"{}\"", "x".repeat(254));
    for (from, to, told) in [
        ("id = 1\n", "id = 0\n", format!("line 2: tariff in place 1: id: {ID}")),
        ("id = 1\n", "\n", "line 1: tariff in place 1: id: is required".to_owned()),
        ("id = 1\n", "id = 'x'\n", format!("line 2: tariff in place 1: id: {ID}")),
        ("id = 2\n", "id = 1\n", "line 12: tariff 1: id: is taken already by tariff 1: id".to_owned()),
        ("start", "Start", "line 3: tariff 1: system_name: must be 1 to 64 of a-z, 0-9, \"_\", \"-\"".to_owned()),
        (
            "shop_2-x",
            "start",
            "line 13: tariff 2: system_name: is taken already by tariff 1: system_name".to_owned(),
        ),
        ("name = \"Shop\"", "", "line 11: tariff 2: name: is required".to_owned()),
        ("name = \"Shop\"", "name = \" \"", format!("line 14: tariff 2: name: {NAME}")),
        ("name = \"Shop\"", "name = \"a\\u0000\"", format!("line 14: tariff 2: name: {NAME}")),
        ("name = \"Shop\"", &long, format!("line 14: tariff 2: name: {NAME}")),
        ("name = \"Shop\"", "name = 7", "line 14: tariff 2: name: must be a text".to_owned()),
        ("= 60\n", "= 60.0\n", format!("line 5: tariff 1: year_price: {FLOAT}")),
        ("= 60\n", "= -60\n", "line 5: tariff 1: year_price: must not be negative".to_owned()),
        ("= 60\n", "= true\n", format!("line 5: tariff 1: year_price: {KIND}")),
        ("= 60\n", "= 99999999999999999999\n", format!("line 5: tariff 1: year_price: {KIND}")),
        (
            "= 60\n",
            "= 61\n",
            "line 15: tariff 2: year_price: must not be less than that of the tariff before".to_owned(),
        ),
        ("upgrade_product = 29\n", "\n", "line 11: tariff 2: upgrade_product: is required".to_owned()),
        (
            "= 29\n",
            "= 11\n",
            "line 16: tariff 2: upgrade_product: is taken already by tariff 1, good 11: id".to_owned(),
        ),
        (
            "= 60\n",
            "= 60\nupgrade_product = 19\n",
            "line 6: tariff 1: upgrade_product: must be left out: nothing is lower".to_owned(),
        ),
        (
            "= 60\n",
            "= 60\nupgrade_discount_percent = 1\n",
            "line 6: tariff 1: upgrade_discount_percent: must be left out: nothing is lower".to_owned(),
        ),
        ("\"12.5\"", "12.5", format!("line 17: tariff 2: upgrade_discount_percent: {FLOAT}")),
        (
            "\"12.5\"",
            "101",
            "line 17: tariff 2: upgrade_discount_percent: must be a percentage of 0 to 100 with at most 4 decimals".to_owned(),
        ),
        (
            "= 23\n",
            "= 29\n",
            "line 19: tariff 2, good 29: id: is taken already by tariff 2: upgrade_product".to_owned(),
        ),
        ("id = 23\n", "\n", "line 18: tariff 2, good in place 1: id: is required".to_owned()),
        (
            "\"1 month\"",
            "\"1 week\"",
            "line 9: tariff 1, good 11: period: must be \"forever\" or a number of days, months or years such as \"1 month\"".to_owned(),
        ),
        ("\"6.00\"", "6.00", format!("line 10: tariff 1, good 11: price: {FLOAT}")),
        ("\"6.00\"", "\"6.001\"", "line 10: tariff 1, good 11: price: must have at most 2 decimals".to_owned()),
        ("\"6.00\"", "\"six\"", "line 10: tariff 1, good 11: price: must be a decimal number".to_owned()),
        (
            "discount_percent = 5",
            "discount = 5",
            "line 23: tariff 2, good 23: discount: is not known here: there are id, name, period, price, discount_percent".to_owned(),
        ),
        (
            "= 60\n",
            "= 60\ncolour = 1\n",
            "line 6: tariff 1: colour: is not known here: there are id, system_name, name, year_price, upgrade_product, upgrade_discount_percent, goods".to_owned(),
        ),
    ] {
        assert_eq!(TWO.matches(from).count(), 1, "{from}");
        assert_eq!(refused(&TWO.replace(from, to)), told, "{from} {to}");
    }
}

#[test]
fn what_is_no_catalogue_at_all_is_refused() {
    for (text, told) in [
        ("", "tariff: there must be one at least"),
        ("tariff = []", "tariff: there must be one at least"),
        ("tariff = 7", "line 1: tariff: must be [[tariff]]"),
        ("[tariff]\nid = 1", "line 1: tariff: must be [[tariff]]"),
        ("tariff = [7]", "line 1: tariff: must be a table"),
        ("\n[[tariffs]]", "line 2: tariffs: is not known here: there are tariff"),
        ("a = 1", "line 1: a: is not known here: there are tariff"),
    ] {
        assert_eq!(refused(text), told, "{text}");
    }
    let goods = TWO.replace("[[tariff.goods]]\nid = 11", "goods = [7]\n[tariff.x]\nid = 11");
    assert!(refused(&goods).contains("tariff 1: x: is not known"), "{}", refused(&goods));
    let goods = "tariff = [{id = 1, system_name = 'a', name = 'A', year_price = 0, goods = [7]}]";
    assert_eq!(refused(goods), "line 1: tariff 1: goods: must be a table");
    for (text, line) in [
        ("[[tariff]]\nid = 1\nid = 2", "line 3"),
        ("[[tariff]]\n\n= 1", "line 3"),
        ("# \0", "line 1"),
    ] {
        let told = refused(text);
        assert!(told.starts_with(&format!("{line}: is not TOML: ")), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let nested = format!("a = {}", "[".repeat(100_000));
    assert!(refused(&nested).contains("is not TOML"));
}

#[test]
fn no_more_is_read_than_may_be() {
    let tariff = |id: usize| {
        let upgrade =
            if id == 1 { String::new() } else { format!("upgrade_product = {}\n", id + 1_000_000) };
        format!(
            "[[tariff]]\nid = {id}\nsystem_name = \"t{id}\"\nname = \"T\"\nyear_price = 1\n{upgrade}"
        )
    };
    let tariffs = |count: usize| (1..=count).map(tariff).collect::<String>();
    assert_eq!(Catalogue::parse(&tariffs(TARIFFS_MAX)).unwrap().tariffs().len(), TARIFFS_MAX);
    let told = refused(&tariffs(TARIFFS_MAX + 1));
    assert!(told.ends_with(": tariff: is one too many: at most 100 are allowed"), "{told}");
    let goods = |count: usize| {
        let mut text = tariff(1);
        for id in 1..=count {
            let _ = write!(
                text,
                "[[tariff.goods]]\nid = {id}\nname = \"G\"\nperiod = \"1 day\"\nprice = 1\n"
            );
        }
        text
    };
    assert_eq!(Catalogue::parse(&goods(GOODS_MAX)).unwrap().goods().count(), GOODS_MAX);
    let told = refused(&goods(GOODS_MAX + 1));
    assert!(told.ends_with(": goods: is one too many: at most 1000 are allowed in all"), "{told}");
    let padded = |bytes: usize| format!("{TWO}#{}", "x".repeat(bytes - TWO.len() - 1));
    assert!(Catalogue::parse(&padded(TEXT_BYTES_MAX)).is_ok());
    assert_eq!(refused(&padded(TEXT_BYTES_MAX + 1)), "is over 1048576 bytes");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", cut in 0..TWO.len(), put in "[ -~\n]{0,9}") {
        let _ = Catalogue::parse(&text);
        if TWO.is_char_boundary(cut) {
            let mut changed = TWO.to_owned();
            changed.insert_str(cut, &put);
            let _ = Catalogue::parse(&changed);
            let _ = Catalogue::parse(&TWO[..cut]);
        }
    }
}
