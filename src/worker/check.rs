//! The part of the shared check of validity that needs the database: domains and programmes.
//!
//! Sorts a batch's events into what this worker applies, what is bad, and what is not its own.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Placed, Worker, collect::Batch};
use crate::{
    broker::envelope::{Decoded, Item},
    domain::{Bad, Data, Event, EventKey, Reason},
    store::{
        Store, StoreError,
        reference::{self, Domain},
    },
};

/// A bad event of a message.
#[derive(Debug)]
pub struct BadEvent {
    /// The message's place in the batch.
    pub message: usize,
    /// The event's place in the message; none: the message as a whole.
    pub item: Option<usize>,
    /// Why.
    pub bad: Bad,
}

/// A batch, sorted.
#[derive(Debug, Default)]
pub struct Checked {
    /// To be applied: this worker's, good, no key twice.
    pub events: Vec<Placed>,
    /// Where each of them came from: message, and place in it (none: it is the whole message).
    pub origins: Vec<(usize, Option<usize>)>,
    /// To be parked by this worker.
    pub bad: Vec<BadEvent>,
    /// Bad, and the other worker's to park.
    pub left: usize,
    /// Copies of events that occur earlier in the batch.
    pub repeated: usize,
    /// The events that a reply will speak of, by message, in order.
    pub replies: HashMap<usize, Vec<Answer>>,
}

/// One element of a reply.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Its outcome comes from the transaction.
    Applied { id: String, source: String, event_type: &'static str, key: EventKey },
    /// It was bad.
    Invalid { named: Option<Names>, bad: Bad },
}

impl Checked {
    /// The keys whose outcomes are to be replied.
    pub fn wanted(&self) -> Vec<EventKey> {
        let keys = self.replies.values().flatten().filter_map(|answer| match answer {
            Answer::Applied { key, .. } => Some(*key),
            Answer::Invalid { .. } => None,
        });
        keys.collect()
    }
}

/// What the check knows of the tenants that a batch speaks of.
pub struct References {
    domains: HashMap<String, Arc<Domain>>,
    programmes: HashSet<(i64, i64)>,
}

/// Looks up the domains and programmes that `batch` names: two statements at most.
pub async fn look_up(store: &Store, batch: &Batch) -> Result<References, StoreError> {
    let events = || batch.events();
    let names: HashSet<&str> = events().map(|event| event.domain.as_str()).collect();
    let found = reference::domains(store, &names.into_iter().collect::<Vec<_>>()).await?;
    let domains = found.into_iter().map(|(name, domain)| (name, Arc::new(domain))).collect();
    let pairs: HashSet<(i64, i64)> =
        events().filter_map(|event| programme_of(event, &domains)).collect();
    let pairs: Vec<_> = pairs.into_iter().collect();
    let programmes = reference::known_programmes(store, &pairs).await?.into_iter().collect();
    Ok(References { domains, programmes })
}

/// Sorts `batch`, taking the good events out of it.
pub fn sort<W: Worker>(batch: &mut Batch, references: &References) -> Checked {
    let mut checked = Checked::default();
    let mut seen = HashSet::new();
    for (message, held) in batch.held.iter_mut().enumerate() {
        let own = W::answers_for(&held.message.routing_key);
        let replies = own && held.message.reply_to.is_some();
        let items = match &mut held.decoded {
            Decoded::Whole(bad) => {
                let bad = BadEvent { message, item: None, bad: bad.clone() };
                checked.refuse(own, replies, None, bad);
                continue;
            }
            Decoded::Events(items) => items,
        };
        for (number, item) in items.iter_mut().enumerate() {
            let place = item.raw.is_some().then_some(number);
            match references.place(take(item)) {
                Ok(placed) if W::takes(placed.event.data.event_type()) => {
                    if replies {
                        checked.answer(message, &placed.event);
                    }
                    if seen.insert(placed.event.key) {
                        checked.events.push(placed);
                        checked.origins.push((message, place));
                    } else {
                        checked.repeated += 1;
                    }
                }
                Ok(_) => {}
                Err((bad, named)) => {
                    checked.refuse(own, replies, named, BadEvent { message, item: place, bad });
                }
            }
        }
    }
    checked
}

impl Checked {
    fn refuse(&mut self, own: bool, replies: bool, named: Option<Names>, bad: BadEvent) {
        if replies {
            let answer = Answer::Invalid { named, bad: bad.bad.clone() };
            self.replies.entry(bad.message).or_default().push(answer);
        }
        if own {
            self.bad.push(bad);
        } else {
            self.left += 1;
        }
    }

    fn answer(&mut self, message: usize, event: &Event) {
        self.replies.entry(message).or_default().push(Answer::Applied {
            id: event.id.clone(),
            source: event.source.clone(),
            event_type: event.data.event_type().as_str(),
            key: event.key,
        });
    }
}

/// `id` and `source` of an event.
pub type Names = (String, String);

fn take(item: &mut Item) -> Result<Event, (Bad, Option<Names>)> {
    let taken = Err(Bad::new(Reason::Schema, String::new()));
    std::mem::replace(&mut item.checked, taken).map_err(|bad| (bad, item.named.take()))
}

fn programme_of(event: &Event, domains: &HashMap<String, Arc<Domain>>) -> Option<(i64, i64)> {
    match &event.data {
        Data::Signup(signup) => Some((domains.get(&event.domain)?.id, signup.program_id?)),
        _ => None,
    }
}

impl References {
    fn place(
        &self,
        event: Result<Event, (Bad, Option<Names>)>,
    ) -> Result<Placed, (Bad, Option<Names>)> {
        let event = event?;
        let refusal = match self.domains.get(&event.domain) {
            None => {
                Bad::new(Reason::UnknownDomain, format!("domain {:?} is not known", event.domain))
            }
            Some(domain) => match programme_of(&event, &self.domains) {
                Some(pair) if !self.programmes.contains(&pair) => Bad::new(
                    Reason::UnknownProgramme,
                    format!("data.program_id {} is no programme of the domain", pair.1),
                ),
                _ => return Ok(Placed { domain: domain.clone(), event }),
            },
        };
        Err((refusal, Some((event.id, event.source))))
    }
}
