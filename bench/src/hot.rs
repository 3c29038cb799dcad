//! The functions that run for every event, each with made-up work of its usual size: `make micro` times
//! them, `make counts` counts their instructions.
//!
//! The work is the same in every run. A run says how many events came out right, so that nothing is
//! measured that went wrong.
use std::{hint::black_box, rc::Rc, sync::Arc};

use anyhow::{Context as _, ensure};
use chrono_tz::Tz;
use credits::{
    decide::Decision,
    known::{Cause, Claim, Known, User},
    signup::{NewSignup, Outcome},
};
use daily_records::tally::Tally;
use referral::{
    broker::envelope::{self, BATCH, Decoded, Incoming, SINGLE},
    domain::{Currency, Data, Event, EventKey, EventType, Micros, Money, bot::BotList},
    store::{
        New,
        reference::{Domain, Programme},
    },
    webhook::Signer,
    worker::Placed,
};
use uuid::Uuid;

use crate::backlog::{Backlog, REFERRERS};

/// When everything happens: 2026-01-01T12:00:00Z.
const NOW: Micros = Micros(1_767_268_800_000_000);
/// Distinct codes of clicks, as in P1.
const CODES: usize = 1_000;
/// One payment in so many reaches its user's target.
const REACHES_EVERY: usize = 10;
const TARGET: Money = Money::from_minor(10_000);
/// Largest message, in bytes.
const MESSAGE_MAX: usize = 1 << 20;

/// Work that is ready to be run once.
pub type Run = Box<dyn FnOnce() -> Done>;

/// A run's end.
pub struct Done {
    /// How many events came out right.
    pub right: usize,
    /// What was prepared: dropping it is no part of the run.
    _left: Option<Known>,
}

impl From<usize> for Done {
    fn from(right: usize) -> Self {
        Self { right, _left: None }
    }
}

/// One of them.
pub struct Hot {
    /// As commands name it.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// Events of a run.
    pub events: usize,
    prepare: Box<dyn Fn() -> Run>,
}

impl Hot {
    /// Makes the work of one run.
    pub fn prepare(&self) -> Run {
        (self.prepare)()
    }
}

/// Runs prepared work. The instructions in here are the ones that `make counts` counts.
#[inline(never)]
pub fn run(run: Run) -> Done {
    run()
}

/// All of them.
pub fn all() -> anyhow::Result<Vec<Hot>> {
    Ok(vec![decode_single()?, decode_batch()?, tally()?, signups()?, payments()?, sign()?, key()])
}

fn decode_single() -> anyhow::Result<Hot> {
    const EVENTS: usize = 100;
    let backlog = Backlog::clicks(EVENTS, CODES);
    let bodies: Rc<Vec<String>> = Rc::new((0..EVENTS).map(|n| body(&backlog, n)).collect());
    ensure!(decode(SINGLE, EventType::Click, &bodies[0]).len() == 1, "a click is decoded");
    let prepare = move || -> Run {
        let bodies = Rc::clone(&bodies);
        Box::new(move || {
            let decoded = bodies.iter().map(|body| decode(SINGLE, EventType::Click, body).len());
            decoded.sum::<usize>().into()
        })
    };
    Ok(Hot {
        name: "decode-single",
        what: "decode 100 messages of one click",
        events: EVENTS,
        prepare: Box::new(prepare),
    })
}

fn decode_batch() -> anyhow::Result<Hot> {
    const EVENTS: usize = 100;
    let backlog = Backlog::clicks(EVENTS, CODES);
    let bodies: Vec<String> = (0..EVENTS).map(|n| body(&backlog, n)).collect();
    let batch: Rc<str> = format!("[{}]", bodies.join(",")).into();
    ensure!(decode(BATCH, EventType::Click, &batch).len() == EVENTS, "a batch is decoded");
    let prepare = move || -> Run {
        let batch = Rc::clone(&batch);
        Box::new(move || decode(BATCH, EventType::Click, &batch).len().into())
    };
    Ok(Hot {
        name: "decode-batch",
        what: "decode a message of 100 clicks",
        events: EVENTS,
        prepare: Box::new(prepare),
    })
}

