//! Connecting, for ever and politely: [`Broker`] opens connections with the topology declared.
//!
//! Owns settings, back-off and what is a refusal rather than an outage. Refuses lapin's own recovery:
//! after any error everything of a connection is dropped and made anew. Never logs the address, which
//! holds a password.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::Stream;
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind, Event, uri::AMQPUri};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Counts, Publisher, Session, addresses::Addresses, pace::Streak, topology};

/// How long a graceful close waits for the broker's answer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How to reach the broker, and what to expect of it.
#[derive(Clone)]
pub struct BrokerSettings {
    /// `amqp://` or `amqps://` with user, password, host and virtual host; several for the nodes of a
    /// cluster, with commas between them. A secret.
    pub url: String,
    /// The name shown in the broker's list of connections.
    pub connection_name: String,
    /// How long a publish may take from call to confirm (5 s).
    pub publish_timeout: Duration,
    /// How long one try to connect may take: TCP, TLS, handshake, topology, consumer (30 s). Generous,
    /// for a three-node cluster that has just started.
    pub try_timeout: Duration,
    /// The heartbeat in seconds (10); a dead peer is noticed within two.
    pub heartbeat: u16,
    /// The largest body published, in bytes (`MAX_MESSAGE`, 4 MiB).
    pub max_message: usize,
}

impl BrokerSettings {
    /// Contract 1's defaults for this address.
    pub fn new(url: impl Into<String>, connection_name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connection_name: connection_name.into(),
            publish_timeout: Duration::from_secs(5),
            try_timeout: Duration::from_secs(30),
            heartbeat: 10,
            max_message: 4 * 1024 * 1024,
        }
    }
}

impl fmt::Debug for BrokerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerSettings")
            .field("url", &"<redacted>")
            .field("connection_name", &self.connection_name)
            .field("publish_timeout", &self.publish_timeout)
            .field("try_timeout", &self.try_timeout)
            .field("heartbeat", &self.heartbeat)
            .field("max_message", &self.max_message)
            .finish()
    }
}

/// What waiting cannot mend: the program should say it and exit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// Something of the topology exists otherwise (406), or its arguments are not accepted. Nothing
    /// is changed or deleted: compare with contract 1 and delete or migrate it by hand.
    #[error("the broker has {object} declared otherwise than contract 1 says: {detail}")]
    Topology {
        /// Kind and name, such as `queue referral.credits`.
        object: String,
        /// The broker's own words.
        detail: String,
    },
    /// The address is not one, or one of them is not. (It is not repeated here: it may hold a password.)
    #[error("the broker's address is not an amqp:// or amqps:// URL")]
    Address,
}

/// Why one try to connect failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may work later.
    Outage(String),
    /// It will not.
    Refusal(BrokerError),
}

impl Failure {
    /// A failed declaration: a refusal if the broker says 406, an outage otherwise.
    pub(super) fn of_declaration(object: String, error: &lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(e) if e.get_id() == PRECONDITION_FAILED => {
                Self::Refusal(BrokerError::Topology { object, detail: e.get_message().to_string() })
            }
            _ => Self::Outage(format!("{object}: {error}")),
        }
    }
}

impl From<lapin::Error> for Failure {
    fn from(error: lapin::Error) -> Self {
        Self::Outage(error.to_string())
    }
}

/// AMQP's code for an object that exists otherwise.
const PRECONDITION_FAILED: u16 = 406;

/// One open connection with one channel. Dropping it closes both.
pub(super) struct Link {
    // Dropped in this order.
    pub(super) channel: Channel,
    connection: Open,
}

impl Link {
    /// Closes and waits a moment for the broker to say so; what is unacknowledged goes back.
    pub(super) async fn close(self) {
        close(&self.connection.0).await;
    }

    /// Another channel of the same connection.
    pub(super) async fn another_channel(&self) -> lapin::Result<Channel> {
        self.connection.0.create_channel().await
    }

    /// What the broker says of the connection.
    pub(super) fn events(&self) -> impl Stream<Item = Event> + Send {
        self.connection.0.events_listener()
    }
}

/// A connection that is closed however it is left. lapin's own would stay open for as long as any of its
/// calls awaits an answer: a try to consume that was given up became, with a late answer, a consumer that
/// nobody reads.
struct Open(Arc<Connection>);

impl Drop for Open {
    fn drop(&mut self) {
        if !self.0.status().connected() {
            return;
        }
        let connection = Arc::clone(&self.0);
        // Without a runtime the program has ended, and its connections with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { close(&connection).await });
        }
    }
}

async fn close(connection: &Connection) {
    let closing = connection.close(200, "OK".into());
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
}

