//! The map of the house, in reading order.
pub mod broker;
pub mod domain;
pub mod store;
