//! Gathers messages into batches, decoding each as it arrives.
//!
//! A batch ends when it is full, when nothing waits, or before a message that has to be tried in
//! smaller company. Batches keep the queue's order, so one ack settles all up to its last tag.
use std::{ops::RangeInclusive, time::Duration};

use tokio::time::Instant;

use crate::{
    broker::{
        Message,
        envelope::{self, Decoded, Incoming, Item},
    },
    domain::{Event, Micros},
    settings::WorkerSettings,
};

/// A message with what it says.
pub struct Held {
    /// As it came.
    pub message: Message,
    /// Its events, or why it has none.
    pub decoded: Decoded,
}

/// Messages that are settled together.
pub struct Batch {
    /// In the queue's order.
    pub held: Vec<Held>,
    /// Their delivery tags, which follow each other.
    pub tags: RangeInclusive<u64>,
    /// One message that has to be tried alone, event by event.
    pub alone: bool,
}

impl Batch {
    /// The events that are no bad ones by themselves.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.held.iter().flat_map(|held| {
            let items: &[Item] = match &held.decoded {
                Decoded::Whole(_) => &[],
                Decoded::Events(items) => items,
            };
            items.iter().filter_map(|item| item.checked.as_ref().ok())
        })
    }

    /// The same, to be changed.
    pub fn events_mut(&mut self) -> impl Iterator<Item = &mut Event> {
        self.held.iter_mut().flat_map(|held| {
            let items: &mut [Item] = match &mut held.decoded {
                Decoded::Whole(_) => &mut [],
                Decoded::Events(items) => items,
            };
            items.iter_mut().filter_map(|item| item.checked.as_mut().ok())
        })
    }
}

/// See the module.
pub struct Collector {
    settings: WorkerSettings,
    current: Vec<Held>,
    events: usize,
    bytes: usize,
    /// Least company limit among the messages in `current`.
    company_max: usize,
    /// Arrived, but not fit for the current batch: begins the next.
    waiting: Option<Held>,
    /// Set while the current batch waits for more.
    linger_until: Option<Instant>,
    closed: bool,
    /// How many events the last batch had: more than one means load.
    last_events: usize,
}

impl Collector {
    /// Holds nothing yet.
    pub fn new(settings: &WorkerSettings) -> Self {
        Self {
            settings: settings.clone(),
            current: Vec::new(),
            events: 0,
            bytes: 0,
            company_max: usize::MAX,
            waiting: None,
            linger_until: None,
            closed: false,
            last_events: 0,
        }
    }

    /// Whether another message may be taken.
    pub fn has_room(&self) -> bool {
        self.waiting.is_none()
            && self.current.len() < self.company_max
            && self.events < self.settings.batch_events_max
            && self.bytes < self.settings.batch_bytes_max
    }

    /// Takes a message, which may turn out to begin the next batch.
    pub fn add(&mut self, message: Message, now: Micros) {
        let company = company_max(message.delivery_count);
        let held = decode(message, now, self.settings.message_bytes_max);
        if !self.current.is_empty() && self.current.len() >= company.min(self.company_max) {
            self.waiting = Some(held);
            self.closed = true;
        } else {
            self.put(held, company);
        }
    }

    fn put(&mut self, held: Held, company: usize) {
        if self.current.is_empty() {
            let linger = if self.last_events > 1 { self.settings.linger } else { Duration::ZERO };
            self.linger_until = Some(Instant::now() + linger);
        }
        self.company_max = self.company_max.min(company);
        self.bytes += held.message.body.len();
        self.events += match &held.decoded {
            Decoded::Events(items) => items.len(),
            Decoded::Whole(_) => 1,
        };
        self.current.push(held);
        if !self.has_room() {
            self.closed = true;
        }
    }

    /// Waits until the current batch has lingered long enough; for ever without one.
    pub async fn lingered(&self) {
        match self.linger_until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// The current batch waits no more.
    pub fn close(&mut self) {
        self.closed = true;
        self.linger_until = None;
    }

    /// The current batch, when it is time for it, or when nothing more will come.
    pub fn ready(&mut self, stopping: bool) -> Option<Batch> {
        let lingered = self.linger_until.is_none_or(|until| until <= Instant::now());
        if self.current.is_empty() || !(self.closed || stopping || lingered) {
            return None;
        }
        let held = std::mem::take(&mut self.current);
        let tag = |held: Option<&Held>| held.map_or(0, |held| held.message.tag);
        let tags = tag(held.first())..=tag(held.last());
        let alone = held.len() == 1 && self.company_max == 1;
        self.last_events = self.events;
        (self.events, self.bytes) = (0, 0);
        self.company_max = usize::MAX;
        (self.linger_until, self.closed) = (None, false);
        if let Some(next) = self.waiting.take() {
            let company = company_max(next.message.delivery_count);
            self.put(next, company);
        }
        Some(Batch { held, tags, alone })
    }
}

/// In what company a message is tried that came back so often: a crash may be its fault, or that
/// of any other message held with it, or nobody's. Each time round there are fewer suspects.
const fn company_max(delivery_count: u32) -> usize {
    match delivery_count {
        0..=2 => usize::MAX,
        3 => 256,
        4 => 16,
        _ => 1,
    }
}

fn decode(message: Message, now: Micros, message_bytes_max: usize) -> Held {
    let decoded = {
        let header = |name: &str| message.headers.get_text(name).map(str::to_owned);
        let incoming = Incoming {
            content_type: message.content_type.as_deref(),
            routing_key: &message.routing_key,
            body: &message.body,
            header: &header,
        };
        envelope::decode(&incoming, now, message_bytes_max)
    };
    Held { message, decoded }
}