/// The way to the broker. Cheap to clone; holds no connection of its own.
#[derive(Clone)]
pub struct Broker {
    settings: Arc<BrokerSettings>,
    addresses: Option<Arc<Addresses>>,
    streaks: Arc<Mutex<Vec<(String, Streak)>>>,
    counts: Counts,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Broker {
    /// Connects nowhere yet.
    pub fn new(settings: BrokerSettings) -> Self {
        Self::counted(settings, Counts::default())
    }

    /// The same, counting into `counts`.
    pub fn counted(settings: BrokerSettings, counts: Counts) -> Self {
        let addresses = Addresses::parse(&settings.url).map(Arc::new);
        Self { settings: Arc::new(settings), addresses, streaks: Arc::default(), counts }
    }

    /// Waits for ever (back-off with full jitter 0.2 to 30 s, one warning a try) until connected,
    /// the topology declared and `queue` consumed with at most `prefetch` messages unacknowledged.
    /// `None` when shut down first.
    pub async fn consume(
        &self,
        queue: &str,
        prefetch: u16,
        shutdown: &CancellationToken,
    ) -> Result<Option<Session>, BrokerError> {
        let streak = self.streak(queue);
        let open = || async {
            let link = self.open("consume").await?;
            Session::open(link, queue, prefetch, streak.clone()).await
        };
        self.insist(queue, &streak, shutdown, open).await
    }

    /// Waits in the same way until the topology is declared, then disconnects: for a program that
    /// only publishes, so that it refuses to start where [`consume`](Self::consume) would. False
    /// when shut down first.
    pub async fn declare(&self, shutdown: &CancellationToken) -> Result<bool, BrokerError> {
        let open = || async {
            self.open("declare").await?.close().await;
            Ok(())
        };
        let streak = self.new_streak();
        let done = self.insist("topology", &streak, shutdown, open).await?;
        Ok(done.is_some())
    }

    /// Spawns the publisher's task, with a connection of its own (a broker in alarm blocks every
    /// write of a connection that publishes, acknowledgements too), which it repairs by itself.
    /// Cancelling `shutdown`, or dropping every [`Publisher`], lets it confirm what it has and end.
    pub fn publisher(&self, shutdown: CancellationToken) -> Publisher {
        Publisher::spawn(self.clone(), shutdown)
    }

    pub(super) fn settings(&self) -> &BrokerSettings {
        &self.settings
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn new_streak(&self) -> Streak {
        Streak::counted(self.counts.clone())
    }

    /// Of everybody who connects for this purpose.
    pub(super) fn streak(&self, purpose: &str) -> Streak {
        let mut streaks = self.streaks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, streak)) = streaks.iter().find(|(name, _)| name == purpose) {
            return streak.clone();
        }
        let streak = self.new_streak();
        streaks.push((purpose.to_owned(), streak.clone()));
        streak
    }

    /// Tries until it works, is refused, or is shut down (`None`).
    pub(super) async fn insist<T, F>(
        &self,
        purpose: &str,
        streak: &Streak,
        shutdown: &CancellationToken,
        open: impl Fn() -> F,
    ) -> Result<Option<T>, BrokerError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        while streak.wait(shutdown).await {
            let limit = self.settings.try_timeout;
            let one_try = tokio::time::timeout(limit, open());
            let outcome = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(None),
                outcome = one_try => outcome,
            };
            let reason = match outcome {
                Ok(Ok(opened)) => {
                    self.counts.connection("opened");
                    info!(purpose, "connected to the broker");
                    return Ok(Some(opened));
                }
                Ok(Err(Failure::Refusal(error))) => return Err(error),
                Ok(Err(Failure::Outage(reason))) => reason,
                Err(_) => format!("no answer within {limit:?}"),
            };
            streak.failed();
            self.counts.connection("failed");
            warn!(purpose, reason, "the broker cannot be reached; trying again");
        }
        Ok(None)
    }

    /// One connection, one channel, the topology declared on it.
    pub(super) async fn open(&self, role: &str) -> Result<Link, Failure> {
        let address = self.addresses.as_ref().and_then(|all| all.next().parse().ok());
        let mut uri: AMQPUri = address.ok_or(Failure::Refusal(BrokerError::Address))?;
        uri.query.heartbeat = Some(self.settings.heartbeat);
        uri.query.connection_timeout = Some(self.settings.try_timeout.as_millis() as u64);
        let name = format!("{} ({role})", self.settings.connection_name);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = Open(Arc::new(Connection::connect_uri(uri, properties).await?));
        let channel = connection.0.create_channel().await?;
        let link = Link { channel, connection };
        topology::declare(&link.channel).await?;
        Ok(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_never_shown() {
        let settings = BrokerSettings::new("amqp://user:canary@host/vhost", "test");
        let shown = format!("{settings:?} {:?}", Broker::new(settings.clone()));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
