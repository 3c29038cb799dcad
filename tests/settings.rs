//! Contract 7, "Programs": help, bad settings, SIGTERM, waiting for what is not there yet, and the
//! operations address.
use std::{process::Output, sync::Arc, time::Duration};

use crate::{
    harness::{
        Bed, Database, PATIENCE, Plan, Program, Tenant, bed::run, eventually, messages::single,
        on_every_database, program::free_address, state,
    },
    model::{cases::code, fact::click, outcome},
};

const PROGRAMS: [&str; 5] = ["daily-records", "credits", "billing", "mail", "ingress"];

on_every_database!(
    eight_programs_start_on_an_empty_database_at_once,
    sigterm_under_load_finishes_what_is_held_and_exits_0,
);

/// "`--help` lists them with defaults".
#[test]
fn help_lists_the_settings_with_their_defaults() {
    for program in PROGRAMS {
        let output = output(&Plan::new(program, std::env::temp_dir()).argument("--help"));
        assert_eq!(output.status.code(), Some(0), "{program}");
        let text = String::from_utf8(output.stdout).unwrap();
        for (name, default) in [
            ("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f"),
            ("DATABASE_URL", "sqlite://referral.db?mode=rwc"),
            ("SHUTDOWN_GRACE", "25s"),
        ] {
            assert!(text.contains(name) && text.contains(default), "{program}: {name} in {text}");
        }
    }
}

/// "A bad setting ends the start with one line that names it and exit 2"; secrets "never appear in
/// logs, errors".
#[test]
fn a_bad_setting_is_one_line_that_names_it_and_exit_2() {
    let cases = [
        ("daily-records", "BATCH_MAX", "many"),
        ("credits", "SWEEP_EVERY", "1h"),
        ("billing", "BILLING_TIMEOUT", "15"),
        ("billing", "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", "ftp://example.com"),
        ("mail", "MAIL_CONCURRENCY", "0"),
        ("mail", "MAIL_FROM", "nobody"),
        ("mail", "SMTP_URL", "smtp://user:canary@host?tls=maybe"),
        ("mail", "SMTP_URL_FILE", "/no/such/file"),
        ("ingress", "RATE_LIMIT", "maybe"),
        ("ingress", "LISTEN_ADDR", "here"),
        ("daily-records", "DATABASE_URL", "oracle://canary@host"),
        ("credits", "AMQP_URL", "http://user:canary@host"),
        ("billing", "OPS_ADDR", "9090"),
        ("ingress", "LOG_FORMAT", "xml"),
        ("credits", "AMQP_URL_FILE", "/no/such/file"),
        ("ingress", "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("mail", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:canary@collector:4318"),
    ];
    for (program, name, value) in cases {
        let output = output(&Plan::new(program, std::env::temp_dir()).set(name, value));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{program} {name}: {errors}");
        let lines: Vec<&str> = errors.lines().collect();
        assert!(lines.len() == 1 && lines[0].contains(name), "{program} {name}: {errors}");
        assert!(!errors.contains("canary"), "{program} {name}: {errors}");
    }
}

/// "Wrong use" of a program is exit 2 as well.
#[test]
fn an_unknown_argument_is_wrong_use() {
    for program in PROGRAMS {
        let output = output(&Plan::new(program, std::env::temp_dir()).argument("--no-such-thing"));
        assert_eq!(output.status.code(), Some(2), "{program}");
    }
}

/// "It waits for a broker or database that is not there yet"; `/live` and `/ready` say so.
#[test]
fn a_program_waits_for_a_broker_that_is_not_there() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let nobody = format!("amqp://guest:guest@{}/%2f", free_address());
        let programs: Vec<Program> = PROGRAMS
            .iter()
            .map(|name| bed.spawn(bed.plan(name).set("AMQP_URL", &nobody)))
            .collect();
        for mut program in programs {
            waits(&program).await;
            program.stop().await;
        }
    });
}

