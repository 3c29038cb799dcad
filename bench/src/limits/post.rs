//! A bare reqwest loop.
use std::time::Instant;

use anyhow::ensure;
use clap::Args;
use futures_util::{StreamExt as _, stream};

/// See the module.
#[derive(Args)]
pub struct Post {
    /// Where to.
    #[arg(long)]
    url: String,
    /// How many.
    #[arg(long)]
    count: usize,
    /// In flight.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
}

impl Post {
    /// POSTs them all.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let body = "amount=10.00&program_name=Default&user_indicator_hash=bob";
        let began = Instant::now();
        let all = stream::iter(0..self.count).map(|_| {
            let request = client.post(&self.url).body(body);
            // As many tasks as billing has, so that every core takes part.
            tokio::spawn(async move { request.send().await?.bytes().await })
        });
        let sent = all.buffer_unordered(self.concurrency);
        let done = sent.filter(|sent| std::future::ready(matches!(sent, Ok(Ok(_))))).count().await;
        ensure!(done == self.count, "{done} of {} were answered", self.count);
        println!("{}", self.count as f64 / began.elapsed().as_secs_f64());
        Ok(())
    }
}
