//! The remote as the seed describes it, whose times have no offset, and which is not this product:
//! what it may leave out, and what is wrong.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use referral::{
    clock::Clock,
    domain::{Code, Day, Micros},
    store::remote::{self, Pair, Record},
};
use serde_json::{Value, json};

use super::{CODE, OWN, kept, noon_zone, summary};
use crate::harness::{
    Bed, Database, Remote,
    bed::run,
    on_every_database,
    remote::{Asked, Reply},
};

on_every_database!(a_record_only_moves_forward, runs_at_once_keep_the_newest);

const TOKEN: [(&str, &str); 1] = [("RCP_TOKEN", "da3730bfe8f2e9fff1450c67a577b46dcb1b9df6")];

fn record(day: &str, code: &str, mtime: &Value) -> Value {
    json!({
        "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "ctime": "2024-07-29T14:52:25.426324",
        "mtime": mtime,
        "date": day,
        "code": code,
        "emails": ["a@example.com"],
        "clicks": 1
    })
}

/// The value of a name in the query.
fn query(asked: &Asked, name: &str) -> String {
    let (_, query) = asked.path.split_once('?').unwrap_or_default();
    let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_default().to_owned()
}

async fn sync(bed: &Bed, door: &Remote, zone: &str) -> crate::harness::Told {
    let line = ["rcp", "sync", "--url", &door.url(), "--timezone", zone];
    bed.operate(&line, &TOKEN, "").await
}

/// The seed's own record: "2024-07-29T14:52:25.426324", in Moscow.
#[test]
fn times_without_an_offset_are_the_time_zones() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let door = Remote::start("", |asked, _| {
            let mtime = json!("2024-07-29T14:52:25.428960");
            let items = [record(&query(asked, "date"), CODE, &mtime)];
            Reply::Json(200, json!({"items": items, "limit": 10, "total": 1}))
        })
        .await;
        let told = sync(&bed, &door, "Europe/Moscow").await;
        assert_eq!(told.errors, "0 codes put, 0 refused; 2 records read, 2 changed, 0 bad\n");
        let kept = kept(&bed).await;
        let micros = |text: &str| json!(Micros::parse(text).unwrap().0);
        assert_eq!(kept[0]["ctime"], micros("2024-07-29T14:52:25.426324+03:00"));
        assert_eq!(kept[0]["mtime"], micros("2024-07-29T14:52:25.428960+03:00"));
        let days: Vec<&Value> = kept.iter().map(|record| &record["date"]).collect();
        let today = Clock::system().now().day("Europe/Moscow".parse().unwrap());
        assert!(
            kept.len() == 2 && days[0].as_str() >= Some(&*today.before().to_string()),
            "{days:?}"
        );
        let header = format!("Bearer {}", TOKEN[0].1);
        assert!(door.asked().iter().all(|asked| asked.authorization == header));
    });
}

/// A remote that gives ten at a time, whatever is asked for; two of its records are wrong.
#[test]
fn bad_records_are_reported_with_their_place_and_the_others_kept() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let zone = noon_zone(Clock::system().now());
        let today = Clock::system().now().day(zone.parse().unwrap()).to_string();
        let of_today = today.clone();
        let door = Remote::start("", move |asked, _| {
            let day = query(asked, "date");
            let total = if day == of_today { 25 } else { 0 };
            let first = (query(asked, "page").parse::<usize>().unwrap() - 1) * 10;
            let items = (first..total.min(first + 10)).map(|n| match n {
                3 => record(&day, "short", &Value::Null),
                12 => json!("no record"),
                _ => record(&day, &format!("{n:020}"), &Value::Null),
            });
            let items: Vec<Value> = items.collect();
            Reply::Json(200, json!({"items": items, "limit": 1000, "total": total}))
        })
        .await;
        for changed in [23, 0] {
            let told = sync(&bed, &door, &zone).await;
            let expected = [
                format!("{today} page 1 items[3]: code: must be 20 characters of 0-9, A-Z, a-z"),
                format!("{today} page 2 items[2]: id: must be a text"),
                format!("0 codes put, 0 refused; 23 records read, {changed} changed, 2 bad"),
            ];
            assert_eq!(told.errors.lines().collect::<Vec<_>>(), expected);
            assert_eq!(told.code, Some(1));
            assert_eq!(kept(&bed).await.len(), 23);
        }
        assert_eq!(door.count("GET"), 2 * (1 + 3), "yesterday's page and three of today");
    });
}

/// A remote that knows no `page` gives the first again; that is no reason to read on for ever.
#[test]
fn a_remote_that_repeats_itself_is_not_believed_to_be_complete() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let zone = noon_zone(Clock::system().now());
        let door = Remote::start("", |asked, _| {
            let day = query(asked, "date");
            let items = [CODE, OWN].map(|code| record(&day, code, &Value::Null));
            Reply::Json(200, json!({"items": items, "limit": 2, "total": 5}))
        })
        .await;
        let told = sync(&bed, &door, &zone).await;
        assert_eq!(told.code, Some(1));
        let told_of = told.errors.matches("the remote says 5 records, and gives 2").count();
        assert_eq!(told_of, 2, "{}", told.errors);
        assert_eq!(summary(&told), "0 codes put, 0 refused; 4 records read, 4 changed, 2 bad");
    });
}

