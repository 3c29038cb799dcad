//! The kill matrix: every failpoint of the sources × {kill, error, stall} × every database. Whatever
//! strikes a program at whatever step, the state in the end is the model's, nothing is parked and each
//! credit is billed once.
//!
//! `make test` tries every point in one way on each database, so that of three databases each way is
//! tried once; `MATRIX=1` (`make chaos`) all of them. Each cell is printed, and written to the file
//! `MATRIX_REPORT` where that is set.
use std::{collections::BTreeSet, io::Write as _, sync::Arc, time::Instant};

use crate::{
    harness::{
        Bed, Database, PATIENCE, Plan, Program, Receiver, environment, eventually,
        on_every_database,
    },
    trial::{Random, Trial, billing},
};

mod clicks;
mod letters;
mod sites;

on_every_database!(struck_at_any_step_a_worker_loses_and_doubles_nothing);

/// The programs of a trial.
const PROGRAMS: [&str; 3] = ["daily-records", "credits", "billing"];
/// The steps that every trial passes: the point, and the program that is struck there.
const STEPS: &[(&str, &str)] = &[
    ("worker::before-look-up", "daily-records"),
    ("worker::before-look-up", "credits"),
    ("daily-records::before-commit", "daily-records"),
    ("credits::before-commit", "credits"),
    ("store::after-commit", "daily-records"),
    ("store::after-commit", "credits"),
    ("store::after-commit", "billing"),
    ("worker::after-commit", "daily-records"),
    ("worker::after-commit", "credits"),
    ("worker::before-ack", "daily-records"),
    ("worker::before-ack", "credits"),
    ("worker::after-ack", "daily-records"),
    ("worker::after-ack", "credits"),
    ("broker::before-publish", "credits"),
    ("broker::before-confirm", "credits"),
    ("outbox::after-claim", "billing"),
    ("billing::before-post", "billing"),
    ("billing::after-post", "billing"),
    ("outbox::before-outcome-commit", "billing"),
];
/// Events of a cell.
const EVENTS: usize = 240;
/// Deliveries that a cell has at least.
const DELIVERIES_MIN: usize = 16;
/// So that these make many batches.
const BATCH_MAX: &str = "20";
/// How long a program stands still. Longer than nothing waits for but a lease, which has a test of its own
/// (`billing`, crashes).
const STALL_MS: u64 = 1500;

/// The ways in which a program is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Kill,
    Error,
    Stall,
}

impl Way {
    const ALL: [Self; 3] = [Self::Kill, Self::Error, Self::Stall];

    /// For `FAILPOINTS`: it strikes once it has passed the point so many times unharmed.
    fn failpoint(self, point: &str, unharmed: u64) -> String {
        let strike = match self {
            Self::Kill => "1*return(kill)".to_owned(),
            Self::Error => "3*return(error)".to_owned(),
            Self::Stall => format!("1*return(stall {STALL_MS})"),
        };
        match unharmed {
            0 => format!("{point}={strike}->off"),
            times => format!("{point}={times}*off->{strike}->off"),
        }
    }
}

/// All ways, or in the short form the one that is this database's turn.
fn ways(database: Database, place: usize) -> Vec<Way> {
    if environment::number("MATRIX").is_some() {
        return Way::ALL.to_vec();
    }
    let turn = match database {
        Database::Sqlite => 0,
        Database::Postgres => 1,
        Database::Mariadb => 2,
    };
    vec![Way::ALL[(place + turn) % Way::ALL.len()]]
}

/// A program that is struck, started anew without its failpoint when it was killed.
struct Struck {
    program: Program,
    plan: Plan,
    point: &'static str,
    way: Way,
}

impl Struck {
    fn start(bed: &Bed, plan: Plan, point: &'static str, way: Way, unharmed: u64) -> Self {
        let failing = plan.clone().set("FAILPOINTS", &way.failpoint(point, unharmed));
        Self { program: bed.spawn(failing), plan, point, way }
    }