fn tally() -> anyhow::Result<Hot> {
    const EVENTS: usize = 5_000;
    let domain = Domain {
        id: 1,
        name: "default".to_owned(),
        zone: Tz::UTC,
        currency: currency().context("a currency")?,
    };
    let domain = Arc::new(domain);
    let events = events(&Backlog::clicks(EVENTS, CODES))?;
    let placed = events.into_iter().map(|event| Placed { event, domain: Arc::clone(&domain) });
    let (placed, bots) = (Rc::new(placed.collect::<Vec<_>>()), Rc::new(BotList::default()));
    let prepare = move || -> Run {
        let (placed, bots) = (Rc::clone(&placed), Rc::clone(&bots));
        Box::new(move || {
            let tally = Tally::of(&placed, &bots);
            let records = tally.records(&New::All, |_| false);
            records.iter().map(|(_, clicks)| *clicks as usize).sum::<usize>().into()
        })
    };
    Ok(Hot {
        name: "tally",
        what: "tally 5,000 clicks to 1,000 records",
        events: EVENTS,
        prepare: Box::new(prepare),
    })
}

fn signups() -> anyhow::Result<Hot> {
    const EVENTS: usize = 1_000;
    let (referrers, signups) = people(EVENTS)?;
    let signups = Rc::new(signups);
    let prepare = move || -> Run {
        let mut known = Known::default();
        admit(&mut known, &referrers);
        known.locked.extend(signups.iter().map(|signup| signup.user.clone()));
        let signups = Rc::clone(&signups);
        Box::new(move || {
            let currencies = |_| currency();
            let mut decision = Decision::new(&mut known, &currencies, NOW);
            decision.admit(&signups);
            black_box(&decision.entries);
            let outcomes = decision.outcomes.values();
            let right = outcomes.filter(|outcome| **outcome == Outcome::Created).count();
            Done { right, _left: Some(known) }
        })
    };
    Ok(Hot {
        name: "decide-signups",
        what: "decide 1,000 referred signups",
        events: EVENTS,
        prepare: Box::new(prepare),
    })
}

fn payments() -> anyhow::Result<Hot> {
    const EVENTS: usize = 1_000;
    let (referrers, signups) = people(EVENTS)?;
    let signups = Rc::new(signups);
    let prepare = move || -> Run {
        let mut known = Known::default();
        admit(&mut known, &referrers);
        admit(&mut known, &signups);
        for (number, signup) in signups.iter().enumerate() {
            let total = known.totals.entry(signup.user.clone()).or_default();
            total.sum = if number % REACHES_EVERY == 0 { TARGET } else { Money::from_minor(1) };
        }
        let signups = Rc::clone(&signups);
        Box::new(move || {
            let currencies = |_| currency();
            let mut decision = Decision::new(&mut known, &currencies, NOW);
            for signup in signups.iter() {
                decision.reach(&signup.user, Some(&signup.cause), Some(&signup.trace));
            }
            Done { right: decision.entries.len() * REACHES_EVERY, _left: Some(known) }
        })
    };
    Ok(Hot {
        name: "decide-payments",
        what: "decide 1,000 payments, 100 of which reach the target",
        events: EVENTS,
        prepare: Box::new(prepare),
    })
}

fn sign() -> anyhow::Result<Hot> {
    const CALLS: usize = 100;
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &str = "amount=10.00&program_name=Default&user_indicator_hash=bob";
    let signer = Rc::new(Signer::new(&[SECRET.to_owned()])?);
    let ids: Rc<Vec<String>> = Rc::new((0..CALLS).map(|n| id(n).to_string()).collect());
    let prepare = move || -> Run {
        let (signer, ids) = (Rc::clone(&signer), Rc::clone(&ids));
        Box::new(move || {
            let signed = ids.iter().filter_map(|id| signer.sign(id, NOW.0 / 1_000_000, BODY));
            signed.filter(|signature| signature.starts_with("v1,")).count().into()
        })
    };
    Ok(Hot { name: "sign", what: "sign 100 calls", events: CALLS, prepare: Box::new(prepare) })
}

