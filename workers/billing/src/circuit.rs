//! When a destination's circuit opens and closes, and when it is probed (contract 6): the decision,
//! pure.
//!
//! Owns what this process knows: failures in a row of its own attempts, and which circuits are open,
//! by whomever. Refuses to know the clock, the row that an open circuit is, and what an answer means.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use referral::{domain::Micros, webhook::Destination};

/// Destinations whose failures are counted at one time. More are not expected to fail now and then
/// without failing in a row; then counting begins anew.
const COUNTED_MAX: usize = 100_000;

/// See the module.
#[derive(Debug)]
pub struct Circuits {
    after: u32,
    /// Failures in a row, of destinations that are not open.
    failures: HashMap<Destination, u32>,
    open: BTreeSet<Destination>,
    /// Opened here, and no row yet.
    unsaved: BTreeSet<Destination>,
    /// Changes made here; see [`learn`](Self::learn).
    version: u64,
    /// Users who are known to be served by an open one.
    users: BTreeMap<Destination, BTreeSet<String>>,
}

impl Circuits {
    /// All closed; one opens after so many failures in a row.
    pub fn new(after: u32) -> Self {
        Self {
            after,
            failures: HashMap::new(),
            open: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            version: 0,
            users: BTreeMap::new(),
        }
    }

    /// An attempt got no answer. True when this opens the circuit: it is to be saved.
    pub fn failed(&mut self, destination: &Destination) -> bool {
        if self.open.contains(destination) {
            return false;
        }
        if self.failures.len() >= COUNTED_MAX && !self.failures.contains_key(destination) {
            self.failures.clear();
        }
        let failures = self.failures.entry(destination.clone()).or_default();
        *failures += 1;
        if *failures < self.after {
            return false;
        }
        self.failures.remove(destination);
        self.open.insert(destination.clone());
        self.unsaved.insert(destination.clone());
        self.version += 1;
        true
    }

    /// What [`failed`](Self::failed) opened is saved, or could not be: then the next failure opens
    /// it again.
    pub fn saved(&mut self, destination: &Destination, is_saved: bool) {
        if self.unsaved.remove(destination) && !is_saved {
            self.close(destination);
            self.failures.insert(destination.clone(), self.after - 1);
        }
    }

    /// An attempt got an answer. True when this closes the circuit: its row is to be removed.
    pub fn answered(&mut self, destination: &Destination) -> bool {
        self.failures.remove(destination);
        self.close(destination)
    }

    /// The open circuits as their rows were read, at a time when [`version`](Self::version) was
    /// this. Where it is another by now, the rows may be older than what is known here: then
    /// nothing closes by them.
    pub fn learn(&mut self, version: u64, rows: impl IntoIterator<Item = Destination>) {
        let mut open: BTreeSet<Destination> = rows.into_iter().collect();
        open.extend(self.unsaved.iter().cloned());
        if version != self.version {
            open.extend(std::mem::take(&mut self.open));
        }
        // Who left it was answered elsewhere, and who came to it is not counted while it is open.
        for destination in self.open.symmetric_difference(&open) {
            self.failures.remove(destination);
        }
        self.open = open;
        let open = &self.open;
        self.users.retain(|destination, _| open.contains(destination));
    }

    /// Counts the changes made here.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether only probes go there.
    pub fn is_open(&self, destination: &Destination) -> bool {
        self.open.contains(destination)
    }

    /// How many are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// This user is served by this destination; remembered while it is open.
    pub fn serves(&mut self, destination: &Destination, user: &str) {
        if self.open.contains(destination) {
            self.users.entry(destination.clone()).or_default().insert(user.to_owned());
        }
    }

    /// The users who are known to be served by an open circuit.
    pub fn users(&self) -> Vec<String> {
        self.users.values().flatten().cloned().collect()
    }

    /// Those of this one.
    pub fn users_of(&self, destination: &Destination) -> Vec<String> {
        self.users.get(destination).into_iter().flatten().cloned().collect()
    }

