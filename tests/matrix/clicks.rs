//! The ingress struck while it keeps clicks: "an answered click is never lost" (contract 2).
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{Struck, passed, ways};
use crate::{
    harness::{Bed, on_every_database},
    spool::{Seen, ends_well, link},
    trial::Random,
};

on_every_database!(struck_at_any_step_the_ingress_loses_no_click_that_it_answered);

/// The steps of a click that the broker does not confirm at once.
pub const STEPS: &[&str] = &[
    "broker::before-publish",
    "broker::before-confirm",
    "spool::before-keep",
    "spool::after-keep",
    "spool::before-remove",
    "spool::after-remove",
];
/// Clicks of a cell, at least: visitors go on until it was struck. (What is in the spool is published as one
/// message, and the step may be one of a third.)
const CLICKS: usize = 300;
/// So short that many clicks go through the spool.
const CLICK_CONFIRM: &str = "1ms";

async fn struck_at_any_step_the_ingress_loses_no_click_that_it_answered(bed: Arc<Bed>) {
    let mut random = Random::seeded(&bed, "matrix of clicks");
    let workers = bed.start_workers(1, &[]).await;
    let (mut ingress, mut visitors) = link(&bed, CLICK_CONFIRM).await;
    let seen = Seen::default();
    for (place, point) in STEPS.iter().enumerate() {
        for way in ways(bed.database, place) {
            let began = Instant::now();
            ingress.program.stop().await;
            let plan = bed.plan("ingress").set("CLICK_CONFIRM", CLICK_CONFIRM);
            visitors.follow(&plan);
            // What is in the spool leaves it in a few steps, maybe in one.
            let unharmed = if point.ends_with("remove") { 0 } else { random.below(3) };
            let mut struck = Struck::start(&bed, plan, point, way, unharmed);
            // With neither spool nor broker a click is kept nowhere, and answered 503.
            struck.program().ready().await;
            let enough = AtomicBool::new(false);
            let strike = async {
                struck.struck(&bed).await;
                enough.store(true, Relaxed);
            };
            tokio::join!(visitors.visits_until(&seen, CLICKS, &enough), strike);
            ingress.program = struck.survives().await;
            ingress.spool_is_empty(crate::harness::PATIENCE).await;
            passed(&bed, "ingress", point, way, began);
        }
    }
    ends_well(&bed, ingress, workers, &seen).await;
}
