//! `deploy/rabbitmq/setup.sh`: a publisher may write to `referral.events` and nothing else, the programs get along
//! with the rights of theirs, and whoever only watches reads no message.
use std::{process::Stdio, sync::Arc};

use referral::broker::topology::{KEPT_DELIVERY_LIMIT, Role, WORK_DELIVERY_LIMIT, topology};
use tokio::process::Command;

use crate::harness::{
    Bed, Database, PATIENCE, Told, bed::run_on, environment, eventually, http, services::Services,
};

const USERS: [(&str, &str); 3] =
    [("PIPELINE", "pipeline"), ("PUBLISHER", "shop"), ("MONITOR", "watcher")];

#[test]
fn users_have_the_rights_they_need_and_no_more() {
    let services = Arc::new(Services::up(Database::Sqlite));
    let servers = services.servers();
    // They outlive the bed, which is cleared on them.
    run_on(Database::Sqlite, || servers, |bed| rights(bed, services.clone()));
}

/// Runs the script as its head says.
async fn set_up(bed: &Bed, services: &Services, password: &str) -> String {
    let mut script = Command::new("deploy/rabbitmq/setup.sh");
    script.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).kill_on_drop(true);
    script.env("VHOST", bed.name()).env("RABBITMQCTL", services.control_command());
    for (prefix, name) in USERS {
        script.env(format!("{prefix}_USER"), name);
        script.env(format!("{prefix}_PASSWORD"), format!("{password}-{name}"));
    }
    let told = Told::of(script, "").await;
    assert_eq!(told.code, Some(0), "{}{}", told.output, told.errors);
    assert!(!format!("{}{}", told.output, told.errors).contains(password));
    told.output
}

fn address(bed: &Bed, name: &str) -> String {
    bed.amqp_url.replace("guest:guest", &format!("{name}:canary-2-{name}"))
}

async fn rights(bed: Arc<Bed>, services: Arc<Services>) {
    let first = set_up(&bed, &services, "canary-1").await;
    // A second time, with other passwords.
    let again = set_up(&bed, &services, "canary-2").await;
    assert_eq!(first, again);
    assert_eq!(
        again,
        "user pipeline\nuser shop\nuser watcher\npolicy referral-work\npolicy referral-kept"
    );

    // The whole pipeline with the rights of its own user, which declares the topology like any other.
    let mut programs = Vec::new();
    for name in ["ingress", "daily-records", "credits", "billing", "mail"] {
        let plan = bed.plan(name).set("AMQP_URL", &address(&bed, "pipeline"));
        programs.push(bed.start_planned(plan).await);
    }
    let publisher = tries(&address(&bed, "shop"), &["--ask"]).await;
    assert_eq!(
        publisher,
        "publish done\npublish-referral.work 403\npublish-referral.dead 403\n\
         publish-referral.unrouted 403\npublish-amq.topic 403\npublish-default 403\n\
         declare-queue 403\ndeclare-own 403\ndeclare-exchange 403\nconsume 403\nbind 403\n\
         purge 403\ndelete 403\ndelete-exchange 403\nask created"
    );
    const CLICKS: &str = "SELECT {as int COUNT(*)} AS clicks FROM click";
    eventually("the click counts", PATIENCE, async || {
        let row = bed.store.one(CLICKS, Vec::new()).await.map_err(|error| error.to_string())?;
        let clicks = row.unwrap().int("clicks").unwrap();
        if clicks == 1 { Ok(()) } else { Err(format!("{clicks} clicks")) }
    })
    .await;
    let watcher = tries(&address(&bed, "watcher"), &[]).await;
    assert!(watcher.lines().all(|line| line.ends_with(" 403")), "{watcher}");

    // By the management interface it sees the queues, with the policies.
    let api = services.servers().api.replace("guest:guest", "watcher:canary-2-watcher");
    let url = format!("{api}/api/queues/{}", bed.name());
    let queues: serde_json::Value =
        http::client().get(url).send().await.unwrap().json().await.unwrap();
    let queues = queues.as_array().unwrap();
    assert_eq!(queues.len(), 9, "{queues:?}");
    for queue in queues {
        let name = queue["name"].as_str().unwrap();
        let is_kept = topology().queues.iter().any(|q| q.name == name && q.role == Role::Kept);
        let (policy, limit) = if is_kept {
            ("referral-kept", KEPT_DELIVERY_LIMIT)
        } else {
            ("referral-work", WORK_DELIVERY_LIMIT)
        };
        assert_eq!(queue["policy"], policy, "{name}");
        assert_eq!(queue["effective_policy_definition"]["delivery-limit"], limit, "{name}");
        assert_eq!(queue["arguments"]["x-delivery-limit"], limit, "{name}");
    }
    for mut program in programs {
        program.stop().await;
    }
}

/// What `tests/clients/rights.py` may do at this address.
async fn tries(address: &str, more: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/rights.py");
    let mut python = Command::new(environment::python());
    python.arg(script).arg(address).args(more).kill_on_drop(true);
    let told = Told::of(python, "").await;
    assert_eq!(told.code, Some(0), "{}{}", told.output, told.errors);
    told.output
}
