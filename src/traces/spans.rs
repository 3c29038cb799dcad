//! The spans, named and described by OpenTelemetry's semantic conventions for HTTP and messaging.
//!
//! A span ends when it is dropped. Only a trace that is sampled, or that begins here, has any.
use std::{borrow::Cow, fmt::Display, sync::OnceLock, time::Duration};

use opentelemetry::{
    Context, KeyValue,
    trace::{
        Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
        TracerProvider as _,
    },
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span as SdkSpan};
use tokio::runtime::Handle;

use super::{
    context::{carried, sampled},
    export::{self, LINKS_MAX},
};
use crate::{
    broker::topology::EVENTS,
    domain::{Event, EventType, Trace},
    settings::TraceSettings,
};

/// Set once, by a program that exports traces.
static ON: OnceLock<On> = OnceLock::new();

struct On {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl On {
    fn begin(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Option<SpanContext>,
        attributes: Vec<KeyValue>,
        links: Vec<Link>,
    ) -> SdkSpan {
        let span = self.tracer.span_builder(name).with_kind(kind);
        let span = span.with_attributes(attributes).with_links(links);
        let parent = parent
            .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        span.start_with_context(&self.tracer, &parent)
    }
}

/// From here on there are traces, where they are wanted.
pub fn start(settings: Option<&TraceSettings>, runtime: &Handle) {
    let Some(settings) = settings else { return };
    match export::provider(settings, runtime) {
        Ok(provider) => {
            let tracer = provider.tracer("referral");
            // A second start in one process (tests) keeps the first.
            drop(ON.set(On { provider, tracer }));
        }
        // The settings were checked; the program does its work without.
        Err(error) => tracing::error!("no traces: {error:#}"),
    }
}

/// Exports what is left, for so long at most; from here on there are none.
pub async fn end(within: Duration) {
    let Some(on) = ON.get() else { return };
    let ending = tokio::task::spawn_blocking(move || on.provider.shutdown_with_timeout(within));
    if let Ok(Err(error)) = ending.await {
        tracing::debug!(%error, "the last traces are lost");
    }
}

/// A span under way, or none.
pub struct Span(Option<Open>);

struct Open {
    span: SdkSpan,
    trace: Trace,
    kind: SpanKind,
}

impl Span {
    /// None.
    pub fn none() -> Self {
        Self(None)
    }

