//! `referral top`: a domain's figures of today, its deliveries and the queues, with their rates, refreshed
//! in place. Where nobody looks at a terminal, once.
use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{Tools, publish::parse};
use crate::{
    broker::{Broker, Depth},
    domain::ids::Invalid,
    settings::parse_duration,
    store::{
        Store, StoreError,
        overview::{self, DayFigures, Deliveries},
        reference::Domain,
    },
};

/// How long the broker may take for the first answer; after that the queues are left out.
const FIRST_ANSWER: Duration = Duration::from_secs(5);
/// Onto a page of its own and back; to its upper left corner; away with the rest of a line, and of the page.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K";
const REST: &str = "\x1b[J";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The domain
    #[arg(long, default_value = "default")]
    domain: String,
    /// How often it looks again
    #[arg(long, default_value = "2s", value_parser = parse(every))]
    every: Duration,
    /// Only once
    #[arg(long)]
    once: bool,
}

fn every(text: &str) -> Result<Duration, Invalid> {
    let every = parse_duration(text).filter(|every| !every.is_zero());
    every.ok_or(Invalid("must be a duration such as 2s"))
}

/// How things stand at a moment.
struct Seen {
    at: Instant,
    time: String,
    today: Option<DayFigures>,
    deliveries: Deliveries,
    /// For how long the oldest pending delivery has been, in seconds.
    oldest_seconds: Option<i64>,
    queues: Vec<Depth>,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let Args { domain, every, once } = args;
    let store = tools.store().await?;
    let domain = tools.domain(&store, &domain).await?;
    let (seen, mut queues) = watch::channel(None);
    let broker = Broker::new(tools.settings.broker("referral top")?);
    let stop = tools.shutdown.child_token();
    let watching = tokio::spawn({
        let stop = stop.clone();
        async move {
            let see = |depths: Option<&[Depth]>| {
                seen.send_replace(depths.map(<[Depth]>::to_vec));
            };
            broker.watch_depths(&stop, see).await
        }
    });
    let _ = tokio::time::timeout(FIRST_ANSWER, queues.changed()).await;
    let shown = show(tools, &store, &domain, every, once, &queues).await;
    stop.cancel();
    watching.await??;
    shown.map(|()| ExitCode::SUCCESS)
}

async fn show(
    tools: &Tools,
    store: &Store,
    domain: &Domain,
    every: Duration,
    once: bool,
    queues: &watch::Receiver<Option<Vec<Depth>>>,
) -> anyhow::Result<()> {
    let look = async || -> Result<Seen, StoreError> {
        let now = tools.clock.now();
        let deliveries = overview::deliveries(store, domain.id).await?;
        Ok(Seen {
            at: Instant::now(),
            time: now.date_time(domain.zone),
            today: overview::days(store, domain, &[now.day(domain.zone)]).await?.pop(),
            oldest_seconds: deliveries.oldest.map(|oldest| (now.0 - oldest.0).max(0) / 1_000_000),
            deliveries,
            queues: queues.borrow().clone().unwrap_or_default(),
        })
    };
    let mut out = std::io::stdout();
    if once || !out.is_terminal() {
        writeln!(out, "{}", lines(&domain.name, &look().await?, None).join("\n"))?;
        return Ok(());
    }
    write!(out, "{ENTER}")?;
    let mut before = None;
    let ended = loop {
        let now = match look().await {
            Ok(now) => now,
            Err(error) => break Err(error.into()),
        };
        let page = lines(&domain.name, &now, before.as_ref()).join(&format!("{REST_OF_LINE}\n"));
        write!(out, "{HOME}{page}{REST_OF_LINE}\n{REST}")?;
        out.flush()?;
        before = Some(now);
        tokio::select! {
            biased;
            () = tools.shutdown.cancelled() => break Ok(()),
            () = tokio::time::sleep(every) => {}
        }
    };
    write!(out, "{LEAVE}")?;
    out.flush()?;
    ended
}

/// Today's figures, by name.
fn figures(seen: &Seen) -> [(&'static str, i64); 4] {
    let of = |figure: fn(&DayFigures) -> i64| seen.today.as_ref().map_or(0, figure);
    [
        ("clicks", of(|day| day.clicks)),
        ("signups", of(|day| day.signups)),
        ("credits", of(|day| day.credits)),
        ("payments", of(|day| day.payments)),
    ]
}

/// The page.
fn lines(domain: &str, now: &Seen, before: Option<&Seen>) -> Vec<String> {
    let seconds = before.map(|before| now.at.duration_since(before.at).as_secs_f64());
    let rate = |now: i64, before: Option<i64>| match (before, seconds) {
        (Some(before), Some(seconds)) if seconds > 0.0 => {
            format!("{:+.1}/s", (now - before) as f64 / seconds)
        }
        _ => String::new(),
    };
    let mut lines = vec![format!("{domain}   {}", now.time), String::new()];
    let today = figures(now);
    let earlier = before.map(figures);
    for (place, (name, number)) in today.into_iter().enumerate() {
        let earlier = earlier.map(|figures| figures[place].1);
        lines.push(format!("{name:<28}{number:>12}  {}", rate(number, earlier)));
    }
    let Deliveries { pending, dead, .. } = now.deliveries;
    let oldest = now.oldest_seconds.map(|seconds| format!("  the oldest for {seconds} s"));
    let change = rate(pending, before.map(|before| before.deliveries.pending));
    let oldest = oldest.unwrap_or_default();
    lines.push(format!("{:<28}{pending:>12}  {change}{oldest}", "deliveries pending"));
    lines.push(format!("{:<28}{dead:>12}", "deliveries given up"));
    lines.push(String::new());
    if now.queues.is_empty() {
        lines.push("the broker does not answer".to_owned());
        return lines;
    }
    lines.push(format!("{:<28}{:>12}  {:<12}{}", "queue", "waiting", "", "consumers"));
    for depth in &now.queues {
        let earlier = before.and_then(|before| {
            let found = before.queues.iter().find(|earlier| earlier.queue == depth.queue);
            found.map(|earlier| i64::from(earlier.ready))
        });
        let (ready, consumers) = (i64::from(depth.ready), depth.consumers);
        let change = rate(ready, earlier);
        lines.push(format!("{:<28}{ready:>12}  {change:<12}{consumers}", depth.queue));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Day;

    fn seen(at: Instant, clicks: i64, ready: u32) -> Seen {
        let today = DayFigures {
            day: Day::parse("2026-11-26").unwrap(),
            clicks,
            signups: 2,
            credits: 1,
            granted: std::collections::BTreeMap::default(),
            payments: 0,
        };
        Seen {
            at,
            time: "2026-11-26 12:00:00".to_owned(),
            today: Some(today),
            deliveries: Deliveries { pending: 3, dead: 1, oldest: None },
            oldest_seconds: Some(61),
            queues: vec![Depth { queue: "referral.credits", ready, consumers: 2 }],
        }
    }

    #[test]
    fn what_moves_has_a_rate() {
        let begun = Instant::now();
        let (before, now) = (seen(begun, 100, 50), seen(begun + Duration::from_secs(2), 350, 10));
        let page = lines("default", &now, Some(&before)).join("\n");
        for part in ["+125.0/s", "-20.0/s", "+0.0/s  the oldest for 61 s", "2026-11-26 12:00:00"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let once = lines("default", &now, None).join("\n");
        assert!(once.contains("350") && !once.contains("/s"), "{once}");
        let away = Seen { queues: Vec::new(), ..now };
        assert!(lines("default", &away, None).join("\n").contains("does not answer"));
    }
}
