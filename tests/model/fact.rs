//! What upstream systems know, and how they say it: a fact, and its CloudEvents JSON form.
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// With `source` its name for ever.
    pub id: String,
    /// Who says it.
    pub source: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// What happened.
    pub what: What,
}

/// The three kinds.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Somebody followed a link.
    Click(Click),
    /// Somebody registered.
    Signup(Signup),
    /// Somebody paid.
    Payment(Payment),
}

/// A link was followed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Click {
    /// The code in the link.
    pub code: String,
    /// By a robot.
    pub bot: bool,
}

/// A user registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signup {
    /// Who.
    pub user: String,
    /// With which code.
    pub code: Option<String>,
    /// Referred by whom.
    pub user_indicator: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Under which programme.
    pub program_id: Option<i64>,
}

/// A user paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Who.
    pub user: String,
    /// In what; the domain's currency where not said.
    pub currency: Option<String>,
    /// How much.
    pub paid: Paid,
    /// `exchange.success`, where there is an exchange.
    pub success: Option<bool>,
}

/// How much, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paid {
    /// This payment.
    Amount(i64),
    /// All so far.
    Total(i64),
}

/// A click on the link with this code.
pub fn click(code: &str) -> Fact {
    Fact::new(What::Click(Click { code: code.to_owned(), bot: false }))
}

/// A user registered, as far as `known` says.
pub fn signup(user: &str, known: Signup) -> Fact {
    Fact::new(What::Signup(Signup { user: user.to_owned(), ..known }))
}

/// A user paid this amount, in minor units.
pub fn payment(user: &str, minor: i64) -> Fact {
    paid(user, Paid::Amount(minor))
}

/// A user paid, in the one way or the other.
pub fn paid(user: &str, paid: Paid) -> Fact {
    let payment = Payment { user: user.to_owned(), currency: None, paid, success: None };
    Fact::new(What::Payment(payment))
}

impl Fact {
    /// A new event of the first of June 2025, noon.
    pub fn new(what: What) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        Self { id, source: "/tests".to_owned(), time: instant("2025-06-01T12:00:00Z"), what }
    }

    /// The same at another time.
    #[must_use]
    pub fn at(self, time: &str) -> Self {
        Self { time: instant(time), ..self }
    }

    /// The type's routing key.
    pub fn key(&self) -> &'static str {
        match self.what {
            What::Click(_) => "click",
            What::Signup(_) => "signup",
            What::Payment(_) => "payment",
        }
    }

    /// The event in CloudEvents JSON.
    pub fn event(&self, domain: &str) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": format!("referral.{}.v1", self.key()),
            "time": self.time.to_rfc3339_opts(SecondsFormat::Micros, true),
            "domain": domain,
            "data": self.data(),
        })
    }

    fn data(&self) -> Value {
        match &self.what {
            What::Click(click) => {
                let agent = click.bot.then_some("Googlebot/2.1 (+http://www.google.com/bot.html)");
                json!({"code": click.code, "user_agent": agent, "ip": "192.0.2.1"})
            }
            What::Signup(signup) => json!({
                "user_hash": signup.user,
                "code": signup.code,
                "user_indicator": signup.user_indicator,
                "email": signup.email,
                "program_id": signup.program_id,
            }),
            What::Payment(payment) => {
                let mut data = json!({"user_hash": payment.user, "currency": payment.currency});
                let (member, minor) = match payment.paid {
                    Paid::Amount(minor) => ("amount", minor),
                    Paid::Total(minor) => ("total_amount_paid", minor),
                };
                data[member] = decimal(minor).into();
                if let Some(success) = payment.success {
                    data["exchange"] = json!({"id": "x", "success": success});
                }
                data
            }
        }
    }
}

/// Minor units as contract 1 writes money: `19.99`.
pub fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an RFC 3339 time")
}
