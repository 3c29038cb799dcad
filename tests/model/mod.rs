//! The oracle: contracts 1 and 5, the daily records of contract 2, rewards and payouts of contract 4, as
//! plainly as they can be said. One thread, no database, no batches. What it cannot know, such as ids and instants of
//! processing, is in no state.
pub mod cases;
pub mod credits;
pub mod fact;
pub mod payouts;
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
    let (mut payers, mut paid) = (BTreeMap::new(), Vec::new());
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
                paid.push(state::Kept::of(world, payment));
                credits::pay(&mut payers, world, payment);
            }
        }
    }
    let state = users.settle(world, &payers);
    let mut payments = BTreeMap::new();
    for mut kept in paid {
        kept.reward = Users::reward(world, &state, &kept);
        *payments.entry(kept).or_insert(0) += 1;
    }
    payers.retain(|_, total| *total != state::Total::default());
    State {
        payers,
        payments,
        clicks: days.clicks,
        bots: days.bots,
        records: days.records(),
        ..state
    }
}
