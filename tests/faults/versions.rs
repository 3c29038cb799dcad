//! Old and new versions side by side (fault 29): each reads what the other wrote, in messages and in rows,
//! and starts beside it. The messages here are texts, so that no change of ours changes them too.
use std::sync::Arc;

use migrations::{Migrator, MigratorTrait};
use referral::{
    broker::{Outgoing, topology},
    domain::{EventKey, Micros},
    store::{Store, StoreSettings},
};

use crate::harness::{
    Bed, Database, Ingress, PATIENCE, Program, Receiver, eventually, messages, on_every_database,
};

on_every_database!(
    messages_of_the_first_release_and_of_a_later_one_are_read,
    an_older_program_starts_and_works_beside_a_newer_schema,
    rows_of_an_older_release_are_taken_over_and_their_events_stay_known,
);

const CODE: &str = "b4b9e071006f409d8e6d";
/// As the first release published them, each in one of its forms.
const CLICK: &str = r#"{"specversion":"1.0","id":"old-click","source":"/shop","type":"referral.click.v1","time":"2026-11-22T10:00:00.000001Z","domain":"default","datacontenttype":"application/json","data":{"code":"b4b9e071006f409d8e6d","ip":"192.0.2.1","user_agent":"Mozilla/5.0","query_string":"cur_from=A"}}"#;
const SIGNUPS: &str = r#"[{"specversion":"1.0","id":"old-a","source":"/shop","type":"referral.signup.v1","time":"2026-11-22T10:00:00Z","domain":"default","data":{"user_hash":"alice","email":"alice@example.com"}},{"specversion":"1.0","id":"old-b","source":"/shop","type":"referral.signup.v1","time":"2026-11-22T10:00:01Z","domain":"default","data":{"user_hash":"bob","user_indicator":"alice"}}]"#;
const PAYMENT: &str = r#"{"user_hash":"bob","amount":"10.00","currency":"USD"}"#;
/// As a later release might: members and attributes that nobody here knows, wherever there may be some.
const LATER_CLICK: &str = r#"{"specversion":"1.0","id":"new-click","source":"/shop","type":"referral.click.v1","time":"2026-11-22T10:00:02Z","domain":"default","laterattribute":"x","dataschema":"https://example.com/v2","data":{"code":"b4b9e071006f409d8e6d","campaign":{"name":"x","tags":["a",1,null]}}}"#;
const LATER_PAYMENT: &str = r#"{"specversion":"1.0","id":"new-payment","source":"/shop","type":"referral.payment.v1","time":"2026-11-22T10:00:03Z","domain":"default","later":true,"data":{"user_hash":"bob","amount":"15.00","currency":"USD","fee":{"amount":"0.10"},"exchange":{"id":"e","success":true,"later":[1]}}}"#;

async fn number(store: &Store, what: &str) -> i64 {
    let row = store.one(&format!("SELECT COUNT(*) AS n FROM {what}"), Vec::new()).await;
    row.unwrap().unwrap().int("n").unwrap()
}

async fn becomes(store: &Store, what: &str, expected: i64) {
    eventually(what, PATIENCE, async || match number(store, what).await {
        n if n == expected => Ok(()),
        n => Err(format!("{n} of {expected}")),
    })
    .await;
}

/// A programme and a code.
async fn terms(ingress: &Ingress) {
    let programme = serde_json::json!({"name": "Default", "credit_value": 10, "target_value": 25});
    assert_eq!(ingress.post("/program/", programme).await.0, 201);
    let email = serde_json::json!({"email": "alice@example.com"});
    assert_eq!(ingress.put(&format!("/v1/referral/{CODE}"), email).await.0, 201);
}

async fn messages_of_the_first_release_and_of_a_later_one_are_read(bed: Arc<Bed>) {
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    terms(&ingress).await;
    let receiver = Receiver::start().await;
    // Without an endpoint: what credits tells billing stays in the queue for this test to look at.
    let workers = bed.start_workers(1, &[]).await;
    let binary = Outgoing::event("payment", messages::BINARY, PAYMENT);
    let attributes = [
        ("specversion", "1.0"),
        ("id", "old-payment"),
        ("source", "/shop"),
        ("type", "referral.payment.v1"),
        ("time", "2026-11-22T10:00:02Z"),
        ("domain", "default"),
        ("later", "x"),
    ];
    let binary = attributes.iter().fold(binary, |message, (name, value)| {
        message.with_header(format!("cloudEvents:{name}"), *value)
    });
    bed.publish(vec![
        Outgoing::event("click", messages::SINGLE, CLICK),
        Outgoing::event("signup", messages::BATCH, SIGNUPS),
        binary,
        Outgoing::event("click", messages::SINGLE, LATER_CLICK).with_header("x-later", "y"),
        Outgoing::event("payment", messages::SINGLE, LATER_PAYMENT),
    ])
    .await;
    becomes(&bed.store, "click", 2).await;
    becomes(&bed.store, "payment", 2).await;
    becomes(&bed.store, "entry WHERE kind = 'acquired_credit'", 1).await;
    bed.drain(workers).await;
    let owed = number(&bed.store, "delivery").await;
    // A hint as the first release sent it, with a member of a later one: billing does what it names.
    let rows = bed.store.all("SELECT id FROM delivery", None, Vec::new()).await.unwrap();
    let ids: Vec<String> = rows.iter().map(|row| row.text("id").unwrap()).collect();
    let hint = serde_json::json!({"deliveries": ids, "later": {"priority": 1}}).to_string();
    bed.publish(vec![Outgoing::work(topology::KEY_BILLING, hint)]).await;
    let billing = bed.start_planned(crate::trial::billing(&bed, &receiver.endpoint())).await;
    becomes(&bed.store, "delivery WHERE state = 'delivered'", owed).await;
    eventually("the hints are done", PATIENCE, async || {
        match bed.broker.counted(topology::BILLING).await? {
            0 => Ok(()),
            n => Err(format!("{n} are left")),
        }
    })
    .await;
    bed.drain(vec![billing]).await;
    assert_eq!(receiver.ledger().len() as i64, owed);
    for queue in [topology::CREDITS_DEAD, topology::DAILY_RECORDS_DEAD, topology::BILLING_DEAD] {
        assert!(bed.broker.is_empty(queue).await, "{queue}");
    }
}

