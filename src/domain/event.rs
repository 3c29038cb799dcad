//! The three facts that upstream systems publish (contract 1), already checked.
//!
//! `broker::envelope` makes these from messages; the workers only ever see these.
use super::{Code, Currency, Email, EventKey, Micros, Money, UserHash};

/// Longest text of an event, in characters, unless its member says less (contract 1).
pub const TEXT_MAX_CHARS: usize = 2048;
/// The domain of an event that names none.
pub const DEFAULT_DOMAIN: &str = "default";

/// One checked event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Names the event for ever.
    pub key: EventKey,
    /// CloudEvents `id`.
    pub id: String,
    /// CloudEvents `source`.
    pub source: String,
    /// CloudEvents `time`: decides the day.
    pub time: Micros,
    /// The tenant's name; whether there is such a domain, the database knows.
    pub domain: String,
    /// Distributed-tracing context, carried to the webhook.
    pub trace: Trace,
    /// The fact itself.
    pub data: Data,
}

/// CloudEvents distributed-tracing extension, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// W3C `traceparent`.
    pub parent: Option<String>,
    /// W3C `tracestate`.
    pub state: Option<String>,
}

/// W3C Trace Context, version 00: anything else is not passed on.
pub fn is_traceparent(text: &str) -> bool {
    let lower_hex =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let nought = |part: &str| part.bytes().all(|b| b == b'0');
    let mut parts = text.split('-');
    let mut next = || parts.next();
    matches!((next(), next(), next(), next(), next()),
        (Some("00"), Some(id), Some(span), Some(flags), None)
            if (id.len(), span.len(), flags.len()) == (32, 16, 2)
                && [id, span, flags].into_iter().all(lower_hex)
                && !nought(id) && !nought(span))
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Somebody followed a referral link.
    Click(Click),
    /// Somebody registered.
    Signup(Signup),
    /// Somebody paid.
    Payment(Payment),
}

impl Data {
    /// The event type of this fact.
    pub const fn event_type(&self) -> EventType {
        match self {
            Self::Click(_) => EventType::Click,
            Self::Signup(_) => EventType::Signup,
            Self::Payment(_) => EventType::Payment,
        }
    }
}

/// The types and their routing keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// `referral.click.v1`
    Click,
    /// `referral.signup.v1`
    Signup,
    /// `referral.payment.v1`
    Payment,
}

impl EventType {
    /// CloudEvents `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Click => "referral.click.v1",
            Self::Signup => "referral.signup.v1",
            Self::Payment => "referral.payment.v1",
        }
    }

    /// The routing key of messages that carry this type alone.
    pub const fn routing_key(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Signup => "signup",
            Self::Payment => "payment",
        }
    }

    /// Reads a CloudEvents `type`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Click, Self::Signup, Self::Payment].into_iter().find(|t| t.as_str() == text)
    }
}

/// Somebody followed a referral link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// The code in the link.
    pub code: Code,
    /// The visitor's address.
    pub ip: Option<String>,
    /// The visitor's user agent.
    pub user_agent: Option<String>,
    /// The page the link stood on.
    pub referrer: Option<String>,
    /// The visitor, if known.
    pub user_hash: Option<String>,
    /// The link's whole query string.
    pub query_string: Option<String>,
}

/// Somebody registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signup {
    /// The new user.
    pub user_hash: UserHash,
    /// The referral code they came with.
    pub code: Option<Code>,
    /// The referrer's hash; wins over `code`.
    pub user_indicator: Option<UserHash>,
    /// The new user's address.
    pub email: Option<Email>,
    /// The programme, by id.
    pub program_id: Option<i64>,
}

/// Somebody paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The payer.
    pub user_hash: UserHash,
    /// ISO 4217; the domain's where absent.
    pub currency: Option<Currency>,
    /// How much.
    pub paid: Paid,
    /// A currency exchange's description (contract 4): JSON text, kept as it came.
    pub exchange: Option<String>,
    /// False when `exchange.success` is false: then the payment counts for nothing.
    pub success: bool,
}

/// The two ways of saying how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paid {
    /// This payment alone; amounts add up.
    Amount(Money),
    /// The payer's cumulative total so far; the largest seen counts.
    Total(Money),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_traceparent_is_passed_on() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "-00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
