//! Which user agents are robots (contract 2: kept and marked, not counted).
//!
//! The list is the `isbot` crate's, maintained there. No user agent at all is not a bot.
use std::{collections::HashMap, sync::Mutex};

use isbot::Bots;

/// How many answers are remembered: real traffic repeats few user agents.
const REMEMBERED_MAX: usize = 4096;

/// Tells robots from people, and remembers what it said.
#[derive(Default)]
pub struct BotList {
    bots: Bots,
    remembered: Mutex<HashMap<String, bool>>,
}

impl BotList {
    /// True when this user agent is on the list.
    pub fn is_bot(&self, user_agent: Option<&str>) -> bool {
        let Some(agent) = user_agent.filter(|agent| !agent.is_empty()) else { return false };
        let mut remembered =
            self.remembered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(&known) = remembered.get(agent) {
            return known;
        }
        let bot = self.bots.is_bot(agent);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(agent.to_owned(), bot);
        bot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crawlers_are_bots_and_people_and_the_silent_are_not() {
        let list = BotList::default();
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let google = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        for (agent, bot) in [
            (Some(firefox), false),
            (Some(google), true),
            (None, false),
            (Some(""), false),
            (Some(google), true),
        ] {
            assert_eq!(list.is_bot(agent), bot, "{agent:?}");
        }
    }
}
