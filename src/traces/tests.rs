//! What is a trace that is sampled, what is carried on, and what begins here.
use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{SamplingDecision, ShouldSample as _};

use super::context::{Following, carried, sampled};
use crate::domain::Trace;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn trace(parent: &str) -> Trace {
    Trace { parent: Some(parent.to_owned()), state: Some("vendor=1".to_owned()) }
}

#[test]
fn only_a_valid_traceparent_that_says_so_is_sampled() {
    for (parent, expected) in [
        (PARENT, true),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", true),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02", false),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
        ("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("00-a-b-01", false),
        ("ééééééééééééééééééééééééééééééé", false),
        ("", false),
    ] {
        assert_eq!(sampled(&trace(parent)).is_some(), expected, "{parent}");
    }
    assert_eq!(sampled(&Trace::default()), None);
    let context = sampled(&trace(PARENT)).unwrap();
    assert_eq!(context.trace_state().header(), "vendor=1");
}

#[test]
fn what_is_carried_on_names_the_span_and_keeps_the_state() {
    for state in [Some("vendor=1"), Some("no state at all"), None] {
        let parent = Trace { state: state.map(str::to_owned), ..trace(PARENT) };
        let context = sampled(&parent).unwrap();
        assert_eq!(carried(&context, &parent), parent, "the same span, the same text");
    }
}

#[test]
fn the_ratio_is_of_requests_that_begin_a_trace() {
    let decision = |ratio, kind| {
        let trace_id = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap();
        Following { ratio }.should_sample(None, trace_id, "", &kind, &[], &[]).decision
    };
    assert_eq!(decision(1.0, SpanKind::Server), SamplingDecision::RecordAndSample);
    assert_eq!(decision(0.0, SpanKind::Server), SamplingDecision::Drop);
    assert_eq!(decision(0.0, SpanKind::Consumer), SamplingDecision::RecordAndSample, "a batch");
}
