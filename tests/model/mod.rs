//! The oracle: contracts 1 and 5, and the daily records of contract 2, as plainly as they can be
//! said. One thread, no database, no batches. What it cannot know, such as ids and instants of
//! processing, is in no state.
pub mod cases;
pub mod credits;
pub mod fact;
pub mod records;
pub mod state;
pub mod world;

use std::collections::{BTreeMap, BTreeSet};

use self::{
    credits::Users,
    fact::{Fact, What},
    records::Days,
    state::State,
    world::World,
};

/// The final state of these facts, taken in this order.
pub fn outcome<'a>(world: &World, facts: impl IntoIterator<Item = &'a Fact>) -> State {
    let mut seen = BTreeSet::new();
    let (mut users, mut days) = (Users::default(), Days::default());
    let (mut payers, mut payments) = (BTreeMap::new(), BTreeMap::new());
    for fact in facts {
        // The pair names the event for ever; delivered again it has no further effect.
        if !seen.insert((fact.source.clone(), fact.id.clone())) {
            continue;
        }
        match &fact.what {
            What::Click(click) => days.click(world, fact.time, click),
            What::Signup(signup) => {
                days.signup(world, fact.time, signup);
                users.sign_up(signup);
            }
            What::Payment(payment) => {
                *payments.entry(state::Kept::of(world, payment)).or_insert(0) += 1;
                credits::pay(&mut payers, world, payment);
            }
        }
    }
    let mut state = users.settle(world, &payers);
    payers.retain(|_, total| *total != state::Total::default());
    State {
        payers,
        payments,
        clicks: days.clicks,
        bots: days.bots,
        records: days.records(),
        ..std::mem::take(&mut state)
    }
}
