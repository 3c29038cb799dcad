//! What `/metrics` says: every family is documented, every documented family is there, and after a known
//! run the numbers are the run's (docs/operations.md, "Metrics").
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use referral::broker::Outgoing;

use crate::{
    harness::{
        Bed, Database, Ingress, PATIENCE, Program, Receiver, Tenant,
        bed::run,
        eventually, http,
        messages::{SINGLE, batch, single},
        metrics::{Family, Reading},
        on_every_database,
    },
    model::{
        cases::code,
        fact::{Fact, Signup, click, payment, signup},
        world::RegisteredCode,
    },
};

const PROGRAMS: [&str; 5] = ["ingress", "daily-records", "credits", "billing", "mail"];

on_every_database!(after_a_known_run_the_numbers_are_the_runs);

/// The table's rows of one program.
pub fn documented(program: &str) -> BTreeMap<String, Family> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `referral_"));
    let rows = rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, programs, meaning] = cells[..] else { panic!("{line}") };
        assert!(!meaning.is_empty(), "{line}");
        let words = |cell: &str| -> BTreeSet<String> {
            let words = cell.split(',').map(|word| word.trim().trim_matches('`').to_owned());
            words.filter(|word| !word.is_empty()).collect()
        };
        let family = Family { kind: kind.to_owned(), labels: words(labels) };
        (name.trim_matches('`').to_owned(), family, words(programs))
    });
    let group = match program {
        "daily-records" | "credits" => "workers",
        "billing" | "mail" => "outboxes",
        _ => program,
    };
    let own = |programs: &BTreeSet<String>| {
        ["all", program, group].iter().any(|name| programs.contains(*name))
    };
    let own = rows.filter(|(_, _, programs)| own(programs));
    own.map(|(name, family, _)| (name, family)).collect()
}

#[test]
fn every_family_is_documented_and_every_documented_one_is_there() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        for name in PROGRAMS {
            let program = bed.start(name).await;
            if name == "ingress" {
                let answer = http::client().get(program.url("/v1/openapi.json")).send().await;
                assert_eq!(answer.unwrap().status(), 200);
            }
            let documented = documented(name);
            assert!(documented.len() > 10, "{name}: {documented:?}");
            // What is asked of the broker and the database comes a moment later.
            eventually(&format!("{name} shows what is documented"), PATIENCE, async || {
                let shown = Reading::of(&program).await?.families;
                for (family, shown) in &shown {
                    match documented.get(family) {
                        None => return Err(format!("{family} is not documented")),
                        Some(row) if row != shown => {
                            return Err(format!("{family}: {row:?}, but {shown:?}"));
                        }
                        Some(_) => {}
                    }
                }
                match documented.keys().find(|family| !shown.contains_key(*family)) {
                    Some(family) => Err(format!("{family} is documented and not there")),
                    None => Ok(()),
                }
            })
            .await;
        }
    });
}

/// Waits until a program shows these values.
async fn shows(program: &Program, expected: &[(&str, f64)]) {
    eventually(&format!("the numbers of {}", program.name()), PATIENCE, async || {
        let reading = Reading::of(program).await?;
        for (series, value) in expected {
            let shown = reading.value(series);
            if shown != Some(*value) {
                return Err(format!("{series} is {shown:?}, not {value}"));
            }
        }
        Ok(())
    })
    .await;
}

