//! How a click is kept (contract 2): confirmed by the broker or, after `CLICK_CONFIRM` without, in the
//! durable spool. Only then is its visitor answered.
//!
//! Both may come to pass; it is the same event, byte for byte, and counts once. A confirm that nobody
//! waits for any more is awaited by the lane's own task.
use std::{pin::pin, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};

use super::{
    group::Groups,
    problem::Refusal,
    spool::{NotKept, Spool},
    traced::traced,
};
use crate::broker::{PublishError, compose::Draft};

/// Keeps clicks.
pub struct Clicks {
    /// The way to the broker.
    pub groups: Groups,
    /// Where those go that it does not confirm.
    pub spool: Spool,
    /// `CLICK_CONFIRM`.
    pub confirm: Duration,
}

impl Clicks {
    /// Keeps a click; an error says that it is not, or not known to be, kept.
    pub async fn keep(&self, draft: &Draft) -> Result<(), Refusal> {
        let (draft, mut span) = traced(draft);
        let kept = self.keep_as_it_is(&draft).await;
        if kept.is_err() {
            span.failed(&"neither confirmed nor in the spool");
        }
        kept
    }

    async fn keep_as_it_is(&self, draft: &Draft) -> Result<(), Refusal> {
        if self.spool.broker_is_away() {
            return Box::pin(self.keep_without_broker(draft)).await;
        }
        let (begun, patience) = (Instant::now(), self.groups.click_patience());
        let mut publishing = pin!(self.groups.click(draft));
        // One timer for each click: the lane's deadline is for those that wait on.
        let failed = match timeout(self.confirm.min(patience), &mut publishing).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(PublishError::TooLarge)) => return Err(PublishError::TooLarge.into()),
            Ok(Err(_)) => true,
            Err(_) => false,
        };
        self.spool.doubt_broker();
        match Box::pin(self.spool.keep(draft)).await {
            // No room or no disk: a late confirm is as good.
            Err(_) if !failed => {
                let late = timeout_at(begun + patience, publishing).await;
                Ok(late.unwrap_or(Err(PublishError::TimedOut))?)
            }
            kept => Ok(kept?),
        }
    }

    async fn keep_without_broker(&self, draft: &Draft) -> Result<(), Refusal> {
        let Err(not_kept) = self.spool.keep(draft).await else { return Ok(()) };
        // No room or no disk: it may be back, or was only slow once.
        let sent = self.groups.publish_json(draft.event_type, &draft.id, draft.to_json()).await;
        sent.map_err(|_| not_kept.into())
    }
}

impl From<NotKept> for Refusal {
    fn from(error: NotKept) -> Self {
        Self::unavailable(error.to_string())
    }
}