    fn close(&mut self, destination: &Destination) -> bool {
        let was_open = self.open.remove(destination);
        if was_open {
            self.version += 1;
            self.unsaved.remove(destination);
            self.users.remove(destination);
        }
        was_open
    }
}

/// When an open circuit may be probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// Not before this instant.
    At(Micros),
    /// Not while the probe in flight is.
    Later,
}

/// At `now`, of a circuit that may be probed from `probe_at` on, and whose probe in flight, if there is
/// one, is believed to be until `probe_until`: a killed process never says that it is over.
pub fn turn(probe_at: Micros, probe_until: Micros, now: Micros) -> Turn {
    if probe_until > now {
        Turn::Later
    } else if probe_at > now {
        Turn::At(probe_at)
    } else {
        Turn::Now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to(name: &str) -> Destination {
        Destination::of_stored(format!("http://{name}:80"))
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Failed,
        Answered,
        /// What was opened last is saved.
        Saved,
        /// It is not.
        NotSaved,
        /// Rows are read: the circuit is open, or it is not.
        Read(bool),
        /// The same by a claim that began before the last change here.
        ReadLate(bool),
    }
    use Event::{Answered, Failed, NotSaved, Read, ReadLate, Saved};

    /// The events of one destination, its circuit opening after 3 failures; after each: does this
    /// event open or close it, and is it open then?
    #[test]
    fn what_opens_and_closes_a_circuit() {
        let opens = (true, true);
        let (still_open, closes) = ((false, true), (true, false));
        let closed = (false, false);
        type Steps<'a> = &'a [(Event, (bool, bool))];
        let cases: [(&str, Steps<'_>); 9] = [
            (
                "three failures in a row open it, an answer closes it",
                &[(Failed, closed), (Failed, closed), (Failed, opens), (Answered, closes)],
            ),
            (
                "an answer between failures counts them anew",
                &[(Failed, closed), (Failed, closed), (Answered, closed), (Failed, closed)],
            ),
            (
                "failures of an open one open nothing, and its close counts them anew",
                &[
                    (Failed, closed),
                    (Failed, closed),
                    (Failed, opens),
                    (Saved, still_open),
                    (Failed, still_open),
                    (Failed, still_open),
                    (Failed, still_open),
                    (Answered, closes),
                    (Failed, closed),
                    (Failed, closed),
                    (Failed, opens),
                ],
            ),
            (
                "another answer changes nothing",
                &[
                    (Answered, closed),
                    (Read(true), still_open),
                    (Answered, closes),
                    (Answered, closed),
                ],
            ),
            (
                "rows do not close what is not saved yet",
                &[
                    (Failed, closed),
                    (Failed, closed),
                    (Failed, opens),
                    (Read(false), still_open),
                    (Saved, still_open),
                    (Read(false), closed),
                ],
            ),
            (
                "nor do old rows",
                &[
                    (Failed, closed),
                    (Failed, closed),
                    (Failed, opens),
                    (Saved, still_open),
                    (ReadLate(false), still_open),
                    (Read(true), still_open),
                ],
            ),
            (
                "what could not be saved is closed, and opened by the next failure",
                &[
                    (Failed, closed),
                    (Failed, closed),
                    (Failed, opens),
                    (NotSaved, closed),
                    (Failed, opens),
                    (Answered, closes),
                    (NotSaved, closed),
                    (Failed, closed),
                ],
            ),
            (
                "another process opens and closes it: failures before that do not count",
                &[
                    (Failed, closed),
                    (Failed, closed),
                    (Read(true), still_open),
                    (Read(false), closed),
                    (Failed, closed),
                    (Failed, closed),
                    (Failed, opens),
                ],
            ),
            (
                "rows that are as before change no count",
                &[(Failed, closed), (Failed, closed), (Read(false), closed), (Failed, opens)],
            ),
        ];
        for (name, events) in cases {
            let mut circuits = Circuits::new(3);
            for (place, (event, expected)) in events.iter().enumerate() {
                let seen = happens(&mut circuits, &to("a"), *event);
                assert_eq!(seen, *expected, "{name}: {place}, {event:?}");
                assert_eq!(circuits.open_count(), usize::from(expected.1), "{name}: {place}");
            }
        }
    }

    fn happens(circuits: &mut Circuits, at: &Destination, event: Event) -> (bool, bool) {
        let rows = |open: bool| open.then(|| at.clone());
        let changed = match event {
            Failed => circuits.failed(at),
            Answered => circuits.answered(at),
            Saved | NotSaved => {
                circuits.saved(at, matches!(event, Saved));
                false
            }
            Read(open) => {
                circuits.learn(circuits.version(), rows(open));
                false
            }
            ReadLate(open) => {
                circuits.learn(circuits.version().wrapping_sub(1), rows(open));
                false
            }
        };
        (changed, circuits.is_open(at))
    }

    #[test]
    fn users_are_remembered_while_their_circuit_is_open() {
        let mut circuits = Circuits::new(1);
        circuits.serves(&to("a"), "nobody");
        assert!(circuits.failed(&to("a")) && circuits.failed(&to("b")));
        for (destination, user) in [("a", "alice"), ("a", "ALICE"), ("b", "bob")] {
            circuits.serves(&to(destination), user);
        }
        assert_eq!(circuits.users(), ["ALICE", "alice", "bob"]);
        assert_eq!(circuits.users_of(&to("a")), ["ALICE", "alice"]);
        circuits.answered(&to("a"));
        assert_eq!(circuits.users(), ["bob"]);
        circuits.saved(&to("b"), true);
        circuits.learn(circuits.version(), []);
        assert!(circuits.users().is_empty() && circuits.users_of(&to("b")).is_empty());
    }

    #[test]
    fn a_probe_has_its_turn_when_none_is_in_flight() {
        let cases = [
            ("just opened", 10, 0, Turn::At(Micros(10))),
            ("due", 5, 0, Turn::Now),
            ("long due", 1, 0, Turn::Now),
            ("in flight", 10, 20, Turn::Later),
            ("in flight for longer than the pause", 1, 20, Turn::Later),
            ("of a process that was killed", 1, 5, Turn::Now),
            ("of one that was killed, too soon", 10, 5, Turn::At(Micros(10))),
        ];
        for (name, probe_at, probe_until, expected) in cases {
            assert_eq!(turn(Micros(probe_at), Micros(probe_until), Micros(5)), expected, "{name}");
        }
    }

    proptest! {
        /// Of several destinations each is open exactly when its own last events say so: as many
        /// failures as it takes, with no answer since.
        #[test]
        fn as_a_look_at_the_whole_history_says(
            after in 1_u32..5,
            events in proptest::collection::vec((0_usize..3, any::<bool>()), 0..60),
        ) {
            let destinations = ["a", "b", "c"].map(to);
            let mut circuits = Circuits::new(after);
            let mut history: [Vec<bool>; 3] = Default::default();
            for (which, answered) in events {
                let before = circuits.is_open(&destinations[which]);
                let changed = if answered {
                    circuits.answered(&destinations[which])
                } else {
                    circuits.failed(&destinations[which])
                };
                circuits.saved(&destinations[which], true);
                history[which].push(answered);
                let open: Vec<&Destination> = destinations
                    .iter()
                    .zip(&history)
                    .filter(|(_, events)| {
                        events.iter().rev().take_while(|answered| !**answered).count() >= after as usize
                    })
                    .map(|(destination, _)| destination)
                    .collect();
                let seen: Vec<&Destination> =
                    destinations.iter().filter(|one| circuits.is_open(one)).collect();
                prop_assert_eq!(seen, open);
                prop_assert_eq!(changed, before != circuits.is_open(&destinations[which]));
                circuits.learn(circuits.version(), destinations.iter().filter(|one| circuits.is_open(one)).cloned().collect::<Vec<_>>());
            }
        }
    }
}
