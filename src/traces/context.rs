//! W3C trace context as text, and as OpenTelemetry has it; which traces are sampled.
use opentelemetry::{
    Context, KeyValue,
    trace::{
        Link, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    },
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use crate::domain::{Trace, event::is_traceparent};

/// The context that was carried here, if it says that its trace is sampled.
pub fn sampled(trace: &Trace) -> Option<SpanContext> {
    let parent = trace.parent.as_deref()?;
    let flags = parent.get(53..).and_then(|flags| u8::from_str_radix(flags, 16).ok())?;
    let flags = TraceFlags::new(flags);
    // First what is cheap: most events have no trace that is sampled.
    if !flags.is_sampled() || !is_traceparent(parent) {
        return None;
    }
    let trace_id = TraceId::from_hex(&parent[3..35]).ok()?;
    let span_id = SpanId::from_hex(&parent[36..52]).ok()?;
    let state = trace.state.as_deref().and_then(|state| state.parse::<TraceState>().ok());
    Some(SpanContext::new(trace_id, span_id, flags, true, state.unwrap_or_default()))
}

/// What is carried on: this span, and the state as it came.
pub fn carried(span: &SpanContext, parent: &Trace) -> Trace {
    let (trace_id, span_id) = (span.trace_id(), span.span_id());
    let flags = span.trace_flags().to_u8();
    Trace {
        parent: Some(format!("00-{trace_id}-{span_id}-{flags:02x}")),
        state: parent.state.clone(),
    }
}

/// Follows the caller; of what begins here, requests are sampled at a ratio, and batches always: they
/// have a span only where one of their events is sampled.
#[derive(Debug, Clone)]
pub struct Following {
    /// `OTEL_TRACES_SAMPLER_ARG`.
    pub ratio: f64,
}

impl ShouldSample for Following {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let root = match kind {
            SpanKind::Server => Sampler::TraceIdRatioBased(self.ratio),
            _ => Sampler::AlwaysOn,
        };
        let decided = match parent.filter(|parent| parent.has_active_span()) {
            Some(parent) if parent.span().span_context().is_sampled() => Sampler::AlwaysOn,
            Some(_) => Sampler::AlwaysOff,
            None => root,
        };
        let result = decided.should_sample(parent, trace_id, name, kind, attributes, links);
        debug_assert_ne!(result.decision, SamplingDecision::RecordOnly);
        result
    }
}
