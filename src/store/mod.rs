//! The only room that knows SQL databases: connections, transactions, dialects, errors.
//!
//! What the tables are is in the `migrations` crate; who writes which, in ARCHITECTURE.md. Every
//! worker and the ingress hold one [`Store`]; it is cheap to clone.
pub mod access;
pub mod accounts;
mod arrays;
pub mod catalogues;
pub mod codes;
mod connection;
pub mod counts;
pub mod deliveries;
pub mod dialect;
mod error;
mod expired;
pub mod happened;
pub mod indications;
pub mod letters;
pub mod overview;
pub mod partners;
pub mod payouts;
pub mod programmes;
pub mod prune;
pub mod rates;
pub mod rebuild;
pub mod records;
pub mod reference;
pub mod referred;
pub mod referrers;
pub mod registry;
pub mod remote;
pub mod rows;
pub mod sessions;
pub mod site_events;
pub mod sites;
pub mod spool;
mod statement;
pub mod tenants;
mod transaction;

pub use connection::{New, Store, StoreSettings, Tx};
pub use error::StoreError;
pub use rows::{Param, Row, Rows};
