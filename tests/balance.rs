//! Contract 5, the last of the credit rules: "For every programme and currency: Σ billing calls
//! delivered + pending + dead = Σ signup_credit + Σ acquired_credit, at any moment."
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::{
    harness::{Bed, PATIENCE, Receiver, Tenant, eventually, messages::single, on_every_database},
    model::fact::{Fact, Signup, payment, signup},
};

on_every_database!(what_billing_owes_is_what_was_credited_at_any_moment);

/// How many each referrer refers.
const REFERRED: usize = 12;

/// Minor units by (domain, programme, currency).
type Sums = BTreeMap<(i64, i64, String), i64>;

/// Credited and owed, in one statement, so that both are of one moment.
async fn sums(bed: &Bed) -> [Sums; 2] {
    const BOTH: &str = "SELECT {as int 0} AS side, domain_id, program_id, currency, \
        {as int SUM(amount_minor)} AS amount FROM entry \
        WHERE kind IN ('signup_credit', 'acquired_credit') GROUP BY domain_id, program_id, currency \
        UNION ALL SELECT {as int 1} AS side, domain_id, program_id, currency, \
        {as int SUM(amount_minor)} AS amount FROM delivery \
        WHERE state IN ('delivered', 'pending', 'dead') GROUP BY domain_id, program_id, currency";
    let mut sums = [Sums::new(), Sums::new()];
    for row in bed.store.all(BOTH, None, Vec::new()).await.unwrap() {
        let currency = row.text("currency").unwrap();
        let key = (row.int("domain_id").unwrap(), row.int("program_id").unwrap(), currency);
        let side = usize::from(row.int("side").unwrap() == 1);
        sums[side].insert(key, row.int("amount").unwrap());
    }
    sums
}

/// Everybody signs up and pays while billing delivers some, refuses others for good, and keeps
/// others waiting; the books are looked at all the time.
async fn what_billing_owes_is_what_was_credited_at_any_moment(bed: Arc<Bed>) {
    let mut tenants = Vec::new();
    for currency in ["USD", "EUR"] {
        let mut tenant = Tenant::create(&bed, "UTC").await;
        const CURRENCY: &str = "UPDATE domain SET currency = {?} WHERE id = {?}";
        let values = vec![currency.into(), tenant.world.domain_id.into()];
        bed.store.run(CURRENCY, None, values).await.unwrap();
        tenant.programme(&bed, "One", 1000, 2500).await;
        tenant.programme(&bed, "Other", 333, 700).await;
        tenants.push(tenant);
    }
    let receiver = Receiver::start().await;
    let billing = bed
        .plan("billing")
        .set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &receiver.endpoint())
        .set("BILLING_RETRY_INITIAL", "100ms");
    let mut programs = bed.start_workers(1, &[]).await;
    programs.push(bed.start_planned(billing).await);

    let over = AtomicBool::new(false);
    let looking = async {
        let mut looks = 0;
        while !over.load(Relaxed) {
            let [credited, owed] = sums(&bed).await;
            assert_eq!(owed, credited, "at look {looks}");
            looks += 1;
        }
        looks
    };
    let happening = async {
        let rounds = [
            (200, "state = 'delivered'"),
            (503, "state = 'pending' AND attempts > 0"),
            (410, "state = 'dead'"),
            (200, "state = 'delivered'"),
        ];
        for (round, (answer, seen)) in rounds.into_iter().enumerate() {
            receiver.answer(answer);
            for tenant in &tenants {
                let facts = round_of(round, tenant.world.programmes[round % 2].id);
                bed.publish(facts.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
            }
            let credits = 2 * (round + 1) * REFERRED * 2;
            let credited = async || counted(&bed, "entry", "kind <> 'potential_credit'").await;
            eventually("all is credited", PATIENCE, async || match credited().await {
                n if n == credits => Ok(()),
                n => Err(format!("{n} of {credits} credits")),
            })
            .await;
            eventually(seen, PATIENCE, async || match counted(&bed, "delivery", seen).await {
                0 => Err("none".to_owned()),
                _ => Ok(()),
            })
            .await;
        }
        eventually("nothing is pending", PATIENCE, async || {
            match counted(&bed, "delivery", "state = 'pending'").await {
                0 => Ok(()),
                left => Err(format!("{left} are")),
            }
        })
        .await;
        over.store(true, Relaxed);
    };
    let (looks, ()) = tokio::join!(looking, happening);
    assert!(looks > 20, "{looks} looks");
    let [credited, owed] = sums(&bed).await;
    let expected: Vec<i64> = [3500, 1033, 3500, 1033].map(|each| 2 * REFERRED as i64 * each).into();
    assert_eq!(credited.values().copied().collect::<Vec<_>>(), expected);
    assert_eq!(owed, credited);
}

/// One referrer of this round, those they refer, and payments that reach the target in two steps.
fn round_of(round: usize, program_id: i64) -> Vec<Fact> {
    let referrer = format!("referrer-{round}");
    let mut facts = vec![signup(&referrer, Signup::default())];
    for number in 0..REFERRED {
        let user = format!("user-{round}-{number}");
        let known = Signup {
            user_indicator: Some(referrer.clone()),
            program_id: Some(program_id),
            ..Signup::default()
        };
        facts.extend([payment(&user, 2000), signup(&user, known), payment(&user, 500)]);
    }
    facts
}

async fn counted(bed: &Bed, table: &str, what: &str) -> usize {
    let count = format!("SELECT COUNT(*) AS n FROM {table} WHERE {what}");
    let row = bed.store.one(&count, Vec::new()).await.unwrap().unwrap();
    row.int("n").unwrap() as usize
}
