//! Billing's webhook (contract 6): one POST that tells of a credit, as the billing worker and
//! `referral deliveries test` both send it.
//!
//! | module | what it owns |
//! | --- | --- |
//! | [`body`] | what is told |
//! | [`target`] | where |
//! | [`sign`] | the signature |
//! | [`send`] | the exchange: headers, connections, deadline, how much of an answer is read |
//!
//! Refuses to know rows and attempts, when there is another one, and what an answer means for it.
pub mod body;
pub mod send;
pub mod sign;
pub mod target;

pub use body::{Credit, Format};
pub use send::{Exchange, Sender};
pub use sign::Signer;
pub use target::{Destination, Target};
