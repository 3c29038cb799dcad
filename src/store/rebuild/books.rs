//! What a user's books have to say, by what is stored of the user: the credit rules of contract 5 and the
//! reward of contract 4, once more and plainly.
//!
//! Pure. Referrer and terms are the account's: they were fixed when it was settled, by what was in force
//! then. A repair may write what was not given out yet; what billing may have been told stays.
use crate::domain::{Money, money::SUM_MAX_MINOR};

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// For the referred user, at signup.
    Signup,
    /// What the referrer may yet get.
    Potential,
    /// For the referrer, when the target is reached.
    Acquired,
}

/// All of them.
pub const KINDS: [Kind; 3] = [Kind::Signup, Kind::Potential, Kind::Acquired];

impl Kind {
    /// As in `entry.kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signup => "signup_credit",
            Self::Potential => "potential_credit",
            Self::Acquired => "acquired_credit",
        }
    }

    /// Whether billing is called for it.
    pub const fn pays(self) -> bool {
        !matches!(self, Self::Potential)
    }
}

/// Terms as they were when the signup was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The programme.
    pub program_id: i64,
    /// Its name then.
    pub program_name: String,
    /// For the referred user.
    pub credit: i64,
    /// For the referrer.
    pub target: i64,
    /// The referrer's share of each payment.
    pub percent_e4: i64,
    /// Of all of it.
    pub currency: String,
}

/// A settled account that somebody referred, under terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    /// By whom.
    pub referrer: String,
    /// Under which terms.
    pub terms: Terms,
}

/// What has been paid, in the domain's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total {
    /// Σ `amount`.
    pub sum: i64,
    /// The largest `total_amount_paid`.
    pub max: i64,
}

impl Total {
    /// Counts a payment.
    pub fn add(&mut self, amount: Option<i64>, total: Option<i64>) {
        self.sum = self.sum.saturating_add(amount.unwrap_or_default()).min(SUM_MAX_MINOR);
        self.max = self.max.max(total.unwrap_or_default());
    }

    /// The larger of the two ways of counting.
    pub fn paid(self) -> i64 {
        self.sum.max(self.max)
    }
}

/// What an entry, or its delivery, says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose credit.
    pub user: String,
    /// How much.
    pub amount: i64,
    /// In what.
    pub currency: String,
    /// Under which programme.
    pub program_id: i64,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, amount, currency, program_id } = self;
        write!(
            f,
            "{} {currency} for {user} under programme {program_id}",
            Money::from_minor(*amount)
        )
    }
}

/// A delivery as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The `webhook-id`.
    pub id: String,
    /// The entry that it names.
    pub entry_id: String,
    /// What it says.
    pub line: Line,
    /// Whether nobody can have been told of it yet.
    pub untold: bool,
}

/// An entry as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// What it says.
    pub line: Line,
}

impl Referred {
    /// Whether the target has been reached.
    pub fn has_acquired(&self, total: Total) -> bool {
        total.paid() >= self.terms.target
    }

    /// The line that there has to be; an amount of nothing makes none.
    pub fn line(&self, kind: Kind, user: &str, total: Total) -> Option<Line> {
        let terms = &self.terms;
        let (user, amount, is_due) = match kind {
            Kind::Signup => (user, terms.credit, true),
            Kind::Potential => (self.referrer.as_str(), terms.target, true),
            Kind::Acquired => (self.referrer.as_str(), terms.target, self.has_acquired(total)),
        };
        (is_due && amount > 0).then(|| Line {
            user: user.to_owned(),
            amount,
            currency: terms.currency.clone(),
            program_id: terms.program_id,
        })
    }

    /// What a payment that counts accrues to the referrer.
    pub fn reward(&self, amount: Option<i64>) -> Option<i64> {
        let percent_e4 = self.terms.percent_e4;
        let amount = amount.filter(|_| percent_e4 > 0)?;
        Some(Money::from_minor(amount).share(percent_e4).minor())
    }
}

