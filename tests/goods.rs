//! Contract 3, "The catalogue … is a TOML file loaded with `referral goods load FILE`; an example is
//! shipped, documented and loaded by default": the commands as an operator uses them, on every database.
use std::sync::Arc;

use futures_util::future::join;
use referral::{
    domain::{Catalogue, Micros},
    store::{
        Store,
        catalogues::{self, Catalogues, Loaded},
        tenants,
    },
};
use serde_json::{Value, json};

use crate::harness::{Bed, Told, on_every_database};

on_every_database!(
    a_domain_has_the_shipped_catalogue_until_it_loads_its_own,
    a_file_that_will_not_do_is_refused_by_file_tariff_and_member_and_nothing_changes,
    a_tariff_that_sites_of_the_domain_are_on_is_not_left_out,
    of_a_site_put_on_a_tariff_and_a_load_without_it_one_gives_way,
);

/// Rounds in which a site and a load want to be first.
const ROUNDS: i64 = 20;

async fn load(bed: &Bed, file: &str, input: &str) -> Told {
    bed.operate(&["goods", "load", file], &[], input).await
}

async fn loaded(bed: &Bed, text: &str, domain: &str) -> String {
    bed.referral(&["goods", "load", "-", "--domain", domain], text).await
}

async fn shown(bed: &Bed, domain: &str) -> String {
    bed.referral(&["goods", "show", "--domain", domain], "").await
}

/// The example without its last tariff.
fn without_shop() -> &'static str {
    let (before, _) = Catalogue::EXAMPLE.split_once("[[tariff]]\nid = 3\n").unwrap();
    before
}

async fn domain_id(store: &Store, name: &str) -> i64 {
    tenants::domain(store, name).await.unwrap().unwrap().id
}

/// A site's row, as the ingress writes it.
const SITE: &str = "INSERT INTO site (host, domain_id, partner_id, email, email_key, password_hash, \
    password_version, tariff_id, paid_forever, ctime_us) \
    VALUES ({?}, {?}, 1, 'a@example.com', 'a@example.com', '', 1, {?}, 0, 0)";

async fn put_site(bed: &Bed, host: &str, domain: &str, tariff_id: i64) {
    let domain_id = domain_id(&bed.store, domain).await;
    let values = vec![host.into(), domain_id.into(), tariff_id.into()];
    bed.store.run(SITE, None, values).await.unwrap();
}

async fn a_domain_has_the_shipped_catalogue_until_it_loads_its_own(bed: Arc<Bed>) {
    let example = Catalogue::EXAMPLE.trim();
    let create = ["domain", "create", "shop", "--timezone", "Europe/Moscow", "--currency", "RUB"];
    bed.referral(&create, "").await;
    let (kept, shop) = (Catalogues::default(), domain_id(&bed.store, "shop").await);
    let in_force = async || kept.of(&bed.store, shop).await.unwrap();
    for domain in ["default", "shop"] {
        assert_eq!(shown(&bed, domain).await, example);
    }
    let shipped = in_force().await;
    assert_eq!((shipped.loaded, shipped.catalogue.text().trim()), (None, example));

    // What is shown is the start of an own one, from a file or standard input.
    let own = format!("\u{feff}{}", shown(&bed, "shop").await.replace("\"Start\"", "\"Старт 🚀\""));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("goods.toml");
    std::fs::write(&file, &own).unwrap();
    let arguments = ["goods", "load", file.to_str().unwrap(), "--domain", "shop"];
    assert_eq!(bed.referral(&arguments, "").await, "3 tariffs, 9 goods loaded");
    let again = "3 tariffs, 9 goods loaded, the same as before";
    assert_eq!(bed.referral(&arguments, "").await, again);
    assert_eq!(loaded(&bed, &own, "shop").await, again);
    assert_eq!(shown(&bed, "shop").await, own.trim_start_matches('\u{feff}'));
    assert_eq!(shown(&bed, "default").await, example);

    // Read once, and again when another one is in force.
    let first = in_force().await;
    assert_eq!((first.catalogue.first().name.as_str(), first.loaded.is_some()), ("Старт 🚀", true));
    assert!(Arc::ptr_eq(&first.catalogue, &in_force().await.catalogue));
    // As large as there may be.
    let large = format!("{}\n#{}", own.trim_start_matches('\u{feff}'), "ё".repeat(1 << 20));
    let cut = (0..=1 << 20).rev().find(|end| large.is_char_boundary(*end)).unwrap();
    assert_eq!(loaded(&bed, &large[..cut], "shop").await, "3 tariffs, 9 goods loaded");
    assert_eq!(shown(&bed, "shop").await, large[..cut]);
    assert_eq!(loaded(&bed, without_shop(), "shop").await, "2 tariffs, 6 goods loaded");
    let last = in_force().await;
    assert_eq!((last.catalogue.tariffs().len(), last.loaded > first.loaded), (2, true));

    let list = bed.referral(&["goods", "list", "--json", "--domain", "shop"], "").await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let month = json!({"name": "Business, 1 month", "period": "1 month", "price": 12.0, "price_with_discount": 12.0});
    assert_eq!((&list[1]["system_name"], &list[1]["goods"]["21"]), (&json!("business"), &month));
    let lines = bed.referral(&["goods", "list"], "").await;
    assert_eq!(lines.lines().count(), 9, "{lines}");
    let year = "32\tshop\t1 year\t250.00\t218.75\tShop, 1 year";
    assert!(lines.lines().any(|line| line == year), "{lines}");
}