    /// Waits until it was struck; whoever was killed runs again.
    async fn struck(&mut self, bed: &Bed) {
        let what = format!("{} is struck at {} ({:?})", self.program.name(), self.point, self.way);
        let said = format!("struck by a failpoint point=\"{}\"", self.point);
        eventually(&what, PATIENCE, async || {
            let log = std::fs::read_to_string(self.program.log()).unwrap_or_default();
            if log.contains(&said) { Ok(()) } else { Err("it is not yet".to_owned()) }
        })
        .await;
        if self.way == Way::Kill {
            let ended = self.program.exit(PATIENCE).await;
            assert!(!ended.success() && ended.code().is_none(), "{what}: it ended with {ended}");
            self.program = bed.start_planned(self.plan.clone()).await;
        }
    }

    /// The program as it runs now.
    fn program(&self) -> &Program {
        &self.program
    }

    /// The program, which an error or a standstill must not have ended.
    async fn survives(mut self) -> Program {
        let ended = self.program.ended();
        assert!(ended.is_none(), "{} {:?}: it ended with {ended:?}", self.point, self.way);
        self.program.ready().await;
        self.program
    }
}

/// Says that a cell passed, and what it was.
fn passed(bed: &Bed, program: &str, point: &str, way: Way, began: Instant) {
    let cell = format!("{:?} | {program} | {point} | {way:?}", bed.database);
    eprintln!("{cell} | {:.1} s", began.elapsed().as_secs_f64());
    if let Some(report) = environment::file("MATRIX_REPORT") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(report);
        writeln!(file.expect("MATRIX_REPORT"), "{cell} | passed").expect("MATRIX_REPORT");
    }
}

async fn struck_at_any_step_a_worker_loses_and_doubles_nothing(bed: Arc<Bed>) {
    let mut random = Random::seeded(&bed, "matrix");
    for (place, (point, program)) in STEPS.iter().enumerate() {
        for way in ways(bed.database, place) {
            let began = Instant::now();
            cell(&bed, program, point, way, &mut random).await;
            passed(&bed, program, point, way, began);
        }
    }
}

async fn cell(bed: &Bed, victim: &str, point: &'static str, way: Way, random: &mut Random) {
    let trial = loop {
        let trial = Trial::prepare(bed, EVENTS, random).await;
        // A case in which nobody is owed anything passes no step of billing.
        if trial.expected.deliveries.len() >= DELIVERIES_MIN {
            break trial;
        }
    };
    let receiver = Receiver::start().await;
    let plan = |name: &str| match name {
        "billing" => billing(bed, &receiver.endpoint()).set("BILLING_CONCURRENCY", "4"),
        name => bed.plan(name).set("BATCH_MAX", BATCH_MAX),
    };
    let mut struck = Struck::start(bed, plan(victim), point, way, random.below(3));
    let mut programs = Vec::new();
    for name in PROGRAMS.iter().filter(|name| **name != victim) {
        programs.push(bed.start_planned(plan(name)).await);
    }
    tokio::join!(trial.publish(bed), struck.struck(bed));
    programs.push(struck.survives().await);
    trial.ends_well(bed, &receiver, programs).await;
}

/// The points that the sources name.
fn points() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, text) in crate::tidy::files().iter().filter(|(name, _)| !name.starts_with("tests/")) {
        for call in ["failpoint::reach(\"", "failpoint::pass(\""] {
            let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
    }
    assert!(!found.is_empty(), "no failpoint in the sources");
    found
}

#[test]
fn every_failpoint_of_the_sources_is_in_the_matrix() {
    let mut known = BTreeSet::new();
    known.extend(STEPS.iter().map(|(point, _)| (*point).to_owned()));
    for steps in [clicks::STEPS, sites::STEPS, letters::STEPS] {
        known.extend(steps.iter().map(|point| (*point).to_owned()));
    }
    assert_eq!(points(), known);
}
