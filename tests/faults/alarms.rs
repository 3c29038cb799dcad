//! The broker has no memory or no disk left and takes nothing more (fault 8): events are refused and never
//! said to be kept, clicks go on, the workers go on; afterwards everything that was answered counts.
use std::sync::Arc;

use reqwest::Method;
use serde_json::json;

use crate::{
    harness::{
        Bed, Database, Ingress, PATIENCE, bed::run_on, eventually, messages::single,
        services::Services,
    },
    model::fact::{Signup, click, signup},
};

const CODE: &str = "b4b9e071006f409d8e6d";
const MEMORY: [[&str; 2]; 2] =
    [["set_vm_memory_high_watermark", "0"], ["set_vm_memory_high_watermark", "0.6"]];
const DISK: [[&str; 2]; 2] =
    [["set_disk_free_limit", "1000000000000000"], ["set_disk_free_limit", "50000000"]];
/// Clicks while the alarm lasts, and as many that lie there when it begins.
const CLICKS: usize = 200;

#[test]
fn while_the_broker_has_no_memory_or_disk_events_are_refused_and_clicks_go_on() {
    let services = Services::up(Database::Sqlite);
    let test = async |bed: Arc<Bed>| {
        let plan = bed.plan("ingress").set("PUBLISH_TIMEOUT", "2s").set("CLICK_CONFIRM", "200ms");
        let ingress = Ingress::of(&bed, bed.start_planned(plan).await).await;
        let programme = json!({"name": "Default", "credit_value": 10, "target_value": 25});
        assert_eq!(ingress.post("/program/", programme).await.0, 201);
        let path = format!("/v1/referral/{CODE}");
        assert_eq!(ingress.put(&path, json!({"email": "a@example.com"})).await.0, 201);
        let mut workers = bed.start_workers(1, &[]).await;
        bed.publish(vec![single(&signup("alice", Signup::default()), "default")]).await;
        eventually("Alice is known", PATIENCE, async || {
            match ingress.get("/statement/alice/").await {
                (200, _) => Ok(()),
                (status, answer) => Err(format!("{status} {answer}")),
            }
        })
        .await;
        let mut expected = 0;
        for (number, [alarm, over]) in [MEMORY, DISK].into_iter().enumerate() {
            workers[0].stop().await;
            bed.publish((0..CLICKS).map(|_| single(&click(CODE), "default")).collect()).await;
            services.control(&alarm).await;
            // A connection is stopped by what it publishes into the alarm: the first may still pass.
            let user = format!("user-{number}");
            eventually("an event is refused", PATIENCE, async || {
                match register(&ingress, &user).await {
                    503 => Ok(()),
                    status => Err(format!("{status}")),
                }
            })
            .await;
            for _ in 0..CLICKS {
                let link = format!("/ref/{CODE}/");
                let request = ingress.request(Method::GET, &link, None);
                assert_eq!(request.send().await.unwrap().status(), 302, "{alarm:?}");
            }
            assert!(ingress.spooled().await.unwrap() > 0, "{alarm:?}");
            expected += CLICKS as i64;
            // The worker is given what lies there, and its acknowledgements are taken.
            workers[0].start_again();
            workers[0].ready().await;
            counted(&bed, expected).await;
            done(&bed).await;
            assert_eq!(register(&ingress, &user).await, 503, "{alarm:?}: it still lasts");
            services.control(&over).await;
            eventually("events are taken again", PATIENCE, async || {
                match register(&ingress, &user).await {
                    200..=299 => Ok(()),
                    status => Err(format!("{status}")),
                }
            })
            .await;
            expected += CLICKS as i64;
            counted(&bed, expected).await;
        }
        ingress.spool_is_empty(PATIENCE).await;
        bed.drain(workers).await;
        assert_eq!(number(&bed, "click").await, expected);
        assert_eq!(number(&bed, "account").await, 3, "Alice, and who was registered in the end");
    };
    run_on(Database::Sqlite, || services.servers(), test);
}

/// The status of an answer, which there always is.
async fn register(ingress: &Ingress, user: &str) -> u16 {
    let body = json!({"user_indicator": "alice", "user_indicated": user});
    ingress.post("/register/", body).await.0
}

async fn number(bed: &Bed, table: &str) -> i64 {
    let row = bed.store.one(&format!("SELECT COUNT(*) AS n FROM {table}"), Vec::new()).await;
    row.unwrap().unwrap().int("n").unwrap()
}

async fn counted(bed: &Bed, clicks: i64) {
    eventually("all clicks count", PATIENCE, async || match number(bed, "click").await {
        n if n == clicks => Ok(()),
        n => Err(format!("{n} of {clicks}")),
    })
    .await;
}

/// Waits until nothing is left in the queue, taken and unacknowledged ones included.
async fn done(bed: &Bed) {
    eventually("all is acknowledged", PATIENCE, async || {
        match bed.broker.counted("referral.daily-records").await? {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    })
    .await;
}