/// The schema of a release to come: a migration that nobody here knows, which has added columns.
async fn an_older_program_starts_and_works_beside_a_newer_schema(bed: Arc<Bed>) {
    const NOTE: &str = "INSERT INTO seaql_migrations (version, applied_at) VALUES ({?}, 1)";
    bed.store.run(NOTE, None, vec!["m20991231_000099_later".into()]).await.expect("noted");
    for table in ["click", "daily_record", "account", "payment", "entry", "delivery", "domain"] {
        for column in ["later_a VARCHAR(20)", "later_b BIGINT DEFAULT 7 NOT NULL"] {
            let add = format!("ALTER TABLE {table} ADD COLUMN {column}");
            bed.store.run(&add, None, Vec::new()).await.expect("added");
        }
    }
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    terms(&ingress).await;
    let receiver = Receiver::start().await;
    let mut programs = bed.start_workers(1, &[]).await;
    programs.push(bed.start_planned(crate::trial::billing(&bed, &receiver.endpoint())).await);
    bed.publish(vec![
        Outgoing::event("click", messages::SINGLE, CLICK),
        Outgoing::event("signup", messages::BATCH, SIGNUPS),
        Outgoing::event("payment", messages::SINGLE, LATER_PAYMENT),
    ])
    .await;
    becomes(&bed.store, "click", 1).await;
    becomes(&bed.store, "payment", 1).await;
    becomes(&bed.store, "delivery WHERE state = 'delivered'", 1).await;
    assert_eq!(ingress.get("/statement/bob/").await.0, 200);
    let (status, records) = ingress.get(&format!("/v1/referral?code={CODE}")).await;
    assert_eq!((status, records["items"][0]["clicks"].as_i64()), (200, Some(1)), "{records}");
    bed.drain(programs).await;
}

/// A database as eight migrations made it, with a click and its record: the rest is done at the start, the
/// record is gone on with, and the click is known.
async fn rows_of_an_older_release_are_taken_over_and_their_events_stay_known(bed: Arc<Bed>) {
    let url = bed.another_database().await;
    let connection = sea_orm::Database::connect(&url).await.expect("the database");
    Migrator::up(&connection, Some(8)).await.expect("the older schema");
    connection.close().await.expect("closed");
    let settings = StoreSettings { url: url.clone(), connections_max: 2, migrate: false };
    let store = Store::connect(&settings).await.expect("the database");
    let key = EventKey::new("/shop", "old-click");
    let time = Micros::parse("2026-11-22T10:00:00.000001Z").expect("a time");
    // MariaDB's rows carry their insertion's number.
    let (column, value) =
        if bed.database == Database::Mariadb { (", batch_id", ", 1") } else { ("", "") };
    let click = format!(
        "INSERT INTO click (event_key, code, time_us, bot, seen_us, domain_id{column}) \
         SELECT {{?}}, {{?}}, {{?}}, 0, 1, id{value} FROM domain WHERE name = 'default'"
    );
    let values = vec![key.as_str().into(), CODE.into(), time.0.into()];
    store.run(&click, None, values).await.expect("a click");
    const RECORD: &str = "INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, mtime_us) \
        SELECT id, '2026-11-22', {?}, '2f1c7b0e-0000-4000-8000-000000000001', 1, 1, 1 \
        FROM domain WHERE name = 'default'";
    store.run(RECORD, None, vec![CODE.into()]).await.expect("its record");
    let program: Program =
        bed.start_planned(bed.plan("daily-records").set("DATABASE_URL", &url)).await;
    bed.publish(vec![
        Outgoing::event("click", messages::SINGLE, CLICK),
        Outgoing::event("click", messages::SINGLE, LATER_CLICK),
    ])
    .await;
    becomes(&store, "click", 2).await;
    bed.drain(vec![program]).await;
    becomes(&store, "daily_record WHERE clicks = 2", 1).await;
    becomes(&store, "seaql_migrations", Migrator::migrations().len() as i64).await;
    store.connection().clone().close().await.expect("closed");
    bed.remove_other_database().await;
    assert!(bed.broker.is_empty(topology::DAILY_RECORDS_DEAD).await);
}
