//! What the business knows, and nothing else: pure types and rules.
//!
//! No I/O, no clock, no randomness, no async in here; whatever depends on the time takes it as
//! a parameter. Everything is made by parsing, so that nothing invalid can be built.
pub mod bot;
pub mod catalogue;
pub mod day;
pub mod decimal;
pub mod event;
pub mod host;
pub mod ids;
pub mod key;
pub mod landing;
pub mod money;
pub mod rate;
pub mod reason;
pub mod retry_after;

pub use catalogue::Catalogue;
pub use day::{Day, Micros};
pub use decimal::Decimal;
pub use event::{Click, Data, Event, EventType, Payment, Signup, Trace};
pub use host::Host;
pub use ids::{Code, Currency, Email, UserHash};
pub use key::EventKey;
pub use money::Money;
pub use rate::{Rate, Rates};
pub use reason::{Bad, Reason};
