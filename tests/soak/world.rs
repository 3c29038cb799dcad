//! What the soak happens in: the programs, the receiver with its ledger, the visitors of a link.
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::json;

use crate::harness::{
    Bed, Ingress, Plan, Program,
    sink::{Answer, Post, Sink},
};

/// `ref/` link of a registered code of the domain `default`.
pub const CODE: &str = "b4b9e071006f409d8e6d";
/// What billing waits for; the receiver is later now and then.
const BILLING_TIMEOUT: &str = "2s";
const TOO_LATE: Duration = Duration::from_secs(3);
/// From this attempt on the receiver takes whatever comes.
const PATIENT_AFTER: usize = 6;
/// More than billing reads of an answer.
const LARGE_BYTES: u64 = 32 << 20;
const BETWEEN_VISITS: Duration = Duration::from_millis(40);

/// See the module.
pub struct World {
    /// Billing's other side.
    pub sink: Sink,
    /// How to make an ingress that the visitors find.
    pub ingress: Plan,
    behaves: Arc<AtomicBool>,
}

/// Clicks that were tried, and the ids of those that were answered.
#[derive(Default)]
pub struct Clicks {
    pub tried: usize,
    pub answered: BTreeSet<String>,
}

impl World {
    /// The receiver's moods follow from the seed, the delivery and its attempt.
    pub async fn start(bed: &Bed, seed: u64) -> Self {
        let behaves = Arc::new(AtomicBool::new(false));
        let calm = behaves.clone();
        let sink = Sink::start(move |post, before| {
            if calm.load(Relaxed) { Answer::Status(204) } else { mood(seed, post, before) }
        });
        let ingress = bed.plan("ingress");
        let program = bed.start_planned(ingress.clone()).await;
        let mut ingress_now = Ingress::of(bed, program).await;
        let path = format!("/v1/referral/{CODE}");
        assert_eq!(ingress_now.put(&path, json!({"email": "a@example.com"})).await.0, 201);
        ingress_now.program.stop().await;
        Self { sink, ingress, behaves }
    }

    /// From now on the receiver takes everything.
    pub fn behave(&self) {
        self.behaves.store(true, Relaxed);
    }

    /// Follows the link over and over until it is enough.
    pub async fn visit(&self, enough: &AtomicBool) -> Clicks {
        let mut clicks = Clicks::default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
        let client = client.redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let url = self.ingress.url(&format!("/ref/{CODE}/?cur_from=A&cur_to=B"));
        while !enough.load(Relaxed) {
            clicks.tried += 1;
            if let Ok(answer) = client.get(&url).send().await {
                let location = answer.headers().get("location").map(|to| to.to_str().unwrap());
                let id = location.and_then(|location| location.split_once("click="));
                clicks.answered.extend(id.map(|(_, id)| id.to_owned()));
            }
            tokio::time::sleep(BETWEEN_VISITS).await;
        }
        clicks
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
    /// Starts them all.
    pub async fn start(bed: &Bed, world: &World) -> Self {
        let mut programs = Vec::new();
        for name in ["daily-records", "credits", "billing"] {
            for _ in 0..2 {
                let plan = match name {
                    "billing" => billing(bed, &world.sink),
                    name => bed.plan(name),
                };
                programs.push(bed.start_planned(plan).await);
            }
        }
        programs.push(bed.start_planned(world.ingress.clone()).await);
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

fn billing(bed: &Bed, sink: &Sink) -> Plan {
    bed.plan("billing")
        .set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url())
        .set("BILLING_RETRY_INITIAL", "200ms")
        .set("BILLING_RETRY_MAX", "1s")
        .set("BILLING_TIMEOUT", BILLING_TIMEOUT)
}
