//! The span that an event's way to the broker is, and the event with its context.
use std::borrow::Cow;

use crate::{broker::compose::Draft, traces};

/// The draft with the context of its span, where there is one. Whoever keeps it in two places keeps
/// this one, so that both have the same bytes.
pub fn traced(draft: &Draft) -> (Cow<'_, Draft>, traces::Span) {
    let span = traces::publish(draft.event_type, &draft.id, || draft.trace.clone());
    let draft = match span.trace() {
        Some(trace) => Cow::Owned(Draft { trace: trace.clone(), ..draft.clone() }),
        None => Cow::Borrowed(draft),
    };
    (draft, span)
}
