//! The README's tours with curl, run as they stand: only the address is another.
use std::{process::Stdio, sync::Arc};

use tokio::process::Command;

use crate::harness::{Bed, Database, bed, environment};

const ADDRESS: &str = "http://127.0.0.1:8080";
const TOURS: [&str; 4] = [
    "## Tour for referral systems",
    "## Tour for referral programmes",
    "## Tour for exchange partners",
    "## Tour for partners who register sites",
];

/// The shell blocks below a heading.
fn shell(readme: &str, heading: &str) -> String {
    let (_, section) = readme.split_once(heading).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.collect()
}

#[test]
fn the_tours_with_curl_work_as_they_stand() {
    bed::run(Database::Sqlite, tours);
}

async fn tours(bed: Arc<Bed>) {
    let settings = bed.plan("ingress").set("REPLY_TIMEOUT", "60s").set("PUBLISH_TIMEOUT", "60s");
    let ingress = bed.start_planned(settings).await;
    let _workers = bed.start_workers(1, &[]).await;
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let tours: String = TOURS.map(|heading| shell(&readme, heading)).concat();
    assert!(tours.matches("curl ").count() > 10, "{tours}");
    let tours = tours.replace(ADDRESS, ingress.url("").trim_end_matches('/'));
    // A refusal fails, and what was answered is seen.
    let script = format!(
        "set -euo pipefail\ncurl() {{ command curl --silent --show-error --fail-with-body \"$@\"; echo; }}\n{tours}"
    );
    let programs = environment::program("referral");
    let path = format!("{}:/usr/bin:/bin", programs.parent().unwrap().display());
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).env_clear().env("PATH", path).kill_on_drop(true);
    bash.env("AMQP_URL", &bed.amqp_url).env("DATABASE_URL", &bed.database_url);
    let told = bash.stdin(Stdio::null()).output().await.unwrap();
    let output = String::from_utf8_lossy(&told.stdout);
    let errors = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{output}\n{errors}");
    assert!(!output.contains(r#""errors""#), "{output}");
    for answer in [
        r#""code":"b4b9e071006f409d8e6d","emails":[],"clicks":0"#,
        "You were invited",
        "Thank you",
        r#""name":"Default","credit_value":10.0,"target_value":25.0"#,
        r#""is_generates_even":true"#,
        r#"{"acquired_credit":25.0}"#,
        r#"{"potencial_credit":25.0,"#,
        r#""acquired_credit":25.0,"signup_credit":0.0,"reward":0.0,"currency":"USD""#,
        "<from>PMUSD</from><to>BTC</to><in>65000.5</in><out>1</out><amount>12345678901.5</amount>",
        "<in>0.00000001</in>",
        r#""items":{"1":{"id":1,"title":"PerfectMoney USD","commission":0.5}}"#,
        r#"{"result":{"host":"flowers.example.com","login":"fay@example.com"}}"#,
        r#"{"result":{"business":[{"id":2,"name":"Business","goods":[{"29":{"#,
        r#"{"result":true}"#,
        r#"{"saved_emails":["dave@example.com","erin@example.com"]}"#,
        r#"{"emails":{"dave@example.com":"alice","frank@example.com":false}}"#,
    ] {
        assert!(output.contains(answer), "no {answer} in\n{output}\n{errors}");
    }
}
