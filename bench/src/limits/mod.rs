//! The bare limits: what the libraries do with nothing around them. Each is a command of this binary,
//! so that it runs as a process of its own, as the programs do that are compared with it.
pub mod drain;
mod hello;
mod post;
mod sink;
pub mod trip;

use clap::Subcommand;
use lapin::{
    Channel, Connection, Consumer,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};

/// See the module.
#[derive(Subcommand)]
pub enum Limit {
    /// Takes messages out of a queue with lapin and acknowledges them; prints nothing.
    Drain(drain::Drain),
    /// An HTTP server that says hello; prints its address.
    Hello,
    /// POSTs with reqwest; prints how many a second.
    Post(post::Post),
    /// An HTTP server that takes every POST; prints its address.
    Sink(sink::Sink),
    /// Publishes at a fixed rate, confirmed, and consumes; prints the 99th percentile in ms.
    Trip(trip::Trip),
}

/// Runs one.
pub async fn run(limit: Limit) -> anyhow::Result<()> {
    match limit {
        Limit::Drain(drain) => drain.run().await,
        Limit::Hello => hello::serve().await,
        Limit::Post(post) => post.run().await,
        Limit::Sink(sink) => sink.serve().await,
        Limit::Trip(trip) => trip.run().await,
    }
}

/// Consumes a queue, on a channel of its own.
async fn consume(
    connection: &Connection,
    queue: &str,
    prefetch: u16,
) -> anyhow::Result<(Channel, Consumer)> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let consumer =
        channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
    Ok((channel, consumer))
}
