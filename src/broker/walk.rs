//! A walk over a dead queue: every message that lies in it now, each once, in its order.
//!
//! Owns when it ends and what is taken out. Refuses to change anything else: what is not removed goes back
//! to its place with the end of the connection, also when the process is killed; such queues count
//! deliveries without ever acting on it
//! ([`KEPT_DELIVERY_LIMIT`](super::topology::KEPT_DELIVERY_LIMIT)).
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Broker, BrokerError, Lost, Message, Session, consumer};

/// Most messages that one walk can hold: what AMQP can say of a consumer. A second consumer would mix their
/// order when they go back.
const HELD_MOST: u16 = u16::MAX;
/// A message that lay there when the walk began and has not come after so long is held by somebody else.
const QUIET: Duration = Duration::from_secs(5);
/// Removals after which the queue has to have done them: a channel keeps none back that has few to do, 32
/// in RabbitMQ 3.10 to 4.
const REMOVALS_UNASKED: u32 = 16;

/// See the module.
#[derive(Debug)]
pub struct Walk {
    // None where nothing lies: a consumer would take, and put behind the others, what comes back only now.
    session: Option<Session>,
    there: u64,
    lying: u64,
    taken: u64,
    held: u16,
    removed: u64,
    unasked: u32,
    over: bool,
}

impl Broker {
    /// Begins a walk over what lies in `queue` now, or the first `most` of it. Waits for the broker as
    /// [`consume`](Self::consume) does; `None` when shut down first.
    pub async fn walk(
        &self,
        queue: &str,
        most: Option<u16>,
        shutdown: &CancellationToken,
    ) -> Result<Option<Walk>, BrokerError> {
        let streak = self.new_streak();
        let open = || async {
            let link = self.open("walk").await?;
            let there = consumer::count(&link, queue).await?;
            let lying = most.map_or(there, |most| there.min(most.into()));
            let session = if lying == 0 {
                link.close().await;
                None
            } else {
                // No more than there are, so that what comes later is left alone.
                let most = u16::try_from(lying).unwrap_or(HELD_MOST);
                Some(Session::open(link, queue, most, streak.clone()).await?)
            };
            Ok(Walk {
                session,
                there,
                lying,
                taken: 0,
                held: 0,
                removed: 0,
                unasked: 0,
                over: lying == 0,
            })
        };
        self.insist(queue, &streak, shutdown, open).await
    }
}

impl Walk {
    /// How many messages lay in the queue when the walk began.
    pub fn there(&self) -> u64 {
        self.there
    }

    /// How many of them it goes over.
    pub fn lying(&self) -> u64 {
        self.lying
    }

    /// How many of these were not seen: somebody else holds or has taken them, or this walk holds all that
    /// it can.
    pub fn missing(&self) -> u64 {
        self.lying - self.taken
    }

    /// The next message; `None` after the last of those that lay there when the walk began. What arrives
    /// later is not seen.
    pub async fn next(&mut self) -> Result<Option<Message>, Lost> {
        let Some(session) = self.session.as_mut().filter(|_| !self.over && self.held < HELD_MOST)
        else {
            return Ok(None);
        };
        let Ok(message) = timeout(QUIET, session.next()).await else {
            self.over = true;
            return Ok(None);
        };
        let message = message?;
        self.taken += 1;
        self.held += 1;
        self.over = self.taken == self.lying;
        Ok(Some(message))
    }

    /// Takes a message out of the queue for ever, by its tag.
    pub async fn remove(&mut self, tag: u64) -> Result<(), Lost> {
        let Some(session) = &self.session else { return Err(Lost::Stopped) };
        session.ack_one(tag).await?;
        self.held -= 1;
        self.removed += 1;
        self.unasked += 1;
        if self.unasked == REMOVALS_UNASKED { self.ask().await } else { Ok(()) }
    }

    /// Ends the walk; everything that was not removed is back, everything that was is gone.
    pub async fn close(mut self) -> Result<(), Lost> {
        let asked = self.ask().await;
        let Some(session) = self.session else { return asked };
        // Who looks at once again would find nothing. Others who take some meanwhile only make it wait.
        if session.give_back(self.there.saturating_sub(self.removed)).await.is_err() {
            tracing::debug!("the messages are not back yet");
        }
        session.close().await;
        asked
    }

    /// Waits until the broker has done all removals.
    async fn ask(&mut self) -> Result<(), Lost> {
        let asking = std::mem::take(&mut self.unasked) > 0;
        if let Some(session) = self.session.as_ref().filter(|_| asking) {
            session.settled().await?;
        }
        Ok(())
    }
}