/// The same of the database, and once it is there the program goes on by itself.
#[test]
fn a_program_waits_for_a_database_that_is_not_there() {
    run(Database::Postgres, async |bed: Arc<Bed>| {
        let address = free_address();
        let url = url::Url::parse(&bed.database_url).unwrap();
        let real = format!("127.0.0.1:{}", url.port().unwrap());
        let through = bed.database_url.replace(&real, &address);
        let programs: Vec<Program> = PROGRAMS
            .iter()
            .map(|name| bed.spawn(bed.plan(name).set("DATABASE_URL", &through)))
            .collect();
        for program in &programs {
            waits(program).await;
        }
        let relay = tokio::spawn(relay(address, real));
        for mut program in programs {
            program.ready().await;
            program.stop().await;
        }
        relay.abort();
    });
}

/// "`GET /live`, `/ready`, `/metrics` on `OPS_ADDR`".
#[test]
fn live_ready_and_metrics_answer() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        for name in PROGRAMS {
            let mut program = bed.start(name).await;
            for path in ["/live", "/ready", "/metrics"] {
                let (status, text) = program.ops(path).await.unwrap();
                assert_eq!(status, 200, "{name} {path}: {text}");
                assert!(!text.contains(&bed.amqp_url), "{name} {path} shows a secret");
            }
            let (_, metrics) = program.ops("/metrics").await.unwrap();
            assert!(metrics.ends_with("# EOF\n"), "{name}: OpenMetrics ends so");
            assert_eq!(program.ops("/other").await.unwrap().0, 404);
            program.stop().await;
        }
    });
}

/// "`referral migrate` (also run by every program at start, safely by several at once)".
async fn eight_programs_start_on_an_empty_database_at_once(bed: Arc<Bed>) {
    let url = bed.another_database().await;
    let names = PROGRAMS.iter().cycle().take(8);
    let mut programs: Vec<Program> =
        names.map(|name| bed.spawn(bed.plan(name).set("DATABASE_URL", &url))).collect();
    for program in &programs {
        program.ready().await;
    }
    for program in &mut programs {
        program.stop().await;
    }
    bed.remove_other_database().await;
}

/// "SIGTERM stops taking work, finishes what it holds within `SHUTDOWN_GRACE` …, exits 0".
async fn sigterm_under_load_finishes_what_is_held_and_exits_0(bed: Arc<Bed>) {
    let tenant = Tenant::create(&bed, "UTC").await;
    let link = code(&tenant.world, 0);
    let facts: Vec<_> = (0..2000).map(|_| click(&link)).collect();
    let mut worker = bed.start_planned(bed.plan("daily-records").set("BATCH_MAX", "50")).await;
    bed.publish(facts.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
    worker.stop().await;
    let before = state::read(&bed.store, tenant.world.domain_id).await.unwrap();
    worker.start_again();
    let expected = outcome(&tenant.world, &facts);
    state::expect(&bed, &tenant, &expected).await;
    bed.drain(vec![worker]).await;
    state::expect_now(&bed, &tenant, &expected).await;
    let record = before.records.values().next().map_or(0, |record| record.clicks);
    assert_eq!(record, before.clicks, "a batch was finished or not begun");
}

/// It lives, and is not ready.
async fn waits(program: &Program) {
    eventually(&format!("{} lives", program.name()), PATIENCE, async || {
        match program.ops("/live").await? {
            (200, _) => Ok(()),
            (status, text) => Err(format!("{status} {text}")),
        }
    })
    .await;
    assert_eq!(program.ops("/ready").await.unwrap().0, 503, "{}", program.name());
}

fn output(plan: &Plan) -> Output {
    let mut command = plan.command().into_std();
    // A program that takes a bad setting would run for ever.
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if std::time::Instant::now() > end {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

/// Passes every connection to `from` on to `to`.
pub async fn relay(from: String, to: String) {
    let listener = tokio::net::TcpListener::bind(from).await.unwrap();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let to = to.clone();
        tokio::spawn(async move {
            let mut far = tokio::net::TcpStream::connect(to).await.unwrap();
            // Ends when either side does; how is of no interest.
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
    }
}
