//! How full the queues are, asked of the broker again and again, on a connection of its own: one that
//! publishes is blocked by a broker in alarm, just when somebody wants to know.
use std::{future::Future, time::Duration};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    Broker, BrokerError,
    connection::{Failure, Link},
    consumer,
    topology::{Role, topology},
};

/// How often it is asked.
pub const EVERY: Duration = Duration::from_secs(5);
/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// One queue, as the broker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Its name.
    pub queue: &'static str,
    /// Messages that nobody has been handed.
    pub ready: u32,
    /// Who consumes it.
    pub consumers: u32,
}

impl Broker {
    /// Tells `see` of all queues every [`EVERY`], and of `None` once the broker is away, until
    /// `shutdown`.
    pub async fn watch_depths(
        &self,
        shutdown: &CancellationToken,
        see: impl Fn(Option<&[Depth]>),
    ) -> Result<(), BrokerError> {
        let streak = self.streak("depths");
        while let Some(link) =
            self.insist("depths", &streak, shutdown, || self.open("depths")).await?
        {
            let born = tokio::time::Instant::now();
            let lost = loop {
                match answered(depths(&link)).await {
                    Ok(depths) => see(Some(&depths)),
                    Err(reason) => break Some(reason),
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = shutdown.cancelled() => break None,
                }
            };
            see(None);
            streak.ended(lost.is_some(), born.elapsed());
            let Some(reason) = lost else {
                link.close().await;
                break;
            };
            tracing::debug!(reason, "the queues cannot be asked for");
        }
        Ok(())
    }
}

async fn answered<T>(asked: impl Future<Output = Result<T, Failure>>) -> Result<T, String> {
    match timeout(ANSWER_TIMEOUT, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Failure::Outage(reason))) => Err(reason),
        Ok(Err(Failure::Refusal(error))) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())),
    }
}

async fn depths(link: &Link) -> Result<Vec<Depth>, Failure> {
    let mut depths = Vec::new();
    // Those that are worked on come first: it is they that people look for.
    for role in [Role::Work, Role::Kept] {
        for queue in topology().queues {
            if queue.role == role {
                depths.push(depth(link, queue.name).await?);
            }
        }
    }
    Ok(depths)
}

async fn depth(link: &Link, queue: &'static str) -> Result<Depth, Failure> {
    let found = consumer::look(&link.channel, queue).await?;
    Ok(Depth { queue, ready: found.message_count(), consumers: found.consumer_count() })
}
