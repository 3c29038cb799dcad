//! The figures of the moment, and open pages that are told them by server-sent events.
use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::State,
    http::{StatusCode, request::Parts},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    overview::{granted, last_days},
    session::{self, Admin},
};
use crate::{
    broker::Depth,
    ingress::{App, pages::grouped, problem::Refusal},
    store::{StoreError, overview},
};

/// Open pages that are told, and when they are told no more.
#[derive(Clone)]
pub struct Streams {
    places: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Streams {
    /// Of so many at most, until then.
    pub fn new(streams_max: usize, stopping: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(streams_max)), stopping }
    }
}

/// The figures of the moment, as they are shown; a page's elements carry these names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Now {
    /// Today's, in the domain's zone.
    pub clicks: String,
    /// Today's.
    pub signups: String,
    /// Today's.
    pub credits: String,
    /// Today's, one sum a currency.
    pub granted: String,
    /// Today's.
    pub payments: String,
    /// Deliveries that are to be attempted.
    pub pending: String,
    /// For how long the oldest of them has been.
    pub oldest: String,
    /// Deliveries that were given up.
    pub dead: String,
    /// When this was.
    pub time: String,
    /// How full the queues are, for operators.
    pub queues: Option<Vec<Queue>>,
}

/// A queue as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Its name.
    pub name: &'static str,
    /// Messages that nobody has been handed, for people.
    pub ready: String,
    /// The same, to compute with.
    pub messages: u32,
    /// For how long it has had some.
    pub waiting: String,
    /// Who consumes it.
    pub consumers: String,
    /// When that was: how often the broker was asked by then.
    pub asked: u64,
}

/// The queues, for operators; none of them while the broker does not answer.
fn queues(app: &App, admin: &Admin) -> Option<Vec<Queue>> {
    let (seen, now) = (app.queues.borrow(), app.clock.now());
    let shown = |depth: &Depth| Queue {
        name: depth.queue,
        ready: grouped(&depth.ready.to_string()),
        messages: depth.ready,
        waiting: seen.since(depth.queue).map_or_else(|| "–".to_owned(), |at| age(now.0 - at.0)),
        consumers: depth.consumers.to_string(),
        asked: seen.asked,
    };
    admin.is_operator.then(|| seen.depths.iter().map(shown).collect())
}

/// The figures as they stand.
pub async fn now(app: &App, admin: &Admin) -> Result<Now, StoreError> {
    let (domain, now) = (&admin.domain, app.clock.now());
    let today = overview::days(&app.store, domain, &last_days(now, domain, 1)).await?;
    let deliveries = overview::deliveries(&app.store, domain.id).await?;
    let count = |number: i64| grouped(&number.to_string());
    let today = today.first();
    let of_today = |figure: fn(&overview::DayFigures) -> i64| count(today.map_or(0, figure));
    Ok(Now {
        clicks: of_today(|day| day.clicks),
        signups: of_today(|day| day.signups),
        credits: of_today(|day| day.credits),
        granted: today.map(|day| granted(day, |sum| grouped(&sum.to_string()))).unwrap_or_default(),
        payments: of_today(|day| day.payments),
        pending: count(deliveries.pending),
        oldest: deliveries.oldest.map(|at| age(now.0 - at.0)).unwrap_or_default(),
        dead: count(deliveries.dead),
        time: now.date_time(domain.zone),
        queues: queues(app, admin),
    })
}

/// How long ago, in one unit.
fn age(us: i64) -> String {
    let seconds = us.max(0) / 1_000_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Tells an open page the figures every `DASHBOARD_LIVE_EVERY`, for as long as whoever opened it is signed
/// in. Over `DASHBOARD_STREAMS_MAX` it tells nothing, and the page stays as it was loaded.
pub async fn stream(State(app): State<App>, mut parts: Parts) -> Response {
    match session::current(&mut parts, &app).await {
        // A redirect is nothing to a script.
        Ok(None) => return StatusCode::UNAUTHORIZED.into_response(),
        Err(refusal) => return refusal.into_response(),
        Ok(Some(_)) => {}
    }
    let Ok(place) = app.streams.places.clone().try_acquire_owned() else {
        return Refusal::unavailable("too many open pages").into_response();
    };
    let told = Told { app, parts, _place: place };
    Sse::new(figures(told)).keep_alive(KeepAlive::default()).into_response()
}

/// Who is told.
struct Told {
    app: App,
    parts: Parts,
    _place: OwnedSemaphorePermit,
}

fn figures(told: Told) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((told, true), async |(mut told, first)| {
        let app = told.app.clone();
        if !first {
            tokio::select! {
                biased;
                () = app.streams.stopping.cancelled() => return None,
                () = tokio::time::sleep(app.settings.dashboard.live_every) => {}
            }
        }
        // Whoever has signed out meanwhile is told no more, and what is away is asked again later.
        let event = match session::current(&mut told.parts, &app).await {
            Ok(Some(admin)) => match now(&app, &admin).await {
                Ok(now) => Event::default().json_data(now).unwrap_or_default(),
                Err(_) => Event::default().comment("away"),
            },
            Ok(None) => return None,
            Err(_) => Event::default().comment("away"),
        };
        Some((Ok(event), (told, false)))
    })
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn an_age_is_in_one_unit() {
        for (seconds, expected) in [
            (-1, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (172_799, "47 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(age(seconds * 1_000_000), expected);
        }
    }
}
