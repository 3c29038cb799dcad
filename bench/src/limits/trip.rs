//! A bare round trip: publish at a fixed rate with confirms, consume, compare clocks.
use anyhow::Context as _;
use clap::Args;
use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicAckOptions, BasicPublishOptions, ConfirmSelectOptions},
};
use referral::clock::Clock;

use super::consume;
use crate::load::{percentile, ticks};

/// Messages that the broker hands over before acks.
const PREFETCH: u16 = 1_000;
/// Messages of one ack: one for each would be the limit itself, at some thousands a second.
const ACK_EVERY: usize = 100;

/// See the module.
#[derive(Args)]
pub struct Trip {
    /// The broker.
    #[arg(long)]
    amqp: String,
    /// The queue.
    #[arg(long)]
    queue: String,
    /// Messages a second.
    #[arg(long)]
    rate: usize,
    /// For so long.
    #[arg(long)]
    seconds: u64,
}

impl Trip {
    /// Prints the 99th percentile in milliseconds.
    pub async fn run(self) -> anyhow::Result<()> {
        let connection = Connection::connect(&self.amqp, ConnectionProperties::default()).await?;
        let (_channel, mut consumer) = consume(&connection, &self.queue, PREFETCH).await?;
        let count = self.rate * (self.seconds as usize + 1);
        let publishing = tokio::spawn(publish(connection, self.queue, self.rate, count));
        let mut took = Vec::with_capacity(count);
        while took.len() < count {
            let delivery = consumer.next().await.context("the consumer ended")??;
            let sent: i64 = std::str::from_utf8(&delivery.data)?.trim().parse()?;
            took.push((Clock::system().now().0 - sent) as f64 / 1e3);
            if took.len().is_multiple_of(ACK_EVERY) || took.len() == count {
                delivery.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        publishing.await??;
        // As of ours, the first second is none of it.
        println!("{}", percentile(&mut took[self.rate..], 0.99));
        Ok(())
    }
}

async fn publish(
    connection: Connection,
    queue: String,
    rate: usize,
    count: usize,
) -> anyhow::Result<()> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut ticks = ticks(rate, count);
    let mut confirms = tokio::task::JoinSet::new();
    while let Some(number) = ticks.next().await {
        for _ in 0..number {
            // As long as an event.
            let body = format!("{:>300}", Clock::system().now().0);
            let properties = BasicProperties::default().with_delivery_mode(2);
            let confirm = channel
                .basic_publish(
                    "".into(),
                    queue.as_str().into(),
                    BasicPublishOptions::default(),
                    body.as_bytes(),
                    properties,
                )
                .await?;
            confirms.spawn(confirm);
        }
    }
    while let Some(confirm) = confirms.join_next().await {
        confirm??;
    }
    Ok(())
}
