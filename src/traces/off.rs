//! What a program without the feature `otlp` makes of traces: one warning where it should export some.
//!
//! The same functions as in `spans`; the contexts that came are carried on as they came.
#![allow(
    clippy::unused_self,
    clippy::unused_async,
    clippy::needless_pass_by_value,
    reason = "the signatures are those of the other build"
)]
use std::{fmt::Display, time::Duration};

use tokio::runtime::Handle;

use crate::{
    domain::{Event, EventType, Trace},
    settings::TraceSettings,
};

/// No span.
pub struct Span;

impl Span {
    /// None.
    pub fn none() -> Self {
        Self
    }

    /// None: what came is carried on.
    pub fn trace(&self) -> Option<&Trace> {
        None
    }

    /// Nothing.
    pub fn answered(&mut self, _status: u16) {}

    /// Nothing.
    pub fn note<T, E: Display>(&mut self, _result: &Result<T, E>) {}

    /// Nothing.
    pub fn failed(&mut self, _why: &dyn Display) {}
}

/// No spans of a batch.
pub struct Batch;

impl Batch {
    /// Nothing.
    pub fn committed(&mut self) {}
}

/// Says that there will be none, where some are asked for.
pub fn start(settings: Option<&TraceSettings>, _runtime: &Handle) {
    if settings.is_some() {
        tracing::warn!(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this program is built without the feature otlp: no traces"
        );
    }
}

/// Nothing.
pub async fn end(_within: Duration) {}

/// None.
pub fn request(_method: &'static str, _route: &str, _parent: impl FnOnce() -> Trace) -> Span {
    Span
}

/// None.
pub fn publish(_event_type: EventType, _id: &str, _parent: impl FnOnce() -> Trace) -> Span {
    Span
}

/// None.
pub fn attempt(_number: i64, _id: &str, _parent: impl FnOnce() -> Trace) -> Span {
    Span
}

/// None.
pub fn batch<'a>(_worker: &'static str, _events: impl Iterator<Item = &'a mut Event>) -> Batch {
    Batch
}
