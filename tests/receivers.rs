//! The receivers of `docs/examples/`, run against the real sender: each credit is charged once, although
//! every call comes twice and the receiver is killed in between (docs/billing.md).
use std::{path::Path, process::Stdio, sync::Arc};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    deliveries::{all_are, house, refer},
    harness::{Bed, Database, bed, environment, http, program::free_address},
};

/// What the receiver knows; the sender signs with a newer one too.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEWER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const USERS: usize = 5;

fn example(name: &str) -> String {
    format!("{}/docs/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_receiver_in_python_charges_each_credit_once() {
    charges_each_credit_once("python3", vec![example("receiver.py")]);
}

#[test]
fn the_receiver_in_node_charges_each_credit_once() {
    charges_each_credit_once("node", vec![example("receiver.mjs")]);
}

#[test]
fn the_receiver_in_rust_charges_each_credit_once() {
    let program = environment::program("examples/receiver");
    charges_each_credit_once(program.to_str().unwrap(), Vec::new());
}

fn charges_each_credit_once(program: &str, arguments: Vec<String>) {
    let program = program.to_owned();
    bed::run(Database::Sqlite, |bed| twice(bed, program, arguments));
}

async fn start(program: &str, arguments: &[String], address: &str, ledger: &Path) -> Child {
    let (_, port) = address.rsplit_once(':').unwrap();
    let mut command = Command::new(program);
    command.args(arguments).env("WEBHOOK_SECRETS", SECRET).env("LEDGER", ledger).env("PORT", port);
    command.stdout(Stdio::piped()).kill_on_drop(true);
    let mut receiver = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines();
    let told = lines.next_line().await.unwrap().unwrap_or_default();
    assert_eq!(told, format!("listening at http://{address}"));
    receiver
}

/// What was charged: `webhook-id` and amount, a line each.
fn charged(ledger: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(ledger).unwrap();
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("webhook_id"), text("amount"))
    };
    text.lines().map(read).collect()
}

async fn twice(bed: Arc<Bed>, program: String, arguments: Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, address) = (directory.path().join("ledger.jsonl"), free_address());
    let mut receiver = start(&program, &arguments, &address, &ledger).await;
    let (ingress, _workers) = house(&bed).await;
    let billing = bed
        .plan("billing")
        .set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &format!("http://{address}/credits/%s"))
        .set("WEBHOOK_SECRETS", &format!("{NEWER},{SECRET}"));
    let _billing = bed.start_planned(billing).await;
    for n in 0..USERS {
        refer(&ingress, &format!("user-{n}")).await;
    }
    all_are(&ingress, USERS, "delivered", 1).await;

    // A forged call, and a body that was changed on the way.
    for signature in ["v1,AAAA", "", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="] {
        let forged = http::client().post(format!("http://{address}/credits/mallory"));
        let forged = forged.header("webhook-id", "forged").header("webhook-signature", signature);
        let forged = forged.header("webhook-timestamp", "1614265330").body("amount=1000000.00");
        assert_eq!(forged.send().await.unwrap().status(), 401, "{signature}");
    }

    // Everything once more, as after a crash before the outcome was stored, to a receiver that was killed.
    receiver.kill().await.unwrap();
    let _receiver = start(&program, &arguments, &address, &ledger).await;
    const AGAIN: &str = "UPDATE delivery SET state = 'pending', delivered_us = NULL, \
        next_attempt_us = 0, first_attempt_us = NULL";
    bed.store.run(AGAIN, None, Vec::new()).await.unwrap();
    let page = all_are(&ingress, USERS, "delivered", 2).await;

    let mut charged = charged(&ledger);
    charged.sort();
    let deliveries = page["items"].as_array().unwrap().iter();
    let mut granted: Vec<(String, String)> = deliveries
        .map(|item| [&item["id"], &item["amount"]].map(|text| text.as_str().unwrap().to_owned()))
        .map(|[id, amount]| (id, amount))
        .collect();
    granted.sort();
    assert_eq!(charged, granted, "each once, and nothing else");
}