async fn a_file_that_will_not_do_is_refused_by_file_tariff_and_member_and_nothing_changes(
    bed: Arc<Bed>,
) {
    assert_eq!(loaded(&bed, without_shop(), "default").await, "2 tariffs, 6 goods loaded");
    let bad = |from: &str, to: &str| {
        assert!(Catalogue::EXAMPLE.contains(from), "{from}");
        Catalogue::EXAMPLE.replacen(from, to, 1)
    };
    for (input, told) in [
        (
            bad("price = \"6.00\"", "price = 6.00"),
            "goods load -: line 27: tariff 1, good 11: price: must stand in quotes",
        ),
        (
            bad("id = 22", "id = 11"),
            "tariff 2, good 11: id: is taken already by tariff 1, good 11: id",
        ),
        (bad("= \"shop\"", "= \"Shop\""), "tariff 3: system_name: must be 1 to 64 of"),
        (bad("upgrade_product = 29", ""), "tariff 2: upgrade_product: is required"),
        (bad("discount_percent =", "discount ="), "tariff 1, good 12: discount: is not known here"),
        (bad("[[tariff]]", "[[tariff]"), "goods load -: line 15: is not TOML: "),
        (String::new(), "goods load -: tariff: there must be one at least"),
        ("#".repeat((1 << 20) + 1), "goods load -: is over 1048576 bytes"),
    ] {
        let found = load(&bed, "-", &input).await;
        assert_eq!((found.code, found.output.as_str()), (Some(1), ""), "{told}");
        assert!(found.errors.contains(told), "{told}: {}", found.errors);
        assert_eq!(found.errors.trim().lines().count(), 1, "{}", found.errors);
        assert_eq!(shown(&bed, "default").await, without_shop().trim(), "{told}");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("latin-1.toml");
    std::fs::write(&file, b"# \xe9\n").unwrap();
    for (path, told) in [
        (file.to_str().unwrap(), "latin-1.toml: must be UTF-8"),
        ("/no/such/file", "goods load /no/such/file: "),
    ] {
        let found = load(&bed, path, "").await;
        assert_eq!(found.code, Some(1));
        assert!(found.errors.contains(told), "{}", found.errors);
    }
    for arguments in [&["goods", "load", "-"][..], &["goods", "show"], &["goods", "list"]] {
        let nowhere = [arguments, &["--domain", "nowhere"]].concat();
        let found = bed.operate(&nowhere, &[], Catalogue::EXAMPLE).await;
        assert_eq!((found.code, found.output.as_str()), (Some(1), ""));
        assert!(found.errors.contains("--domain: there is no domain"), "{}", found.errors);
    }
}

async fn a_tariff_that_sites_of_the_domain_are_on_is_not_left_out(bed: Arc<Bed>) {
    let create = ["domain", "create", "other", "--timezone", "UTC", "--currency", "EUR"];
    bed.referral(&create, "").await;
    put_site(&bed, "a.example", "default", 1).await;
    put_site(&bed, "b.example", "other", 3).await;
    put_site(&bed, "c.example", "other", 3).await;
    let refused =
        bed.operate(&["goods", "load", "-", "--domain", "other"], &[], without_shop()).await;
    assert_eq!((refused.code, refused.output.as_str()), (Some(1), ""));
    let told = "goods load -: tariff 3: must not be left out: sites are on it, 2 in all";
    assert!(refused.errors.contains(told), "{}", refused.errors);
    assert_eq!(shown(&bed, "other").await, Catalogue::EXAMPLE.trim());
    // Other domains' sites do not matter, nor do prices.
    assert_eq!(loaded(&bed, without_shop(), "default").await, "2 tariffs, 6 goods loaded");
    let dearer = Catalogue::EXAMPLE.replace("\"250.00\"", "\"300.00\"");
    assert_eq!(loaded(&bed, &dearer, "other").await, "3 tariffs, 9 goods loaded");
    // A tariff that no site is on any more may go.
    bed.store.run("UPDATE site SET tariff_id = 2", None, Vec::new()).await.unwrap();
    assert_eq!(loaded(&bed, without_shop(), "other").await, "2 tariffs, 6 goods loaded");
}

/// Puts a site on the tariff 3 as it must be done: behind the catalogue that is in force.
async fn register(store: &Store, domain_id: i64, host: &str) -> bool {
    let before = catalogues::of_domain(store, domain_id).await.unwrap();
    store
        .again(async || {
            let tx = store.begin().await?;
            let is_same = catalogues::hold(&tx, domain_id).await? == before.loaded;
            if is_same && before.catalogue.tariff(3).is_some() {
                tx.run(SITE, None, vec![host.into(), domain_id.into(), 3_i64.into()]).await?;
            }
            tx.commit().await?;
            Ok(is_same)
        })
        .await
        .unwrap()
}

async fn of_a_site_put_on_a_tariff_and_a_load_without_it_one_gives_way(bed: Arc<Bed>) {
    let id = domain_id(&bed.store, "default").await;
    let (all, fewer) = (Catalogue::example().unwrap(), Catalogue::parse(without_shop()).unwrap());
    for round in 0..ROUNDS {
        let host = format!("{round}.example");
        let put = catalogues::load(&bed.store, id, &all, Micros(0)).await.unwrap();
        assert_ne!(put, Loaded::InUse { tariff_id: 3, sites: 1 });
        // By turns one of them begins first; each may be first to hold the domain.
        let (made, load) = if round % 2 == 0 {
            let both = join(
                register(&bed.store, id, &host),
                catalogues::load(&bed.store, id, &fewer, Micros(round)),
            );
            both.await
        } else {
            let load = catalogues::load(&bed.store, id, &fewer, Micros(round));
            let (load, made) = join(load, register(&bed.store, id, &host)).await;
            (made, load)
        };
        let find = "SELECT host FROM site WHERE tariff_id = 3";
        let sites = bed.store.all(find, None, Vec::new()).await.unwrap().len();
        let in_force = catalogues::of_domain(&bed.store, id).await.unwrap().catalogue;
        match load.unwrap() {
            Loaded::InUse { tariff_id: 3, sites: 1 } => {
                assert_eq!((made, sites, in_force.tariffs().len()), (true, 1, 3), "{round}");
            }
            Loaded::New => assert_eq!((sites, in_force.tariffs().len()), (0, 2), "{round}"),
            other => panic!("{round}: {other:?}"),
        }
        bed.store.run("DELETE FROM site", None, Vec::new()).await.unwrap();
    }
}
