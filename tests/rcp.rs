//! Contract 2, last paragraph: `referral rcp sync`, against another instance of this product as the
//! remote RCP, and against doors that behave as this one does not.
mod faults;
mod seed;
mod ways_in;

use std::sync::Arc;

use referral::{
    clock::Clock,
    domain::Micros,
    store::{Param, Row, Rows, rows::Kind},
};
use serde_json::Value;

use crate::{
    harness::{
        Bed, Ingress, PASSWORD, PATIENCE, Program, Remote, Told, eventually, messages::single,
        on_every_database, remote::Reply,
    },
    model::fact::{Fact, Signup, click, signup},
};

on_every_database!(
    codes_go_there_and_two_days_of_records_come_back,
    a_run_that_was_killed_is_gone_on_with,
    pages_of_records_and_refused_codes,
);

const CODE: &str = "b4b9e071006f409d8e6d";
const OWN: &str = "aaaaaaaaaaaaaaaaaaaa";
const SECRET: [(&str, &str); 1] = [("RCP_PASSWORD", PASSWORD)];

/// Somebody else's instance: a bed of its own, with an ingress and daily-records.
struct Rcp {
    bed: Arc<Bed>,
    ingress: Ingress,
    #[expect(dead_code, reason = "it lives as long as this")]
    records: Program,
}

impl Rcp {
    /// With this time zone.
    async fn start(bed: &Bed, zone: &str) -> Self {
        let bed = bed.stranger().await;
        bed.referral(&["domain", "set", "default", "--timezone", zone], "").await;
        let records = bed.start("daily-records").await;
        let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
        Self { bed, ingress, records }
    }

    fn url(&self) -> String {
        self.ingress.program.url("")
    }

    async fn publish(&self, facts: &[Fact]) {
        self.bed.publish(facts.iter().map(|fact| single(fact, "default")).collect()).await;
    }

    /// Its records, once there are so many clicks and addresses in all.
    async fn records(&self, clicks: i64, emails: usize) -> Vec<Value> {
        eventually("the remote has its records", PATIENCE, async || {
            let (status, page) = self.ingress.get("/v1/referral?limit=1000").await;
            let items = page["items"].as_array().cloned().unwrap_or_default();
            let counted: i64 = items.iter().filter_map(|item| item["clicks"].as_i64()).sum();
            let came: usize =
                items.iter().filter_map(|item| item["emails"].as_array()).map(Vec::len).sum();
            if (counted, came) == (clicks, emails) {
                Ok(items)
            } else {
                Err(format!("{status} {page}"))
            }
        })
        .await
    }
}

/// `referral rcp sync` with the password of the remote's administrator.
async fn sync(bed: &Bed, url: &str) -> Told {
    bed.operate(&["rcp", "sync", "--url", url, "--login", "root"], &SECRET, "").await
}

/// The last line that it said.
fn summary(told: &Told) -> &str {
    told.errors.lines().last().unwrap_or_default()
}

/// A time zone in which it is about noon, so that no test runs over midnight.
fn noon_zone(now: Micros) -> String {
    let hour = now.0.div_euclid(3_600_000_000).rem_euclid(24);
    match 12 - hour {
        0 => "Etc/GMT".to_owned(),
        east @ 1.. => format!("Etc/GMT-{east}"),
        west => format!("Etc/GMT+{}", -west),
    }
}

/// Registers codes in the domain `default`.
async fn register(bed: &Bed, codes: &[(&str, &str)]) {
    const COLUMNS: &[(&str, Kind)] = &[
        ("code", Kind::Text),
        ("domain_id", Kind::Int),
        ("email", Kind::Text),
        ("email_key", Kind::Text),
        ("ctime_us", Kind::Int),
    ];
    let mut rows = Rows::new(COLUMNS);
    for (code, email) in codes {
        rows.push([
            (*code).into(),
            1.into(),
            (*email).into(),
            email.to_lowercase().into(),
            0.into(),
        ]);
    }
    let tx = bed.store.begin().await.unwrap();
    tx.insert("code", &rows).await.unwrap();
    tx.commit().await.unwrap();
}

