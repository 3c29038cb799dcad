//! Lapin's bare drain: take, and acknowledge many at once.
use anyhow::Context as _;
use clap::Args;
use futures_util::StreamExt as _;
use lapin::{Connection, ConnectionProperties, options::BasicAckOptions};

use super::consume;

/// See the module.
#[derive(Args)]
pub struct Drain {
    /// The broker.
    #[arg(long)]
    amqp: String,
    /// The queue.
    #[arg(long)]
    queue: String,
    /// Messages to take.
    #[arg(long)]
    count: u64,
    /// Messages that the broker hands over before acks.
    #[arg(long, default_value_t = 10_000)]
    prefetch: u16,
    /// One ack for so many.
    #[arg(long, default_value_t = 1_000)]
    ack_every: u64,
}

impl Drain {
    /// Takes so many messages, and ends.
    pub async fn run(self) -> anyhow::Result<()> {
        let connection = Connection::connect(&self.amqp, ConnectionProperties::default()).await?;
        let (channel, mut consumer) = consume(&connection, &self.queue, self.prefetch).await?;
        for taken in 1..=self.count {
            let delivery = consumer.next().await.context("the consumer ended")??;
            std::hint::black_box(&delivery.data);
            if taken % self.ack_every == 0 || taken == self.count {
                channel
                    .basic_ack(delivery.delivery_tag, BasicAckOptions { multiple: true })
                    .await?;
            }
        }
        connection.close(200, "OK".into()).await?;
        Ok(())
    }
}
