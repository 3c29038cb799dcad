//! Contract 4: "`add_payout` (`method_id`, `account`): takes the whole balance, at least `min_payout`,
//! once", however many ask at once, of however many processes, whatever is paid meanwhile.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Bed, PATIENCE, Program, eventually, on_every_database},
    model::fact::payment,
    partner::{call, data, house, key, publish, referred},
};

on_every_database!(a_hundred_at_once_pay_once_and_never_more_than_is_due_while_payments_arrive);

/// How many ask at a time.
const ASKING: usize = 100;
/// Rounds of asking while payments arrive.
const ROUNDS: usize = 4;
/// Referred users.
const USERS: [&str; 5] = ["bob", "carol", "dave", "erin", "frank"];
const ADD: &str = "add_payout&method_id=1&account=U1";

/// Asks from all processes at once; the payouts that came of it.
async fn ask_all(ingresses: &[&Program], key: &str) -> Vec<Value> {
    let asking = (0..ASKING).map(|n| async move {
        loop {
            match call(ingresses[n % ingresses.len()], key, ADD).await {
                (200, answer) => return answer,
                // Safe to repeat.
                (503, _) => tokio::time::sleep(Duration::from_millis(50)).await,
                other => panic!("{other:?}"),
            }
        }
    });
    let answers = join_all(asking).await;
    let (paid, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer["error"] == json!(0));
    for answer in refused {
        let told = (&answer["error"], &answer["error_text"]);
        assert_eq!(told, (&json!(4), &json!("balance: nothing is due")));
    }
    let items =
        paid.iter().flat_map(|answer| answer["data"]["items"].as_object().unwrap().values());
    items.cloned().collect()
}

/// Minor units: rewards, and payouts that are not cancelled, all of one moment.
async fn sums(bed: &Bed) -> (i64, i64) {
    const BOTH: &str = "SELECT {as int COALESCE(SUM(s.reward), 0)} AS reward, \
        {as int COALESCE(SUM(s.payout), 0)} AS payout FROM (\
        SELECT SUM(reward_minor) AS reward, 0 AS payout FROM payment UNION ALL \
        SELECT 0 AS reward, SUM(amount_minor) AS payout FROM payout WHERE status <> 2) s";
    let row = bed.store.one(BOTH, Vec::new()).await.unwrap().unwrap();
    (row.int("reward").unwrap(), row.int("payout").unwrap())
}

async fn a_hundred_at_once_pay_once_and_never_more_than_is_due_while_payments_arrive(
    bed: Arc<Bed>,
) {
    let (ingress, workers) = house(&bed).await;
    let second = bed.start("ingress").await;
    let ingresses = [&ingress.program, &second];
    bed.referral(&["payout", "method", "add", "Bank", "--domain", "default"], "").await;
    let key = key(&bed).await;
    publish(&bed, &referred(&USERS)).await;
    publish(&bed, &[payment("bob", 4000), payment("carol", 60)]).await;
    let both = format!("{:?}", (102, 0));
    eventually(&both, PATIENCE, async || match sums(&bed).await {
        (102, 0) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    // Nothing arrives: one of them gets all of it.
    let paid = ask_all(&ingresses, &key).await;
    let amounts: Vec<&Value> = paid.iter().map(|payout| &payout["amount"]).collect();
    assert_eq!(amounts, [&json!(1.02)]);
    assert_eq!(sums(&bed).await, (102, 102));

    // Payments arrive, and a payout is cancelled, while all ask again and again.
    let over = AtomicBool::new(false);
    let looking = async {
        let mut looks = 0;
        while !over.load(Relaxed) {
            let (rewards, payouts) = sums(&bed).await;
            assert!(payouts <= rewards, "{payouts} of {rewards} at look {looks}");
            looks += 1;
        }
        looks
    };
    let asking = async {
        for round in 0..ROUNDS {
            let paying = async {
                for _ in 0..10 {
                    publish(&bed, &USERS.map(|user| payment(user, 1000))).await;
                }
            };
            let (_, ()) = tokio::join!(ask_all(&ingresses, &key), paying);
            if round == 0 {
                assert_eq!(bed.referral(&["payout", "cancel", "1"], "").await, "");
            }
        }
        over.store(true, Relaxed);
    };
    let (looks, ()) = tokio::join!(looking, asking);
    assert!(looks > 5, "{looks} looks");
    bed.drain(workers).await;

    // Everything that was accrued is paid out in the end, to the cent, and no more.
    let accrued = 102 + (ROUNDS * 10 * USERS.len()) as i64 * 25;
    let due = sums(&bed).await;
    assert_eq!(due.0, accrued);
    let last = ask_all(&ingresses, &key).await;
    assert_eq!(last.len(), usize::from(due.1 < accrued), "{last:?}");
    assert_eq!(sums(&bed).await, (accrued, accrued));
    let info = data(&second, &key, "get_info").await;
    assert_eq!((&info["balance"], &info["totalReceived"]), (&json!(0.0), &json!(0.0)));
}