/// A user of the domain `default` with this code.
async fn user(bed: &Bed, hash: &str, code: &str, email: Option<&str>) {
    const ACCOUNT: &str = "INSERT INTO account (domain_id, user_hash, code, email, email_key, \
        settled_us, source, event_id, ctime_us) VALUES (1, {?}, {?}, {?}, {?}, 1, '/t', 'e', 1)";
    let params = vec![hash.into(), code.into(), email.into(), email.into()];
    bed.store.run(ACCOUNT, None, params).await.unwrap();
}

async fn all(bed: &Bed, sql: &str) -> Vec<Row> {
    bed.store.all(sql, None, Vec::<Param>::new()).await.unwrap()
}

/// `code email`, in order.
async fn codes(bed: &Bed) -> Vec<String> {
    let rows = all(bed, "SELECT code, email FROM code ORDER BY code").await;
    rows.iter()
        .map(|r| format!("{} {}", r.text("code").unwrap(), r.text("email").unwrap()))
        .collect()
}

/// `code state put_us`, in order.
async fn put(bed: &Bed) -> Vec<String> {
    let rows = all(bed, "SELECT code, state, put_us FROM remote_code ORDER BY code").await;
    let shown = |row: &Row| {
        let (code, state) = (row.text("code").unwrap(), row.text("state").unwrap());
        format!("{code} {state} {}", row.int("put_us").unwrap())
    };
    rows.iter().map(shown).collect()
}

/// What was kept, newest day first, then by code, in the remote's own form but for the times.
async fn kept(bed: &Bed) -> Vec<Value> {
    const ALL: &str = "SELECT * FROM remote_record ORDER BY day DESC, code";
    let shown = |row: &Row| {
        serde_json::json!({
            "id": row.text("record_id").unwrap(),
            "ctime": row.int_or_null("ctime_us").unwrap(),
            "mtime": row.int_or_null("mtime_us").unwrap(),
            "date": row.text("day").unwrap(),
            "code": row.text("code").unwrap(),
            "emails": serde_json::from_str::<Value>(&row.text("emails").unwrap()).unwrap(),
            "clicks": row.int("clicks").unwrap(),
        })
    };
    all(bed, ALL).await.iter().map(shown).collect()
}

/// A remote's records in the same form.
fn as_kept(records: &[Value]) -> Vec<Value> {
    let micros = |time: &Value| Micros::parse(time.as_str().unwrap()).unwrap().0;
    let mut records = records.to_vec();
    for record in &mut records {
        record["ctime"] = micros(&record["ctime"]).into();
        record["mtime"] = micros(&record["mtime"]).into();
    }
    records
}