fn key() -> Hot {
    const KEYS: usize = 100;
    let ids: Rc<Vec<String>> = Rc::new((0..KEYS).map(|n| id(n).to_string()).collect());
    let prepare = move || -> Run {
        let ids = Rc::clone(&ids);
        Box::new(move || {
            let made = ids.iter().map(|id| EventKey::new("/bench", id));
            made.filter(|key| black_box(key).as_str() < "z").count().into()
        })
    };
    Hot { name: "key", what: "make 100 event keys", events: KEYS, prepare: Box::new(prepare) }
}

/// The event's bytes.
fn body(backlog: &Backlog, number: usize) -> String {
    backlog.event_at(number, id(number), NOW)
}

/// A UUIDv7 that is the same in every run.
fn id(number: usize) -> Uuid {
    let millis = NOW.0.unsigned_abs() / 1_000 + number as u64;
    let mut random = [0x5a; 10];
    random[2..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// The good events of a message, as the workers decode it.
fn decode(content_type: &str, kind: EventType, body: &str) -> Vec<Event> {
    let incoming = Incoming {
        content_type: Some(content_type),
        routing_key: kind.routing_key(),
        body: body.as_bytes(),
        header: &|_| None,
    };
    match envelope::decode(&incoming, NOW, MESSAGE_MAX) {
        Decoded::Whole(_) => Vec::new(),
        Decoded::Events(items) => items.into_iter().filter_map(|item| item.checked.ok()).collect(),
    }
}

/// A backlog's events, decoded.
fn events(backlog: &Backlog) -> anyhow::Result<Vec<Event>> {
    let bodies = (0..backlog.events).map(|number| body(backlog, number));
    let events: Vec<Event> = bodies.flat_map(|b| decode(SINGLE, backlog.kind, &b)).collect();
    ensure!(events.len() == backlog.events, "{} events are good", events.len());
    Ok(events)
}

fn currency() -> Option<Currency> {
    Currency::parse("USD").ok()
}

/// Users who came by themselves, and so many whom they refer.
fn people(referred: usize) -> anyhow::Result<(Vec<NewSignup>, Vec<NewSignup>)> {
    let all = REFERRERS + referred;
    let backlog = Backlog { kind: EventType::Signup, events: all, grouped: 1, names: all };
    let signup = |event: Event| {
        let Data::Signup(signup) = event.data else { anyhow::bail!("a signup") };
        Ok(NewSignup {
            key: event.key,
            user: User { domain_id: 1, hash: signup.user_hash },
            email: signup.email,
            claim: Claim { indicator: signup.user_indicator, ..Claim::default() },
            cause: Cause { source: event.source, id: event.id },
            trace: event.trace,
        })
    };
    let signups = events(&backlog)?.into_iter().map(signup);
    let mut referrers = signups.collect::<anyhow::Result<Vec<_>>>()?;
    let referred = referrers.split_off(REFERRERS);
    Ok((referrers, referred))
}

/// As an earlier batch would have.
fn admit(known: &mut Known, signups: &[NewSignup]) {
    known.programmes.entry(1).or_insert_with(|| {
        vec![Programme {
            id: 1,
            domain_id: 1,
            name: "Default".to_owned(),
            credit: Money::from_minor(1_000),
            target: TARGET,
            reward_percent_e4: 50_000,
        }]
    });
    known.locked.extend(signups.iter().map(|signup| signup.user.clone()));
    Decision::new(known, &|_| currency(), NOW).admit(signups);
}
