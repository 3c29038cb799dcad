//! The publishers of `docs/examples/`, run as they stand (docs/publishing.md): what they publish counts once,
//! although they are run twice, and the broker is away when they begin.
use std::{fmt::Write as _, path::Path, process::Stdio, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
};

use crate::{
    harness::{Bed, Database, Tenant, bed, environment, program::free_address, state},
    model::{
        cases::code,
        fact::{Fact, Signup, click, payment, signup},
        outcome,
    },
    settings::relay,
};

/// Clicks of one message of the example in Python, and then some.
const CLICKS: usize = 520;

#[test]
fn the_publisher_in_python_is_confirmed_once_the_broker_is_there() {
    let script = example("publisher.py");
    let python = environment::python();
    bed::run(Database::Sqlite, |bed| twice(bed, python.display().to_string(), script, true));
}

#[test]
fn the_publisher_in_node_is_confirmed_once_the_broker_is_there() {
    // Beside its library, as after `npm install amqplib`.
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("publisher.mjs");
    std::fs::copy(example("publisher.mjs"), &script).unwrap();
    let modules = directory.path().join("node_modules");
    std::os::unix::fs::symlink(environment::node_modules(), modules).unwrap();
    let script = script.display().to_string();
    bed::run(Database::Sqlite, |bed| twice(bed, "node".to_owned(), script, true));
}

/// It knows no confirms, and does not wait for a broker.
#[test]
fn the_publisher_in_shell_publishes() {
    bed::run(Database::Sqlite, |bed| twice(bed, "sh".to_owned(), example("publisher.sh"), false));
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(name);
    path.display().to_string()
}

async fn twice(bed: Arc<Bed>, program: String, script: String, waits: bool) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let programs = bed.start_workers(1, &[]).await;
    let facts = facts(&tenant, if waits { CLICKS } else { 5 });
    let mut lines = String::new();
    for fact in &facts {
        writeln!(lines, "{}", fact.event(&tenant.name)).unwrap();
    }

    let real = bed.amqp_url.clone();
    if waits {
        let (address, server) = (free_address(), host(&real));
        let away = real.replace(&server, &address);
        publish(&program, &script, &away, &lines, Some((address, server))).await;
    } else {
        publish(&program, &script, &real, &lines, None).await;
    }
    publish(&program, &script, &real, &lines, None).await;
    bed.drain(programs).await;
    state::expect_now(&bed, &tenant, &outcome(&tenant.world, &facts)).await;
    for queue in ["referral.daily-records.dead", "referral.credits.dead", "referral.unrouted"] {
        assert!(bed.broker.is_empty(queue).await, "{queue}");
    }
}

/// In this order, so that nothing known comes first.
fn facts(tenant: &Tenant, clicks: usize) -> Vec<Fact> {
    let link = code(&tenant.world, 0);
    let referred = Signup { user_indicator: Some("alice".to_owned()), ..Signup::default() };
    let mut facts = vec![payment("bob", 2500), signup("bob", referred)];
    facts.extend((0..clicks).map(|_| click(&link)));
    facts.push(signup("alice", Signup::default()));
    facts
}

fn host(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

/// Runs it to its end. `away`: an address at which nobody listens until it has complained, and then the
/// broker does.
async fn publish(
    program: &str,
    script: &str,
    url: &str,
    lines: &str,
    away: Option<(String, String)>,
) {
    let mut command = Command::new(program);
    command.arg(script).env("AMQP_URL", url).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).await.unwrap();
    drop(stdin);
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut relaying = None;
    if let Some((address, server)) = away {
        let mut line = String::new();
        errors.read_line(&mut line).await.unwrap();
        assert!(line.starts_with("again in a second: "), "{line}");
        relaying = Some(tokio::spawn(relay(address, server)));
    }
    let mut said = String::new();
    let (output, read) = tokio::join!(child.wait_with_output(), errors.read_to_string(&mut said));
    read.unwrap();
    let output = output.unwrap();
    assert!(output.status.success(), "{script}: {said}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(["all confirmed", "all sent"].contains(&told.trim()), "{told}{said}");
    if let Some(relaying) = relaying {
        relaying.abort();
    }
}