/// Processes 2 and 5 of the seed, over two days, and again.
async fn codes_go_there_and_two_days_of_records_come_back(bed: Arc<Bed>) {
    let now = Clock::system().now();
    let zone = noon_zone(now);
    bed.referral(&["domain", "set", "default", "--timezone", &zone], "").await;
    let rcp = Rcp::start(&bed, &zone).await;
    let door = Remote::start(&rcp.url(), |_, _| Reply::Pass).await;
    register(&bed, &[(CODE, "Ann@example.com")]).await;
    user(&bed, "olga", OWN, Some("olga@example.com")).await;
    user(&bed, "nobody", "bbbbbbbbbbbbbbbbbbbb", None).await;

    let told = sync(&bed, &door.url()).await;
    assert_eq!(told.errors, "2 codes put, 0 refused; 0 records read, 0 changed, 0 bad\n");
    assert_eq!((told.code, told.output.as_str()), (Some(0), ""));
    let both = [format!("{OWN} olga@example.com"), format!("{CODE} Ann@example.com")];
    assert_eq!(codes(&rcp.bed).await, both);
    let tokens = all(&rcp.bed, "SELECT id FROM token WHERE revoked_us IS NULL").await;
    assert_eq!(tokens.len(), 1, "the run's own token is given back");

    // Things happen there, today, yesterday, and the day before.
    let day = 86_400_000;
    let at = |fact: Fact, ms: i64| fact.at(&now.plus_ms(ms).rfc3339(chrono_tz::Tz::UTC));
    let bert = Signup {
        code: Some(CODE.to_owned()),
        email: Some("Bert@example.com".to_owned()),
        ..Signup::default()
    };
    let facts = [
        at(click(CODE), -1000),
        at(click(CODE), -day),
        at(click(CODE), -day),
        at(click(OWN), -day),
        at(click(CODE), -2 * day),
        at(signup("bert", bert), -2000),
    ];
    rcp.publish(&facts).await;
    let there = rcp.records(5, 1).await;
    assert_eq!(there.len(), 4, "{there:?}");

    let told = sync(&bed, &door.url()).await;
    assert_eq!(told.errors, "0 codes put, 0 refused; 3 records read, 3 changed, 0 bad\n");
    assert_eq!(kept(&bed).await, as_kept(&there[..3]), "not the day before yesterday's");

    // Again: nothing changes, nothing is put.
    let (puts, marks) = (door.count("PUT"), put(&bed).await);
    let told = sync(&bed, &door.url()).await;
    assert_eq!(told.errors, "0 codes put, 0 refused; 3 records read, 0 changed, 0 bad\n");
    assert_eq!((door.count("PUT"), put(&bed).await), (puts, marks));
    assert_eq!(kept(&bed).await, as_kept(&there[..3]));

    // One more click; this time with a token that was given.
    rcp.publish(&[at(click(CODE), -500)]).await;
    let there = rcp.records(6, 1).await;
    let line = ["rcp", "sync", "--url", &door.url(), "--timezone", &zone];
    let told = bed.operate(&line, &[("RCP_TOKEN", rcp.ingress.key())], "").await;
    assert_eq!(told.errors, "0 codes put, 0 refused; 3 records read, 1 changed, 0 bad\n");
    assert_eq!(kept(&bed).await, as_kept(&there[..3]));
    let (status, _) = rcp.ingress.get("/v1/referral").await;
    assert_eq!(status, 200, "a token that was given is not revoked");
}

