//! The ingress struck in a partner's call (contract 3): repeated until it is answered, it is one site, one
//! signup and one payment.
use std::{sync::Arc, time::Instant};

use super::{Struck, passed, ways};
use crate::{
    harness::{Bed, PATIENCE, eventually, on_every_database},
    sites::{PRODUCT, all_is_told, call, partner, rows},
};

on_every_database!(struck_at_any_step_a_call_is_carried_out_once);

/// The steps of a call that registers and pays.
pub const STEPS: &[&str] = &[
    "sites::before-commit",
    "store::after-commit",
    "sites::after-commit",
    "sites::before-answer",
    "broker::before-publish",
    "broker::before-confirm",
    "sites::after-publish",
];

async fn struck_at_any_step_a_call_is_carried_out_once(bed: Arc<Bed>) {
    let partner = partner(&bed).await;
    let mut sites = 0;
    for (place, point) in STEPS.iter().enumerate() {
        for way in ways(bed.database, place) {
            let began = Instant::now();
            let form = format!(
                "{partner}&host=s{sites}.example&email=anna%40example.com&product={PRODUCT}&request_id=r{sites}"
            );
            let mut struck = Struck::start(&bed, bed.plan("ingress"), point, way, 0);
            struck.program().ready().await;
            // Whatever comes of the call by which it is struck.
            drop(call(struck.program(), &form).await);
            struck.struck(&bed).await;
            let mut ingress = struck.survives().await;
            for _ in 0..2 {
                let answer = async || call(&ingress, &form).await;
                let answer = eventually("the call is answered", PATIENCE, answer).await;
                assert_eq!(answer["login"], "anna@example.com", "{point} {way:?}");
            }
            all_is_told(&bed).await;
            ingress.stop().await;
            sites += 1;
            passed(&bed, "ingress", point, way, began);
        }
    }
    let workers = bed.start_workers(1, &[]).await;
    bed.drain(workers).await;
    for table in ["site", "purchase", "signup", "payment", "account", "letter"] {
        assert_eq!(rows(&bed, table).await, sites, "{table}");
    }
}
