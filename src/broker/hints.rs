//! Hints (contract 1, `referral.work`): messages that tell the worker of an outbox which rows are
//! new, by their ids.
//!
//! Owns their form. Refuses to be needed: a hint that is lost costs the time until the next sweep.
use super::{Outgoing, topology};

/// Ids in one message.
pub const IDS_MAX: usize = 500;

/// What a kind of hints is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    /// The routing key on `referral.work`, and the worker's name.
    pub key: &'static str,
    /// The worker's queue.
    pub queue: &'static str,
    /// The member of the JSON object that holds the ids.
    pub member: &'static str,
}

/// Of deliveries, for billing.
pub const DELIVERIES: Hints =
    Hints { key: topology::KEY_BILLING, queue: topology::BILLING, member: "deliveries" };

/// Of letters, for mail.
pub const LETTERS: Hints =
    Hints { key: topology::KEY_MAIL, queue: topology::MAIL, member: "letters" };

impl Hints {
    /// The messages that name these ids, `{"<member>":["<id>", …]}`; none for none. To be published
    /// after the commit of the rows.
    pub fn of(&self, ids: &[String]) -> Vec<Outgoing> {
        let messages = ids.chunks(IDS_MAX).map(|ids| {
            Outgoing::work(self.key, serde_json::json!({ self.member: ids }).to_string())
        });
        messages.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_at_most_so_many_ids_each() {
        let ids: Vec<String> = (0..=IDS_MAX).map(|n| n.to_string()).collect();
        let bodies = |ids: &[String]| -> Vec<String> {
            let messages = LETTERS.of(ids).into_iter();
            messages.map(|m| String::from_utf8(m.body).unwrap()).collect()
        };
        assert_eq!(bodies(&[]), [""; 0]);
        assert_eq!(bodies(&ids[7..9]), [r#"{"letters":["7","8"]}"#]);
        assert_eq!(bodies(&ids)[1], format!(r#"{{"letters":["{IDS_MAX}"]}}"#));
        let message = &DELIVERIES.of(&ids[..1])[0];
        assert_eq!((&*message.exchange, &*message.routing_key), ("referral.work", "billing"));
        assert_eq!(message.body, br#"{"deliveries":["0"]}"#);
    }
}