/// So many clicks, some twice, some bad; signups and payments the same way; deliveries that arrive or
/// not; requests of several kinds.
async fn after_a_known_run_the_numbers_are_the_runs(bed: Arc<Bed>) {
    const CLICKS: usize = 30;
    let receiver = Receiver::start().await;
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let link = code(&tenant.world, 0);
    let daily = bed.start("daily-records").await;
    let credits = bed.start("credits").await;
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;

    let clicks: Vec<Fact> = (0..CLICKS).map(|_| click(&link)).collect();
    let all: Vec<&Fact> = clicks.iter().collect();
    // In one message, each once more by itself, one of them a third time; two bad ones.
    let mut messages = vec![batch(&all, &tenant.name)];
    messages.extend(clicks.iter().map(|fact| single(fact, &tenant.name)));
    messages.push(single(&clicks[0], &tenant.name));
    messages.push(Outgoing::event("click", SINGLE, "no JSON"));
    messages.push(single(&click("short"), &tenant.name));
    // Bob referred by Alice pays enough; each twice. A payment of nothing.
    let referred = Signup { user_indicator: Some("alice".to_owned()), ..Signup::default() };
    let facts = [signup("alice", Signup::default()), signup("bob", referred), payment("bob", 2500)];
    for fact in facts.iter().chain(&facts) {
        messages.push(single(fact, &tenant.name));
    }
    messages.push(single(&payment("bob", 0), &tenant.name));
    bed.publish(messages).await;

    // Signups are daily-records' too, to be kept.
    let applied = CLICKS as f64 + 2.0;
    let expected = [
        (r#"referral_events_total{outcome="applied"}"#, applied),
        (r#"referral_events_total{outcome="duplicate"}"#, CLICKS as f64 + 1.0 + 2.0),
        (r#"referral_events_total{outcome="parked"}"#, 2.0),
        (r#"referral_events_total{outcome="left"}"#, 0.0),
        (r#"referral_parked_total{reason="malformed_json"}"#, 1.0),
        (r#"referral_parked_total{reason="code_invalid"}"#, 1.0),
        (r#"referral_publishes_total{result="confirmed"}"#, 2.0),
        ("referral_held_seconds", 0.0),
    ];
    shows(&daily, &expected).await;
    let expected = [
        (r#"referral_events_total{outcome="applied"}"#, 3.0),
        (r#"referral_events_total{outcome="duplicate"}"#, 3.0),
        (r#"referral_events_total{outcome="parked"}"#, 1.0),
        (r#"referral_parked_total{reason="amount_invalid"}"#, 1.0),
        (r#"referral_ready{part="database"}"#, 1.0),
        (r#"referral_ready{part="broker"}"#, 1.0),
        (r#"referral_broker_connections_total{result="lost"}"#, 0.0),
    ];
    shows(&credits, &expected).await;
    let reading = Reading::of(&daily).await.unwrap();
    let batches = reading.value("referral_transaction_seconds_count").unwrap();
    assert_eq!(reading.value("referral_batch_events_count"), Some(batches));
    let handled = reading.value("referral_batch_events_sum").unwrap();
    let repeated = 2.0 * CLICKS as f64 + 1.0 + 4.0;
    assert!((applied..=repeated).contains(&handled), "{handled} without copies in one batch");

    // The queues as the broker has them; what is parked lies there.
    let expected = [
        (r#"referral_queue_messages_ready{queue="referral.daily-records.dead"}"#, 2.0),
        (r#"referral_queue_messages_ready{queue="referral.credits.dead"}"#, 1.0),
        (r#"referral_queue_messages_ready{queue="referral.credits"}"#, 0.0),
        (r#"referral_queue_consumers{queue="referral.credits"}"#, 1.0),
        // The wake-ups wait for billing.
        (r#"referral_queue_consumers{queue="referral.billing"}"#, 0.0),
    ];
    shows(&ingress.program, &expected).await;

    // Both credits are delivered, once each.
    let endpoint = receiver.endpoint();
    let plan = bed.plan("billing").set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &endpoint);
    let billing = bed.start_planned(plan).await;
    let expected = [
        (r#"referral_attempts_total{result="delivered"}"#, 2.0),
        (r#"referral_attempts_total{result="failed"}"#, 0.0),
        ("referral_attempt_seconds_count", 2.0),
        (r#"referral_outbox_items{state="pending"}"#, 0.0),
        (r#"referral_outbox_items{state="dead"}"#, 0.0),
        ("referral_outbox_in_hand", 0.0),
        ("referral_outbox_oldest_seconds", 0.0),
    ];
    shows(&billing, &expected).await;

    // Requests, by their route.
    for id in ["one", "two"] {
        assert_eq!(ingress.get(&format!("/v1/events/{id}")).await.0, 404);
    }
    let made_up = reqwest::Method::from_bytes(b"BREW").unwrap();
    ingress.request(made_up, "/no/such/path", None).send().await.unwrap();
    let requests = "referral_http_requests_total";
    let expected = [
        (format!(r#"{requests}{{route="/v1/events/{{id}}",method="GET",status="4xx"}}"#), 2.0),
        (format!(r#"{requests}{{route="/v1/auth/token",method="POST",status="2xx"}}"#), 1.0),
        (format!(r#"{requests}{{route="none",method="other",status="4xx"}}"#), 1.0),
        (r#"referral_http_request_seconds_count{route="/v1/events/{id}"}"#.to_owned(), 2.0),
        ("referral_passwords_hashed_total".to_owned(), 1.0),
    ];
    let expected: Vec<(&str, f64)> = expected.iter().map(|(s, v)| (s.as_str(), *v)).collect();
    shows(&ingress.program, &expected).await;
}

/// What waits is seen to grow old: a delivery without an endpoint, a batch without its database, clicks
/// without a broker.
#[test]
fn what_waits_is_seen_to_grow_old() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let credits = bed.start("credits").await;
        let mut tenant = Tenant::create(&bed, "UTC").await;
        tenant.programme(&bed, "Default", 1000, 2500).await;
        let referred = Signup { user_indicator: Some("alice".to_owned()), ..Signup::default() };
        let facts = [signup("alice", Signup::default()), signup("bob", referred)];
        bed.publish(facts.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
        shows(&credits, &[(r#"referral_events_total{outcome="applied"}"#, 2.0)]).await;
        // Without an endpoint nobody takes it.
        let billing = bed.start("billing").await;
        shows(&billing, &[(r#"referral_outbox_items{state="pending"}"#, 1.0)]).await;
        grows(&billing, "referral_outbox_oldest_seconds").await;
        grows(&billing, "referral_outbox_due_seconds").await;

        // The table is away, as after a migration that went wrong.
        bed.store.run("ALTER TABLE payment RENAME TO hidden", None, Vec::new()).await.unwrap();
        bed.publish(vec![single(&payment("bob", 100), &tenant.name)]).await;
        grows(&credits, "referral_held_seconds").await;
        grows(&credits, "referral_lag_seconds").await;
        let errors = r#"referral_database_errors_total{kind="broken"}"#;
        assert!(Reading::of(&credits).await.unwrap().value(errors) > Some(0.0));
        bed.store.run("ALTER TABLE hidden RENAME TO payment", None, Vec::new()).await.unwrap();
        shows(&credits, &[(r#"referral_events_total{outcome="applied"}"#, 3.0)]).await;
        shows(&credits, &[("referral_held_seconds", 0.0), ("referral_lag_seconds", 0.0)]).await;

        let nobody = format!("amqp://guest:guest@{}/%2f", crate::harness::program::free_address());
        let plan = bed.plan("ingress").set("AMQP_URL", &nobody);
        let ingress = bed.spawn(plan);
        let link = code(&tenant.world, 0);
        let email = "alice@example.com".to_owned();
        tenant.register(&bed, RegisteredCode { code: link.clone(), email, program_id: None }).await;
        let visit = ingress.url(&format!("/register?ref_code={link}"));
        eventually("a click is taken", PATIENCE, async || {
            let answer = http::client().get(&visit).send().await.map_err(|e| e.to_string())?;
            if answer.status().is_server_error() {
                Err(answer.status().to_string())
            } else {
                Ok(())
            }
        })
        .await;
        grows(&ingress, "referral_spool_oldest_seconds").await;
        let reading = Reading::of(&ingress).await.unwrap();
        let failed = r#"referral_broker_connections_total{result="failed"}"#;
        assert!(reading.value(failed) > Some(0.0));
        assert_eq!(reading.value(r#"referral_ready{part="broker"}"#), Some(0.0));
        assert!(!reading.families.contains_key("referral_queue_messages_ready"), "nobody knows");
    });
}

async fn grows(program: &Program, series: &str) {
    let mut first = None;
    eventually(&format!("{series} grows"), PATIENCE, async || {
        let now = Reading::of(program).await?.value(series).ok_or("is not there")?;
        let before = *first.get_or_insert(now);
        if before > 0.0 && now > before {
            return Ok(());
        }
        if before == 0.0 {
            first = None;
        }
        Err(format!("{before}, then {now}"))
    })
    .await;
}