    fn child(
        on: &On,
        name: &'static str,
        kind: SpanKind,
        parent: &Trace,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Self {
        let Some(context) = sampled(parent) else { return Self(None) };
        let span = on.begin(name, kind.clone(), Some(context), attributes(), Vec::new());
        Self::open(span, kind, parent)
    }

    fn open(span: SdkSpan, kind: SpanKind, parent: &Trace) -> Self {
        let trace = carried(span.span_context(), parent);
        Self(Some(Open { span, trace, kind }))
    }

    /// What is carried on instead of what came; none where there is no span.
    pub fn trace(&self) -> Option<&Trace> {
        self.0.as_ref().map(|open| &open.trace)
    }

    /// The answer's status: of a request that came, or of one that was made.
    pub fn answered(&mut self, status: u16) {
        let Some(Open { span, kind, .. }) = &mut self.0 else { return };
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        let failed = match kind {
            SpanKind::Server => status >= 500,
            _ => !(200..300).contains(&status),
        };
        if failed {
            span.set_attribute(KeyValue::new("error.type", status.to_string()));
            span.set_status(Status::error(""));
        }
    }

    /// What came of it.
    pub fn note<T, E: Display>(&mut self, result: &Result<T, E>) {
        if let Err(error) = result {
            self.failed(error);
        }
    }

    /// It came to nothing.
    pub fn failed(&mut self, why: &dyn Display) {
        if let Some(Open { span, .. }) = &mut self.0 {
            span.set_status(Status::error(why.to_string()));
        }
    }
}

/// A request of the ingress; `route` is a template, empty where there is none.
pub fn request(method: &'static str, route: &str, parent: impl FnOnce() -> Trace) -> Span {
    let Some(on) = ON.get() else { return Span(None) };
    let parent = parent();
    let context = sampled(&parent);
    // The caller has decided that there is no trace.
    if context.is_none() && parent.parent.is_some() {
        return Span(None);
    }
    let mut attributes = vec![KeyValue::new("http.request.method", method)];
    let name = if route.is_empty() {
        Cow::Borrowed(method)
    } else {
        attributes.push(KeyValue::new("http.route", route.to_owned()));
        Cow::Owned(format!("{method} {route}"))
    };
    let span = on.begin(name, SpanKind::Server, context, attributes, Vec::new());
    Span::open(span, SpanKind::Server, &parent)
}

/// An event on its way to the broker.
pub fn publish(event_type: EventType, id: &str, parent: impl FnOnce() -> Trace) -> Span {
    let Some(on) = ON.get() else { return Span(None) };
    Span::child(on, "referral.events publish", SpanKind::Producer, &parent(), || {
        vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.operation.name", "publish"),
            KeyValue::new("messaging.destination.name", EVENTS),
            KeyValue::new("messaging.rabbitmq.destination.routing_key", event_type.routing_key()),
            KeyValue::new("messaging.message.id", id.to_owned()),
        ]
    })
}

/// An attempt of billing, the first of a delivery has number 1.
pub fn attempt(number: i64, id: &str, parent: impl FnOnce() -> Trace) -> Span {
    let Some(on) = ON.get() else { return Span(None) };
    Span::child(on, "POST", SpanKind::Client, &parent(), || {
        vec![
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.request.resend_count", number - 1),
            KeyValue::new("referral.attempt", number),
            KeyValue::new("referral.delivery.id", id.to_owned()),
        ]
    })
}

/// The spans of a batch, or none.
pub struct Batch(Option<OpenBatch>);

struct OpenBatch {
    span: SdkSpan,
    events: Vec<SdkSpan>,
}

/// Of these events, those of a sampled trace have a span each, as does the batch if there are any; what
/// they carry on is their span.
pub fn batch<'a>(worker: &'static str, events: impl Iterator<Item = &'a mut Event>) -> Batch {
    let Some(on) = ON.get() else { return Batch(None) };
    let mut count = 0;
    let mut traced = Vec::new();
    for event in events {
        count += 1;
        traced.extend(sampled(&event.trace).map(|context| (context, event)));
    }
    if traced.is_empty() {
        return Batch(None);
    }
    let queue = format!("referral.{worker}");
    let link = |context: &SpanContext| Link::new(context.clone(), Vec::new(), 0);
    let links = traced.iter().take(LINKS_MAX).map(|(context, _)| link(context)).collect();
    let mut attributes = of_queue(&queue);
    attributes.push(KeyValue::new("messaging.batch.message_count", count));
    let name = format!("process {queue}");
    let span = on.begin(name, SpanKind::Consumer, None, attributes, links);
    let whole = link(span.span_context());
    let events = traced.into_iter().map(|(context, event)| {
        let event_type = event.data.event_type();
        let mut attributes = of_queue(&queue);
        attributes.push(KeyValue::new("messaging.message.id", event.id.clone()));
        attributes.push(KeyValue::new(
            "messaging.rabbitmq.destination.routing_key",
            event_type.routing_key(),
        ));
        let name = format!("process {}", event_type.as_str());
        let links = vec![whole.clone()];
        let span = on.begin(name, SpanKind::Consumer, Some(context), attributes, links);
        event.trace = carried(span.span_context(), &event.trace);
        span
    });
    let events = events.collect();
    Batch(Some(OpenBatch { span, events }))
}

fn of_queue(queue: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "rabbitmq"),
        KeyValue::new("messaging.operation.type", "process"),
        KeyValue::new("messaging.operation.name", "process"),
        KeyValue::new("messaging.destination.name", queue.to_owned()),
    ]
}

impl Batch {
    /// Its transaction is committed.
    pub fn committed(&mut self) {
        if let Some(OpenBatch { events, .. }) = &mut self.0 {
            events.clear();
        }
    }
}

impl Drop for OpenBatch {
    /// What is left was not committed.
    fn drop(&mut self) {
        let again = || Status::error("not committed: it comes again");
        if !self.events.is_empty() {
            self.span.set_status(again());
        }
        self.events.iter_mut().for_each(|span| span.set_status(again()));
    }
}