/// `kill -9` with some codes put and others on their way, then between two pages of records.
async fn a_run_that_was_killed_is_gone_on_with(bed: Arc<Bed>) {
    let now = Clock::system().now();
    let zone = noon_zone(now);
    bed.referral(&["domain", "set", "default", "--timezone", &zone], "").await;
    let rcp = Rcp::start(&bed, &zone).await;
    let names: Vec<String> = (0..30).map(|n| format!("{n:020}")).collect();
    let pairs: Vec<(&str, &str)> =
        names.iter().map(|code| (code.as_str(), "ann@example.com")).collect();
    register(&bed, &pairs).await;
    records_there(&rcp, now, &zone, 1500).await;
    // The first 12 codes get through once, the first page once.
    let door = Remote::start(&rcp.url(), |asked, before| {
        let is_second_page = asked.path.ends_with("page=2");
        match (asked.method.as_str(), before) {
            ("PUT", 12..20) => Reply::Never,
            ("GET", 0..4) if is_second_page => Reply::Never,
            _ => Reply::Pass,
        }
    })
    .await;
    let start = || {
        let line = ["rcp", "sync", "--url", &door.url(), "--login", "root"];
        let plan = bed.plan("referral").set("RCP_PASSWORD", PASSWORD);
        bed.spawn(line.iter().fold(plan, |plan, argument| plan.argument(argument)))
    };

    let mut program = start();
    eventually("all that may get through is marked", PATIENCE, async || {
        match (put(&bed).await.len(), door.count("PUT")) {
            (12, 20) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    program.kill().await;
    assert_eq!(kept(&bed).await.len(), 0);

    let mut program = start();
    eventually("a page of records is kept", PATIENCE, async || {
        let is_waiting = door.asked().iter().any(|asked| asked.path.ends_with("page=2"));
        match kept(&bed).await.len() {
            1000 if is_waiting => Ok(()),
            rows => Err(format!("{rows} rows")),
        }
    })
    .await;
    program.kill().await;
    assert_eq!(put(&bed).await.len(), 30);
    assert_eq!(door.count("PUT"), 20 + 18, "what was marked is not put again");

    let told = sync(&bed, &door.url()).await;
    assert_eq!(told.errors, "0 codes put, 0 refused; 1500 records read, 500 changed, 0 bad\n");
    assert_eq!(told.code, Some(0));
    let (_, first) = rcp.ingress.get("/v1/referral?limit=1000").await;
    let (_, second) = rcp.ingress.get("/v1/referral?limit=1000&page=2").await;
    let items = |page: &Value| page["items"].as_array().unwrap().clone();
    assert_eq!(kept(&bed).await, as_kept(&[items(&first), items(&second)].concat()));
    assert_eq!(codes(&rcp.bed).await[..30], codes(&bed).await[..]);
    assert!(put(&bed).await.iter().all(|line| line.contains(" done ")));
}

/// So many records of today at the remote, each of a code of its own.
async fn records_there(rcp: &Rcp, now: Micros, zone: &str, count: usize) {
    const COLUMNS: &[(&str, Kind)] = &[
        ("domain_id", Kind::Int),
        ("day", Kind::Text),
        ("code", Kind::Text),
        ("id", Kind::Text),
        ("clicks", Kind::Int),
        ("ctime_us", Kind::Int),
        ("mtime_us", Kind::Int),
    ];
    let day = now.day(zone.parse().unwrap()).to_string();
    let names: Vec<String> = (0..count).map(|n| format!("r{n:019}")).collect();
    let pairs: Vec<(&str, &str)> =
        names.iter().map(|code| (code.as_str(), "x@example.com")).collect();
    register(&rcp.bed, &pairs).await;
    let mut rows = Rows::new(COLUMNS);
    for (clicks, code) in names.iter().enumerate() {
        let id = uuid::Uuid::new_v4().to_string();
        let clicks = clicks as i64;
        let (day, code) = (day.as_str().into(), code.as_str().into());
        rows.push([1.into(), day, code, id.into(), clicks.into(), now.0.into(), now.0.into()]);
    }
    let tx = rcp.bed.store.begin().await.unwrap();
    tx.insert("daily_record", &rows).await.unwrap();
    tx.commit().await.unwrap();
}

/// More than one page; a code that the remote refuses does not stop the others, and is tried again.
async fn pages_of_records_and_refused_codes(bed: Arc<Bed>) {
    let now = Clock::system().now();
    let zone = noon_zone(now);
    let rcp = Rcp::start(&bed, &zone).await;
    records_there(&rcp, now, &zone, 2345).await;
    register(&rcp.bed, &[(CODE, "somebody@example.com")]).await;
    register(&bed, &[(CODE, "ann@example.com"), (OWN, "olga@example.com")]).await;

    let line = ["rcp", "sync", "--url", &rcp.url(), "--login", "root", "--timezone", &zone];
    let told = bed.operate(&line, &SECRET, "").await;
    let refused = format!("code {CODE}: refused, status 409: code: belongs to another referrer");
    assert_eq!(told.errors.lines().next(), Some(refused.as_str()));
    assert_eq!(summary(&told), "1 codes put, 1 refused; 2345 records read, 2345 changed, 0 bad");
    assert_eq!(told.code, Some(1));
    assert_eq!(kept(&bed).await.len(), 2345);
    let marks = all(&bed, "SELECT state, status, detail FROM remote_code ORDER BY code").await;
    let shown: Vec<_> = marks
        .iter()
        .map(|r| {
            (r.text("state").unwrap(), r.int("status").unwrap(), r.text_or_null("detail").unwrap())
        })
        .collect();
    let detail = Some("code: belongs to another referrer".to_owned());
    assert_eq!(shown, [("done".to_owned(), 201, None), ("refused".to_owned(), 409, detail)]);

    // The other owner gives the code up.
    let gone = "DELETE FROM code WHERE code = {?}";
    rcp.bed.store.run(gone, None, vec![CODE.into()]).await.unwrap();
    let told = bed.operate(&line, &SECRET, "").await;
    assert_eq!(told.errors, "1 codes put, 0 refused; 2345 records read, 0 changed, 0 bad\n");
    assert_eq!(told.code, Some(0));
    assert!(put(&bed).await.iter().all(|line| line.contains(" done ")));
}
