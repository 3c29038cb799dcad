//! The faults: each is made, lasts a while, and is taken back; then everybody has to be ready again.
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::world::Crew;
use crate::{
    harness::{Bed, services::Services},
    trial::Random,
};

/// How long a stopped program has to end.
const GRACE: Duration = Duration::from_secs(30);
/// Longer than any lease that is in use: billing's time-out of 2 s, and 10 s.
const PAST_A_LEASE: Duration = Duration::from_secs(13);

/// Names, and how often among all each of them is; what stands below costs more time.
const FAULTS: &[(&str, u64)] = &[
    ("program killed", 30),
    ("program stopped", 10),
    ("program frozen", 12),
    ("program frozen past its lease", 2),
    ("connections closed by the broker", 12),
    ("memory alarm", 6),
    ("broker frozen", 6),
    ("broker restarted", 3),
    ("broker killed", 3),
    ("database's server frozen", 6),
    ("database's server restarted", 5),
    ("database's server killed", 5),
];

/// See the module.
pub struct Faults<'a> {
    services: &'a Services,
    bed: &'a Bed,
    /// How many there were of each.
    pub made: BTreeMap<&'static str, u64>,
    /// How long it took each time until everybody was ready again, once the fault was over.
    pub recoveries: Vec<Duration>,
}

impl<'a> Faults<'a> {
    pub fn new(bed: &'a Bed, services: &'a Services) -> Self {
        Self { services, bed, made: BTreeMap::new(), recoveries: Vec::new() }
    }

    /// Makes one fault, and waits until it has healed.
    pub async fn strike(&mut self, crew: &mut Crew, random: &mut Random) {
        let name = self.choose(random);
        eprintln!("{:?}: {name}", self.bed.database);
        *self.made.entry(name).or_default() += 1;
        let victim = random.below(crew.programs.len() as u64) as usize;
        let victim = &mut crew.programs[victim];
        let while_ = Duration::from_millis(random.below(1500));
        match name {
            "program killed" => {
                victim.kill().await;
                tokio::time::sleep(while_ / 4).await;
                victim.start_again();
            }
            "program stopped" => {
                victim.signal("TERM").await;
                let exit = victim.exit(GRACE).await;
                assert_eq!(exit.code(), Some(0), "{} was asked to stop", victim.name());
                victim.start_again();
            }
            "program frozen" | "program frozen past its lease" => {
                let past = name.ends_with("lease");
                victim.signal("STOP").await;
                tokio::time::sleep(if past { PAST_A_LEASE } else { while_ }).await;
                victim.signal("CONT").await;
            }
            "connections closed by the broker" => {
                self.services
                    .control(&["close_all_connections", "--vhost", self.bed.name(), "a fault"])
                    .await;
            }
            "memory alarm" => {
                self.services.control(&["set_vm_memory_high_watermark", "0"]).await;
                tokio::time::sleep(while_).await;
                self.services.control(&["set_vm_memory_high_watermark", "0.6"]).await;
            }
            other => {
                let broker = other.starts_with("broker");
                let server = if broker { "rabbitmq" } else { self.services.database().unwrap() };
                let (how, back) = match other.rsplit(' ').next() {
                    Some("frozen") => ("pause", "resume"),
                    Some("killed") => ("kill", "start"),
                    _ => ("stop", "start"),
                };
                self.services.act(how, server).await;
                tokio::time::sleep(while_).await;
                self.services.act(back, server).await;
            }
        }
        let over = Instant::now();
        crew.are_ready().await;
        self.recoveries.push(over.elapsed());
        tokio::time::sleep(Duration::from_millis(random.below(500))).await;
    }

    fn choose(&self, random: &mut Random) -> &'static str {
        let possible = |(name, _): &&(&str, u64)| {
            self.services.database().is_some() || !name.starts_with("database")
        };
        let all: u64 = FAULTS.iter().filter(possible).map(|(_, weight)| weight).sum();
        let mut place = random.below(all);
        for (name, weight) in FAULTS.iter().filter(possible) {
            match place.checked_sub(*weight) {
                Some(further) => place = further,
                None => return name,
            }
        }
        unreachable!("the weights add up")
    }

    /// At this share of all recoveries, in seconds.
    pub fn recovery(&self, percent: usize) -> f64 {
        let mut all = self.recoveries.clone();
        all.sort_unstable();
        let place = (all.len() * percent / 100).min(all.len().saturating_sub(1));
        all.get(place).map_or(0.0, Duration::as_secs_f64)
    }
}
