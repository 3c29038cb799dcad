//! Traces over OTLP: one trace from the HTTP request or the publisher's `traceparent` through broker and
//! worker to billing, in a build with the feature `otlp` and where `OTEL_EXPORTER_OTLP_ENDPOINT` is set.
//!
//! | span | kind | from … to |
//! | --- | --- | --- |
//! | `GET /ref/{code}/` | server | a request of the ingress, until its answer begins |
//! | `referral.events publish` | producer | an event, until the broker has confirmed it or the spool has it |
//! | `process referral.credits` | consumer | a batch with an event of a trace, until it is settled; linked to its events |
//! | `process referral.payment.v1` | consumer | such an event, until its batch is committed; in its own trace |
//! | `POST` | client | one attempt of billing |
//!
//! Everything else calls the functions of this room, which are the same without the feature and do
//! nothing then: no allocation, no clock. With it they begin a span only in a trace that is sampled.
//! Owns the spans and their way out. Refuses to delay or fail anything: what cannot be exported is
//! lost. What is in no span: addresses, hashes, codes, amounts, bodies, query strings, secrets.
#[cfg(feature = "otlp")]
mod context;
#[cfg(feature = "otlp")]
mod export;
#[cfg(not(feature = "otlp"))]
mod off;
#[cfg(feature = "otlp")]
mod spans;
#[cfg(all(feature = "otlp", test))]
mod tests;

#[cfg(not(feature = "otlp"))]
pub use off::{Batch, Span, attempt, batch, end, publish, request, start};
#[cfg(feature = "otlp")]
pub use spans::{Batch, Span, attempt, batch, end, publish, request, start};
