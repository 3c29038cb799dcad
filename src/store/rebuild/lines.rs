//! What is wrong with a user's books, in words.
use super::{
    Difference, NOTHING,
    books::{Step, Total},
    stored::Books,
    users::Findings,
};
use crate::domain::Money;

/// An account that is missing although its user signed up.
const LOST: &str = "the terms that were in force then are in no event: restore it by hand";
/// A delivery that was lost, or never made.
const AGAIN: &str = "it is made as a dead one, since billing may have been told: \
    `referral deliveries retry ID` sends it";
/// A reward that may not be lowered.
const PAID_OUT: &str = "it has been paid out: to be settled by hand";

/// A difference each, in the order in which they are repaired.
pub(super) fn of(user: &str, books: &Books, findings: &Findings) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut tell = |what, name, found, expected, by_hand: Option<&'static str>| {
        let (note, is_repairable) = (by_hand, by_hand.is_none());
        all.push(Difference { what, name, found, expected, note, is_repairable });
    };
    if findings.lost {
        let expected = "an account, as there is a signup".to_owned();
        tell("account", user.to_owned(), NOTHING.to_owned(), expected, Some(LOST));
    }
    if findings.payer {
        tell("payer", user.to_owned(), told(books.payer), told(books.counted), None);
    }
    if let Some(expected) = findings.acquired {
        let shown = |reached| if reached { "target reached" } else { "target not reached" };
        let (found, expected) = (shown(!expected).to_owned(), shown(expected).to_owned());
        tell("account", user.to_owned(), found, expected, None);
    }
    for (kind, verdict) in &findings.verdicts {
        let name = || format!("{} for {user}", kind.as_str());
        let line = books.line(*kind, user);
        let (entry, delivery) = (books.entries.get(kind), books.deliveries.get(kind));
        let entry = entry.map_or(NOTHING.to_owned(), |entry| entry.line.to_string());
        let delivery = delivery.map_or(NOTHING.to_owned(), |delivery| {
            let id = &delivery.id;
            let untold = if delivery.untold { ", not attempted" } else { "" };
            format!("{} as {id}{untold}", delivery.line)
        });
        let due = line.map_or(NOTHING.to_owned(), |line| line.to_string());
        if let Some(by_hand) = verdict.by_hand {
            let found = format!("entry: {entry}; delivery: {delivery}");
            tell("entry", name(), found, due, Some(by_hand));
            continue;
        }
        for step in &verdict.steps {
            match step {
                Step::MakeEntry(..) | Step::CorrectEntry(..) | Step::RemoveEntry(_) => {
                    tell("entry", name(), entry.clone(), due.clone(), None);
                }
                Step::MakeDelivery(_) | Step::CorrectDelivery(..) | Step::RemoveDelivery(_) => {
                    tell("delivery", name(), delivery.clone(), due.clone(), None);
                }
            }
        }
    }
    for reward in &findings.rewards {
        let shown = |minor: Option<i64>| {
            minor.map_or(NOTHING.to_owned(), |minor| Money::from_minor(minor).to_string())
        };
        let name = format!("the payment {} of {user}", reward.event_key);
        tell("reward", name, shown(reward.found), shown(reward.expected), None);
    }
    for made in all.iter_mut().filter(|d| d.what == "delivery" && d.found == NOTHING) {
        made.note = Some(AGAIN);
    }
    all
}

/// Says of the rewards that are too high that they stay.
pub(super) fn paid_out(differences: &mut [Difference], findings: &Findings) {
    let rewards = differences.iter_mut().filter(|difference| difference.what == "reward");
    for (difference, reward) in rewards.zip(&findings.rewards) {
        if reward.is_too_high() {
            (difference.note, difference.is_repairable) = (Some(PAID_OUT), false);
        }
    }
}

/// How a total is told.
fn told(total: Total) -> String {
    if total == Total::default() {
        return NOTHING.to_owned();
    }
    let (sum, max) = (Money::from_minor(total.sum), Money::from_minor(total.max));
    format!("{sum} by amounts, {max} as a total")
}
