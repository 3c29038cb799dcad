//! Contract 7, `referral prune --older-than 400d`: "raw clicks; their keys stay, so that the promise of
//! contract 1 holds".
use std::{collections::BTreeSet, sync::Arc};

use chrono::DateTime;
use referral::{clock::Clock, domain::Micros};
use serde_json::json;
use tokio::process::Command;

use crate::{
    harness::{Bed, Told, environment, messages::single, on_every_database, state},
    model::fact::{Click, Fact, What, click},
    partner::{EMAIL, data, key},
};

on_every_database!(
    pruned_clicks_lose_what_was_raw_and_count_once_for_ever,
    a_prune_that_was_stopped_goes_on_where_it_was,
);

const CODE: &str = "b4b9e071006f409d8e6d";
const RAW: &str = "(ip IS NOT NULL OR user_agent IS NOT NULL OR referrer IS NOT NULL \
    OR user_hash IS NOT NULL OR query_string IS NOT NULL)";

/// So many days ago.
fn ago(days: i64) -> String {
    let now = Clock::system().now();
    let then = Micros(now.0 - days * 86_400_000_000);
    DateTime::from_timestamp_micros(then.0).unwrap().to_rfc3339()
}

async fn count(bed: &Bed, what: &str) -> i64 {
    let count = format!("SELECT COUNT(*) AS n FROM click WHERE {what}");
    bed.store.one(&count, Vec::new()).await.unwrap().unwrap().int("n").unwrap()
}

/// Every record as it is kept, `mtime` included.
async fn records(bed: &Bed) -> BTreeSet<(i64, String, i64, i64)> {
    const ALL: &str = "SELECT domain_id, day, clicks, mtime_us FROM daily_record";
    let rows = bed.store.all(ALL, None, Vec::new()).await.unwrap();
    let int = |row: &referral::store::Row, name| row.int(name).unwrap();
    rows.iter()
        .map(|r| {
            (int(r, "domain_id"), r.text("day").unwrap(), int(r, "clicks"), int(r, "mtime_us"))
        })
        .collect()
}

