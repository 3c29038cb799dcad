//! From the server's replies to what they mean, pure.
//!
//! Owns the rules on success and failure: a 2xx reply to the whole message is a success; a server
//! that says the mailbox is none ends it at once; all else may mend.
use referral::outbox::{Attempt, Failure};

/// The longest reply or error that is kept.
const KEPT_MAX_CHARS: usize = 1000;
/// What stands where a secret was.
const HIDDEN: &str = "[hidden]";

/// What one exchange brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The code of the reply that decided, where one arrived.
    pub status: Option<u16>,
    /// Its text.
    pub reply: Option<String>,
    /// What went wrong, for people; none: the server took the message.
    pub error: Option<String>,
}

/// Judges an exchange. Servers repeat in their replies what they were sent, so whatever of these
/// `secrets` is in what is kept is hidden.
pub fn judge(exchange: Exchange, secrets: &[&str]) -> Attempt {
    let failure = failure(&exchange);
    let kept = |text: String| kept(text, secrets);
    Attempt {
        status: exchange.status,
        error: exchange.error.map(kept),
        answer: exchange.reply.map(kept).filter(|text| !text.is_empty()),
        failure,
    }
}

/// What nobody can send: there will be no other attempt.
pub fn impossible(why: &str) -> Attempt {
    let error = Some(why.to_owned());
    Attempt { status: None, error, answer: None, failure: Some(Failure::Gone) }
}

fn failure(exchange: &Exchange) -> Option<Failure> {
    match exchange.status {
        Some(200..=299) if exchange.error.is_none() => None,
        Some(500..=599) if names_no_mailbox(exchange.reply.as_deref().unwrap_or_default()) => {
            Some(Failure::Gone)
        }
        _ => Some(Failure::Passing),
    }
}

/// Whether a reply begins with an enhanced status code (RFC 3463) that blames the recipient's
/// address for good: bad mailbox, bad domain, bad syntax, moved away, a domain that takes no mail.
/// The other codes of its kind blame the sender's.
fn names_no_mailbox(reply: &str) -> bool {
    let code = reply.split_whitespace().next().unwrap_or_default();
    matches!(code, "5.1.1" | "5.1.2" | "5.1.3" | "5.1.6" | "5.1.10")
}

/// As text that every database keeps, of bounded length, without secrets.
fn kept(text: String, secrets: &[&str]) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    let text = secrets.fold(text, |text, secret| text.replace(secret, HIDDEN));
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(KEPT_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reply_means() {
        use Failure::{Gone, Passing};
        let refused = Some("the server refused");
        let cases = [
            (Some(250), "2.0.0 queued", None, None),
            (Some(250), "", None, None),
            (Some(299), "", None, None),
            (Some(354), "go on", refused, Some(Passing)),
            (Some(421), "4.3.2 closing", refused, Some(Passing)),
            (Some(451), "4.7.1 greylisted", refused, Some(Passing)),
            (Some(450), "5.1.1 odd", refused, Some(Passing)),
            (Some(535), "5.7.8 bad credentials", refused, Some(Passing)),
            (Some(550), "5.1.1 no such user", refused, Some(Gone)),
            (Some(550), "5.1.1", refused, Some(Gone)),
            (Some(550), "5.1.1\nno such user", refused, Some(Gone)),
            (Some(550), "5.1.2 no such domain", refused, Some(Gone)),
            (Some(556), "5.1.10 null MX", refused, Some(Gone)),
            (Some(553), "5.1.8 bad sender", refused, Some(Passing)),
            (Some(553), "5.1.7 bad sender", refused, Some(Passing)),
            (Some(550), "no such user 5.1.1", refused, Some(Passing)),
            (Some(550), "5.1.12 ?", refused, Some(Passing)),
            (Some(552), "5.2.2 mailbox full", refused, Some(Passing)),
            (None, "", Some("timed out"), Some(Passing)),
        ];
        for (status, reply, error, expected) in cases {
            let exchange =
                Exchange { status, reply: Some(reply.to_owned()), error: error.map(str::to_owned) };
            assert_eq!(judge(exchange, &[]).failure, expected, "{status:?} {reply}");
        }
    }

    #[test]
    fn what_is_kept_is_short_and_holds_no_secret() {
        let exchange = Exchange {
            status: Some(554),
            reply: Some(format!("5.7.1 http://h/?token=canary {}", "x".repeat(5000))),
            error: Some("AUTH: 500 unknown: hunter2\0\r".to_owned()),
        };
        let attempt = judge(exchange, &["canary", "", "hunter2"]);
        let answer = attempt.answer.unwrap();
        assert!(answer.starts_with("5.7.1 http://h/?token=[hidden] xxx"), "{answer}");
        assert_eq!(answer.chars().count(), KEPT_MAX_CHARS);
        assert_eq!(attempt.error.as_deref(), Some("AUTH: 500 unknown: [hidden]"));
    }
}
