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
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    harness::{Bed, PATIENCE, Program, Tenant, eventually, messages::single, on_every_database},
    model::{
        fact::{decimal, payment},
        outcome,
        payouts::{Payout, Purse},
    },
    partner::{EMAIL, call, data, house, key, publish, referred},
};

on_every_database!(
    a_hundred_at_once_pay_once_and_never_more_than_is_due_while_payments_arrive,
    any_course_of_payments_and_payouts_is_the_models,
);

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

/// What happens to a partner's account.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A referred user pays so much.
    Paid(i64),
    /// The partner asks for the balance, of which the domain pays out at least so much.
    Asked(i64),
    /// The operator says what became of the payout with this number.
    Closed(usize, Payout),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let became = prop_oneof![Just(Payout::Done), Just(Payout::Cancelled)];
    vec(
        prop_oneof![
            4 => (1..100_000_i64).prop_map(Step::Paid),
            3 => prop_oneof![Just(1), 1..3000_i64].prop_map(Step::Asked),
            3 => (0..4_usize, became).prop_map(|(number, became)| Step::Closed(number, became)),
        ],
        12,
    )
}

/// The account after each step is the model's: balance, what was received, what was taken.
async fn any_course_of_payments_and_payouts_is_the_models(bed: Arc<Bed>) {
    const COURSES: usize = 3;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let workers = bed.start_workers(1, &[]).await;
    let ingress = bed.start("ingress").await;
    for _ in 0..COURSES {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        goes(&bed, &ingress, &steps).await;
    }
    bed.drain(workers).await;
}

async fn goes(bed: &Bed, ingress: &Program, steps: &[Step]) {
    let mut tenant = Tenant::create(bed, "UTC").await;
    tenant.rewarding_programme(bed, "Default", 0, 2500, 333_333).await;
    let domain = tenant.name.clone();
    let method = ["payout", "method", "add", "Bank", "--domain", &domain];
    let add = format!("add_payout&account=U1&method_id={}", bed.referral(&method, "").await);
    let key = bed.referral(&["partner", "key", "--email", EMAIL, "--domain", &domain], "").await;
    let mut facts = referred(&["bob"]);
    bed.publish(facts.iter().map(|fact| single(fact, &domain)).collect()).await;
    let (mut purse, mut accrued, mut ids) = (Purse::default(), 0, Vec::new());
    for step in steps {
        match *step {
            Step::Paid(minor) => {
                let fact = payment("bob", minor);
                bed.publish(vec![single(&fact, &domain)]).await;
                facts.push(fact);
                let now = outcome(&tenant.world, &facts).rewards("alice");
                purse.accrue(now - accrued);
                accrued = now;
            }
            Step::Asked(min) => {
                let min_payout = ["domain", "set", &domain, "--min-payout", &decimal(min)];
                bed.referral(&min_payout, "").await;
                let answer = call(ingress, &key, &add).await.1;
                let taken =
                    answer["data"]["items"].as_object().and_then(|items| items.iter().next());
                let taken = taken.map(|(id, payout)| (id.clone(), minor(&payout["amount"])));
                assert_eq!(taken.as_ref().map(|(_, amount)| *amount), purse.ask(min), "{answer}");
                ids.extend(taken.map(|(id, _)| id));
            }
            Step::Closed(number, became) => {
                let word = if became == Payout::Done { "done" } else { "cancel" };
                let id = ids.get(number).map_or("987654321", String::as_str);
                let told = bed.operate(&["payout", word, id], &[], "").await;
                assert_eq!(told.code == Some(0), purse.close(number, became), "{}", told.errors);
            }
        }
        let expected = (purse.balance(), purse.received());
        eventually(&format!("{expected:?} after {step:?} of {steps:?}"), PATIENCE, async || {
            let (_, answer) = call(ingress, &key, "get_info").await;
            let info = &answer["data"];
            match (minor(&info["balance"]), minor(&info["totalReceived"])) {
                found if found == expected => Ok(()),
                found => Err(format!("{found:?} {answer}")),
            }
        })
        .await;
    }
}

fn minor(amount: &Value) -> i64 {
    (amount.as_f64().unwrap_or(-1.0) * 100.0).round() as i64
}