/// What is to be done about the row of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An entry is made, under this id where its delivery names one.
    MakeEntry(Option<String>, Line),
    /// The entry says this from now on.
    CorrectEntry(String, Line),
    /// The entry goes.
    RemoveEntry(String),
    /// The entry gets a delivery, which waits for a person: whether there was one, nobody knows.
    MakeDelivery(Line),
    /// The delivery, of which nobody was told, says this from now on.
    CorrectDelivery(String, Line),
    /// The delivery, of which nobody was told, goes.
    RemoveDelivery(String),
}

/// The verdict on the entry of one kind, with its delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// What repairs it; nothing where all is well, or where no repair may touch it.
    pub steps: Vec<Step>,
    /// Why no repair may touch it.
    pub by_hand: Option<&'static str>,
}

/// Billing may have been told something else.
pub const TOLD: &str = "billing may have been told: to be settled by hand";

/// Compares what is there with what has to be. `delivery` is that of the entry; of an entry that is
/// missing, the one that was made for it.
pub fn judge(
    kind: Kind,
    expected: Option<&Line>,
    entry: Option<&Entry>,
    delivery: Option<&Delivery>,
) -> Verdict {
    let mut steps = Vec::new();
    match (expected, entry) {
        (None, None) => return Verdict::default(),
        (Some(line), None) => {
            steps.push(Step::MakeEntry(delivery.map(|d| d.entry_id.clone()), line.clone()));
        }
        (Some(line), Some(entry)) if *line != entry.line => {
            steps.push(Step::CorrectEntry(entry.id.clone(), line.clone()));
        }
        (Some(_), Some(_)) => {}
        (None, Some(entry)) => steps.push(Step::RemoveEntry(entry.id.clone())),
    }
    match (expected.filter(|_| kind.pays()), delivery) {
        (None, None) => {}
        (Some(line), None) => steps.push(Step::MakeDelivery(line.clone())),
        (Some(line), Some(delivery)) if *line == delivery.line => {}
        (_, Some(delivery)) if !delivery.untold => {
            return Verdict { steps: Vec::new(), by_hand: Some(TOLD) };
        }
        (Some(line), Some(delivery)) => {
            steps.push(Step::CorrectDelivery(delivery.id.clone(), line.clone()));
        }
        (None, Some(delivery)) => steps.push(Step::RemoveDelivery(delivery.id.clone())),
    }
    Verdict { steps, by_hand: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(amount: i64) -> Line {
        Line { user: "a".to_owned(), amount, currency: "USD".to_owned(), program_id: 1 }
    }

    fn entry(amount: i64) -> Entry {
        Entry { id: "e".to_owned(), line: line(amount) }
    }

    fn delivery(amount: i64, untold: bool) -> Delivery {
        let (id, entry_id) = ("d".to_owned(), "e".to_owned());
        Delivery { id, entry_id, line: line(amount), untold }
    }

    #[test]
    fn nothing_that_billing_may_have_been_told_is_changed_or_told_again() {
        use Kind::{Potential, Signup};
        use Step::{
            CorrectDelivery, CorrectEntry, MakeDelivery, MakeEntry, RemoveDelivery, RemoveEntry,
        };
        let (e, d) = (|| "e".to_owned(), || "d".to_owned());
        let (told, untold) = (|amount| delivery(amount, false), |amount| delivery(amount, true));
        let cases = [
            ("as it should be", Signup, Some(5), Some(5), Some(told(5)), Ok(vec![])),
            ("nothing is due", Signup, None, None, None, Ok(vec![])),
            (
                "both are gone",
                Signup,
                Some(5),
                None,
                None,
                Ok(vec![MakeEntry(None, line(5)), MakeDelivery(line(5))]),
            ),
            (
                "the entry is gone",
                Signup,
                Some(5),
                None,
                Some(told(5)),
                Ok(vec![MakeEntry(Some(e()), line(5))]),
            ),
            ("and the delivery is wrong", Signup, Some(5), None, Some(told(6)), Err(TOLD)),
            (
                "untold",
                Signup,
                Some(5),
                None,
                Some(untold(6)),
                Ok(vec![MakeEntry(Some(e()), line(5)), CorrectDelivery(d(), line(5))]),
            ),
            (
                "the delivery is gone",
                Signup,
                Some(5),
                Some(5),
                None,
                Ok(vec![MakeDelivery(line(5))]),
            ),
            (
                "the entry is wrong",
                Signup,
                Some(5),
                Some(6),
                Some(told(5)),
                Ok(vec![CorrectEntry(e(), line(5))]),
            ),
            ("both are wrong", Signup, Some(5), Some(6), Some(told(6)), Err(TOLD)),
            (
                "both, untold",
                Signup,
                Some(5),
                Some(6),
                Some(untold(6)),
                Ok(vec![CorrectEntry(e(), line(5)), CorrectDelivery(d(), line(5))]),
            ),
            ("the delivery is wrong", Signup, Some(5), Some(5), Some(told(6)), Err(TOLD)),
            ("not due", Signup, None, Some(5), Some(told(5)), Err(TOLD)),
            (
                "not due, untold",
                Signup,
                None,
                Some(5),
                Some(untold(5)),
                Ok(vec![RemoveEntry(e()), RemoveDelivery(d())]),
            ),
            ("not due, no delivery", Signup, None, Some(5), None, Ok(vec![RemoveEntry(e())])),
            (
                "a promise is gone",
                Potential,
                Some(5),
                None,
                None,
                Ok(vec![MakeEntry(None, line(5))]),
            ),
            (
                "a wrong promise",
                Potential,
                Some(5),
                Some(6),
                None,
                Ok(vec![CorrectEntry(e(), line(5))]),
            ),
        ];
        for (name, kind, expected, found, delivery, verdict) in cases {
            let (expected, found) = (expected.map(line), found.map(entry));
            let judged = judge(kind, expected.as_ref(), found.as_ref(), delivery.as_ref());
            let judged = judged.by_hand.map_or(Ok(judged.steps), Err);
            assert_eq!(judged, verdict, "{name}");
        }
    }

    #[test]
    fn the_rules_of_credits_and_rewards() {
        let terms = |credit, target, percent_e4| Terms {
            program_id: 1,
            program_name: "P".to_owned(),
            credit,
            target,
            percent_e4,
            currency: "USD".to_owned(),
        };
        let referred = |c, t, p| Referred { referrer: "a".to_owned(), terms: terms(c, t, p) };
        let lines = |referred: &Referred, sum, max| {
            KINDS.map(|kind| {
                referred.line(kind, "b", Total { sum, max }).map(|l| (l.user, l.amount))
            })
        };
        let (a, b) = (|n| Some(("a".to_owned(), n)), |n| Some(("b".to_owned(), n)));
        for (name, terms, sum, max, expected) in [
            ("nothing paid", referred(10, 25, 0), 0, 0, [b(10), a(25), None]),
            ("not enough", referred(10, 25, 0), 24, 24, [b(10), a(25), None]),
            ("reached by amounts", referred(10, 25, 0), 25, 0, [b(10), a(25), a(25)]),
            ("reached by a total", referred(10, 25, 0), 0, 25, [b(10), a(25), a(25)]),
            ("no target", referred(10, 0, 0), 9, 9, [b(10), None, None]),
            ("no credit", referred(0, 25, 0), 30, 0, [None, a(25), a(25)]),
        ] {
            assert_eq!(lines(&terms, sum, max), expected, "{name}");
        }
        assert_eq!(referred(0, 0, 25_000).reward(Some(100)), Some(2), "half to even");
        assert_eq!(referred(0, 0, 25_000).reward(Some(1)), Some(0));
        assert_eq!(referred(0, 0, 25_000).reward(None), None, "a total accrues nothing");
        assert_eq!(referred(0, 0, 0).reward(Some(100)), None);
        assert!(referred(0, 0, 0).has_acquired(Total::default()), "no target is reached at once");
    }
}
