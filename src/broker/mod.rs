//! broker
pub mod envelope;
