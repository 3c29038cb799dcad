//! Load at a fixed rate, and by wrk; percentiles.
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::program::output;

/// How long wrk warms a server up before it is measured.
const WARM_UP: &str = "1s";

/// Says how many to send now, so that so many a second are sent however late a tick comes.
pub struct Ticks {
    rate: usize,
    left: usize,
    sent: usize,
    began: Instant,
    interval: tokio::time::Interval,
}

/// So many a second until `count`.
pub fn ticks(rate: usize, count: usize) -> Ticks {
    let interval = tokio::time::interval(Duration::from_millis(1));
    Ticks { rate, left: count, sent: 0, began: Instant::now(), interval }
}

impl Ticks {
    /// Waits for the next; `None` when all are sent.
    pub async fn next(&mut self) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        self.interval.tick().await;
        let due = (self.began.elapsed().as_secs_f64() * self.rate as f64) as usize;
        let now = due.saturating_sub(self.sent).min(self.left);
        self.sent += now;
        self.left -= now;
        Some(now)
    }
}

/// The value that this share of them does not exceed.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// What wrk measured.
#[derive(Debug, Clone, Copy)]
pub struct Wrk {
    /// Answers, all good.
    pub answers: u64,
    /// A second.
    pub rate: f64,
    /// 99th percentile in milliseconds.
    pub p99_ms: f64,
}

/// Loads a URL by so many connections, after a short warm-up; how many answers that had is added.
pub async fn wrk(url: &str, connections: usize, seconds: u64) -> anyhow::Result<Wrk> {
    let connections = format!("-c{connections}");
    let seconds = format!("-d{seconds}s");
    let warm = format!("-d{WARM_UP}");
    let file = std::path::Path::new("wrk");
    let first = read(&output(file, &["-t1", &connections, &warm, "--latency", url]).await?)?;
    let mut wrk = read(&output(file, &["-t1", &connections, &seconds, "--latency", url]).await?)?;
    wrk.answers += first.answers;
    Ok(wrk)
}

fn read(said: &str) -> anyhow::Result<Wrk> {
    ensure!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "wrk: {said}");
    let after = |label: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(label));
        line.map(str::trim).with_context(|| format!("{label} in: {said}"))
    };
    let answers = said.lines().find_map(|line| line.trim().split_once(" requests in "));
    Ok(Wrk {
        answers: answers.context("requests")?.0.parse()?,
        rate: after("Requests/sec:")?.parse()?,
        p99_ms: millis(after("99%")?)?,
    })
}

fn millis(text: &str) -> anyhow::Result<f64> {
    let (number, factor) = match text {
        _ if text.ends_with("us") => (text.trim_end_matches("us"), 1e-3),
        _ if text.ends_with("ms") => (text.trim_end_matches("ms"), 1.0),
        _ => (text.trim_end_matches('s'), 1e3),
    };
    Ok(number.parse::<f64>()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let said = "Running 1s test\n  Latency Distribution\n     50%    4.51ms\n     99%  920.00us\n  \
            48251 requests in 1.10s, 7.36MB read\nRequests/sec:  43880.51\nTransfer/sec: 6.69MB\n";
        let wrk = read(said).unwrap();
        assert_eq!((wrk.answers, wrk.rate), (48_251, 43_880.51));
        assert!((wrk.p99_ms - 0.92).abs() < 1e-9);
        assert!(read(&said.replace("Requests/sec", "Non-2xx or 3xx responses: 3")).is_err());
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let mut values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!((percentile(&mut values, 0.99) - 198.0).abs() < 1e-9);
        assert!((percentile(&mut [7.0], 0.99) - 7.0).abs() < 1e-9);
    }
}