/// Records that are made while pages are read push others over to the next page.
#[test]
fn what_slips_between_two_pages_is_read_in_the_end() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let zone = noon_zone(Clock::system().now());
        let reads = Arc::new(AtomicUsize::new(0));
        let door = Remote::start("", move |asked, _| {
            let (day, page) = (query(asked, "date"), query(asked, "page"));
            // Before page 2 of the first reading, `0` comes in at the front.
            let codes: Vec<usize> = match (reads.fetch_add(1, Ordering::Relaxed), page.as_str()) {
                (0, _) => vec![1, 2],
                (_, "1") => vec![0, 1],
                (_, "2") => vec![2, 3],
                _ => vec![],
            };
            let total = if codes.first() == Some(&1) { 3 } else { 4 };
            let items: Vec<Value> =
                codes.iter().map(|n| record(&day, &format!("{n:020}"), &Value::Null)).collect();
            Reply::Json(200, json!({"items": items, "limit": 2, "total": total}))
        })
        .await;
        let told = sync(&bed, &door, &zone).await;
        assert_eq!(told.errors, "0 codes put, 0 refused; 8 records read, 8 changed, 0 bad\n");
        assert_eq!(told.code, Some(0));
    });
}

fn some_record(clicks: i64, mtime: Option<i64>, emails: &[String]) -> Record {
    Record {
        day: Day::parse("2024-07-29").unwrap(),
        code: Code::parse(CODE).unwrap(),
        id: "3fa85f64-5717-4562-b3fc-2c963f66afa6".to_owned(),
        clicks,
        emails: emails.to_vec(),
        ctime: None,
        mtime: mtime.map(Micros),
    }
}

/// Pages that were read at different times are written at the same time.
async fn runs_at_once_keep_the_newest(bed: Arc<Bed>) {
    for round in 0..25 {
        let remote = format!("https://cp.example#{round}");
        let pair = Pair { domain_id: 1, remote };
        let writes = (0..3_i64).map(|n| {
            let (store, pair) = (bed.store.clone(), pair.clone());
            tokio::spawn(async move {
                let mtime = (n + round) % 3;
                let record = some_record(mtime, Some(mtime), &[]);
                remote::keep(&store, &pair, &[record], Micros(0)).await.unwrap();
            })
        });
        for done in futures_util::future::join_all(writes).await {
            done.unwrap();
        }
        const ROW: &str = "SELECT clicks, mtime_us FROM remote_record WHERE remote = {?}";
        let row = bed.store.one(ROW, vec![pair.remote.as_str().into()]).await.unwrap().unwrap();
        assert_eq!((row.int("clicks").unwrap(), row.int("mtime_us").unwrap()), (2, 2), "{round}");
    }
}

/// "A row only moves forward", and what did not change is not written.
async fn a_record_only_moves_forward(bed: Arc<Bed>) {
    let pair = Pair { domain_id: 1, remote: "https://cp.example#default".to_owned() };
    let long: Vec<String> = (0..4000).map(|n| format!("somebody-{n}@example.com")).collect();
    let at = |clicks, mtime| some_record(clicks, mtime, &long);
    let steps = [
        ("new, time unknown", vec![at(1, None)], 1, (1, None, 0)),
        ("still unknown", vec![at(2, None)], 1, (2, None, 1)),
        ("known now", vec![at(3, Some(50))], 1, (3, Some(50), 2)),
        ("the same", vec![at(3, Some(50))], 0, (3, Some(50), 2)),
        ("later", vec![at(5, Some(60))], 1, (5, Some(60), 4)),
        ("earlier", vec![at(4, Some(55))], 0, (5, Some(60), 4)),
        ("unknown again", vec![at(9, None)], 0, (5, Some(60), 4)),
        ("same time, other content", vec![at(6, Some(60))], 1, (6, Some(60), 7)),
        ("twice at once", vec![at(8, Some(80)), at(7, Some(70))], 2, (8, Some(80), 8)),
        ("nothing", vec![], 0, (8, Some(80), 8)),
    ];
    for (n, (name, records, changed, expected)) in steps.into_iter().enumerate() {
        let found = remote::keep(&bed.store, &pair, &records, Micros(n as i64)).await.unwrap();
        assert_eq!(found, changed, "{name}");
        let rows = super::all(&bed, "SELECT * FROM remote_record").await;
        let [row] = rows.as_slice() else { panic!("{name}: {} rows", rows.len()) };
        let shown = (
            row.int("clicks").unwrap(),
            row.int_or_null("mtime_us").unwrap(),
            row.int("synced_us").unwrap(),
        );
        assert_eq!(shown, expected, "{name}");
    }
    let other = Pair { remote: "https://cp.example#other".to_owned(), ..pair.clone() };
    assert_eq!(remote::keep(&bed.store, &other, &[at(1, None)], Micros(0)).await.unwrap(), 1);
    assert_eq!(kept(&bed).await[0]["emails"].as_array().map(Vec::len), Some(4000));
}
