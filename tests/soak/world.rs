//! What the soak happens in: the programs, and the receiver with its ledger.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    harness::{
        Bed, Program,
        sink::{Answer, Post, Sink},
    },
    trial::billing,
};

/// Longer than billing waits.
const TOO_LATE: Duration = Duration::from_secs(3);
/// From this attempt on the receiver takes whatever comes.
const PATIENT_AFTER: usize = 6;
/// More than billing reads of an answer.
const LARGE_BYTES: u64 = 32 << 20;

/// See the module.
pub struct World {
    /// Billing's other side.
    pub sink: Sink,
    behaves: Arc<AtomicBool>,
}

impl World {
    /// The receiver's moods follow from the seed, the delivery and its attempt.
    pub fn start(seed: u64) -> Self {
        let behaves = Arc::new(AtomicBool::new(false));
        let calm = behaves.clone();
        let sink = Sink::start(move |post, before| {
            if calm.load(Relaxed) { Answer::Status(204) } else { mood(seed, post, before) }
        });
        Self { sink, behaves }
    }

    /// From now on the receiver takes everything.
    pub fn behave(&self) {
        self.behaves.store(true, Relaxed);
    }
}

/// How the receiver answers this attempt.
fn mood(seed: u64, post: &Post, before: usize) -> Answer {
    if before >= PATIENT_AFTER {
        return Answer::Status(200);
    }
    // Any number will do that differs from attempt to attempt.
    let mut number = seed ^ (before as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in post.id.bytes() {
        number = (number ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    match (number >> 32) % 100 {
        0..60 => Answer::Status(200),
        60..70 => Answer::Status(500),
        70..76 => Answer::With(429, "retry-after", "1".to_owned()),
        76..82 => Answer::With(503, "retry-after", "never".to_owned()),
        82..92 => Answer::Reset,
        92..96 => Answer::Late(200, TOO_LATE),
        96..98 => Answer::Drip(200),
        _ => Answer::Stream(200, LARGE_BYTES),
    }
}

/// The programs that run, each of which may be struck.
pub struct Crew {
    /// Two of each worker that an event passes, and an ingress.
    pub programs: Vec<Program>,
}

/// What the programs hold together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Holds {
    pub memory_kib: u64,
    pub descriptors: u64,
}

impl Crew {
    /// Starts the workers; the ingress runs already.
    pub async fn start(bed: &Bed, world: &World, ingress: Program) -> Self {
        let mut programs = Vec::new();
        for name in ["daily-records", "credits", "billing"] {
            for _ in 0..2 {
                let plan = match name {
                    "billing" => billing(bed, &world.sink.url()),
                    name => bed.plan(name),
                };
                programs.push(bed.start_planned(plan).await);
            }
        }
        programs.push(ingress);
        Self { programs }
    }

    /// Waits until all are ready.
    pub async fn are_ready(&self) {
        for program in &self.programs {
            program.ready().await;
        }
    }

    /// Their memory and descriptors, summed.
    pub fn holds(&self) -> Holds {
        self.programs.iter().fold(Holds::default(), |sum, program| {
            let process = format!("/proc/{}", program.process());
            let status = std::fs::read_to_string(format!("{process}/status")).expect("a status");
            let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let memory = memory.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            let open = std::fs::read_dir(format!("{process}/fd")).expect("descriptors").count();
            Holds {
                memory_kib: sum.memory_kib + memory.unwrap_or(0),
                descriptors: sum.descriptors + open as u64,
            }
        })
    }
}