async fn pruned_clicks_lose_what_was_raw_and_count_once_for_ever(bed: Arc<Bed>) {
    bed.referral(&["domain", "create", "other", "--currency", "EUR"], "").await;
    let robot = Fact::new(What::Click(Click { code: CODE.to_owned(), bot: true }));
    let old = [click(CODE).at(&ago(402)), click(CODE).at(&ago(500)), robot.at(&ago(500))];
    let new = [click(CODE).at(&ago(398)), click(CODE).at(&ago(1))];
    let others = click("cccccccccccccccccccc").at(&ago(500));
    let workers = bed.start_workers(1, &[]).await;
    let deliver = async || {
        let messages = old.iter().chain(&new).map(|fact| single(fact, "default"));
        bed.publish(messages.chain([single(&others, "other")]).collect()).await;
    };
    deliver().await;
    bed.drain(workers).await;
    let ingress = bed.start("ingress").await;
    let key = key(&bed).await;
    let email = referral::domain::Email::parse(EMAIL).unwrap();
    let code = referral::domain::Code::parse(CODE).unwrap();
    let default = referral::store::tenants::domain(&bed.store, "default").await.unwrap().unwrap();
    let made =
        referral::store::codes::register(&bed.store, default.id, &code, &email, None, Micros(0));
    made.await.unwrap();
    let links =
        async || data(&ingress, &key, "get_links").await["items"].as_object().unwrap().len();
    let before = (records(&bed).await, state::read(&bed.store, default.id).await.unwrap());
    assert_eq!((before.0.len(), links().await, count(&bed, RAW).await), (5, 4, 6));

    let prune = ["prune", "--older-than", "400d"];
    let dry = bed.referral(&[&prune[..], &["--dry-run"]].concat(), "").await;
    assert_eq!((dry.as_str(), count(&bed, RAW).await, links().await), ("4 clicks to prune", 6, 4));
    let one = bed.referral(&[&prune[..], &["--domain", "default"]].concat(), "").await;
    assert_eq!((one.as_str(), count(&bed, RAW).await), ("3 clicks pruned", 3), "not the other's");
    assert_eq!(links().await, 2, "they are left out");
    assert_eq!(bed.referral(&prune, "").await, "1 clicks pruned");
    assert_eq!(bed.referral(&prune, "").await, "0 clicks pruned", "safe to repeat");
    assert_eq!((count(&bed, "1 = 1").await, count(&bed, RAW).await), (6, 2), "the keys stay");
    let pruned = referral::store::prune::pruned(&bed.store, default.id).await.unwrap().unwrap();
    assert_eq!(
        pruned,
        Micros(Clock::system().now().0 - 400 * 86_400_000_000)
            .day(default.zone)
            .begins(default.zone)
    );

    // The same events come once more, to a worker that knows nothing of it.
    let workers = bed.start_workers(1, &[]).await;
    deliver().await;
    bed.drain(workers).await;
    assert_eq!((records(&bed).await, state::read(&bed.store, default.id).await.unwrap()), before);
    assert_eq!(count(&bed, RAW).await, 2, "what was forgotten stays forgotten");

    // A click that comes late is counted, and is not shown: it is older than what is kept.
    let workers = bed.start_workers(1, &[]).await;
    bed.publish(vec![single(&click(CODE).at(&ago(500)), "default")]).await;
    bed.drain(workers).await;
    assert_eq!((count(&bed, "1 = 1").await, links().await), (7, 2));
    assert_eq!(bed.referral(&prune, "").await, "1 clicks pruned");

    for (arguments, code, named) in [
        (&["prune", "--older-than", "23h"][..], 2, "--older-than"),
        (&["prune"], 2, "--older-than"),
        (&["prune", "--older-than", "400d", "--domain", "nowhere"], 1, "there is no domain"),
    ] {
        let told = bed.operate(arguments, &[], "").await;
        assert_eq!((told.code, told.errors.contains(named)), (Some(code), true), "{}", told.errors);
    }
    assert_eq!(data(&ingress, &key, "get_exchanges").await, json!({"items": {}}));
}

/// So many that it takes several transactions.
const MANY: i64 = 30_000;

async fn a_prune_that_was_stopped_goes_on_where_it_was(bed: Arc<Bed>) {
    use referral::store::{Rows, rows::Kind};
    let mut rows = Rows::new(&[("event_key", Kind::Text), ("number", Kind::Int)]);
    for number in 0..MANY {
        rows.push([format!("{number:0>32}").into(), number.into()]);
    }
    // MySQL has one more column, which only its workers read.
    let extra = if bed.database == crate::harness::Database::Mariadb { ", batch_id" } else { "" };
    let value = if extra.is_empty() { "" } else { ", 0" };
    let insert = format!(
        "INSERT INTO click (event_key, domain_id, code, time_us, bot, ip, seen_us{extra}) \
         SELECT r.event_key, d.id, '{CODE}', r.number, 0, '192.0.2.1', 0{value} \
         FROM {{rows}} JOIN domain d ON d.name = 'default'"
    );
    bed.store.run(&insert, Some(&rows), Vec::new()).await.unwrap();
    let mut command = Command::new(environment::program("referral"));
    command.args(["prune", "--older-than", "400d"]).env_clear();
    command.env("DATABASE_URL", &bed.database_url);
    let running = tokio::spawn(Told::of(command, ""));
    // As soon as something is pruned: killed.
    crate::harness::eventually("something is pruned", crate::harness::PATIENCE, async || {
        match count(&bed, RAW).await {
            MANY => Err("nothing yet".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    running.abort();
    let _ = running.await;
    let left = count(&bed, RAW).await;
    let told = bed.referral(&["prune", "--older-than", "400d"], "").await;
    assert_eq!(count(&bed, RAW).await, 0, "{told}, {left} were left");
    assert_eq!(count(&bed, "1 = 1").await, MANY);
}
