//! `referral import users FILE`: the first users of a domain (contract 5), a line each, published as
//! signup events.
//!
//! Only the credits worker writes accounts, so nothing is written here. An event's id is a function
//! of what its line says, so that running the file again is saying the same once more.
use std::{path::PathBuf, process::ExitCode};

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::{
    Tools,
    lines::{self, Ready, Source},
};
use crate::{
    broker::compose::Draft,
    domain::{Email, EventType, Micros, Trace, UserHash, event::DEFAULT_DOMAIN, ids::Invalid, key},
    store::programmes,
};

/// The `source` of the events.
const SOURCE: &str = "/referral/import";
/// Between the hash and the e-mail of a line.
const SEPARATOR: char = '|';

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Registers users, unreferred unless their e-mail was indicated before; safe to run again
    Users(Users),
}

#[derive(Debug, clap::Args)]
struct Users {
    /// Lines `hash | e-mail`, the e-mail optional; `-`: standard input
    file: PathBuf,
    /// The programme they register under [default: the domain's first]
    #[arg(long, value_name = "ID")]
    program: Option<i64>,
    /// Domain
    #[arg(long, default_value = DEFAULT_DOMAIN)]
    domain: String,
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
struct User {
    hash: UserHash,
    email: Option<Email>,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let What::Users(Users { file, program, domain }) = args.what;
    let store = tools.store().await?;
    let found = tools.domain(&store, &domain).await?;
    if let Some(id) = program
        && programmes::one(&store, found.id, id).await?.is_none()
    {
        bail!("--program: the domain {domain:?} has no programme {id}");
    }
    let source = Source { argument: "import users", path: &file, noun: "users" };
    lines::publish(&source, tools, |text| {
        let draft = read(text)?.draft(&domain, program, tools.clock.now());
        Ok(Ready { event_type: draft.event_type, json: draft.to_json(), id: draft.id })
    })
    .await
}

/// Reads `hash | e-mail`, or names the part that is wrong.
fn read(line: &str) -> Result<User, String> {
    let (hash, email) = line.split_once(SEPARATOR).unwrap_or((line, ""));
    let named = |part: &'static str| move |problem: Invalid| format!("{part}: {problem}");
    let email = Some(email.trim()).filter(|email| !email.is_empty());
    Ok(User {
        hash: UserHash::parse(hash.trim()).map_err(named("hash"))?,
        email: email.map(Email::parse).transpose().map_err(named("e-mail"))?,
    })
}

impl User {
    fn draft(&self, domain: &str, program_id: Option<i64>, now: Micros) -> Draft {
        Draft {
            id: self.event_id(domain, program_id),
            source: SOURCE.into(),
            event_type: EventType::Signup,
            time: now,
            domain: domain.into(),
            trace: Trace::default(),
            data: json!({
                "user_hash": self.hash,
                "email": self.email.as_ref().map(Email::spelling),
                "program_id": program_id,
            })
            .into(),
        }
    }

    /// The same for the same words, whenever they are imported; an e-mail's case does not matter.
    fn event_id(&self, domain: &str, program_id: Option<i64>) -> String {
        let program = program_id.map(|id| id.to_string()).unwrap_or_default();
        let email = self.email.as_ref().map(Email::key).unwrap_or_default();
        // None of these holds a U+0000.
        let words = ["imported user", domain, self.hash.as_str(), email, &program];
        key::stable_id(words.join("\0").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commands::publish::check, domain::Data};

    fn user(hash: &str, email: Option<&str>) -> User {
        let email = email.map(|email| Email::parse(email).unwrap());
        User { hash: UserHash::parse(hash).unwrap(), email }
    }

    #[test]
    fn a_line_is_a_hash_and_perhaps_an_email() {
        for (line, hash, email) in [
            ("alice", "alice", None),
            ("  alice\t\r", "alice", None),
            ("alice|", "alice", None),
            ("alice | ", "alice", None),
            ("alice|Alice@Example.com", "alice", Some("Alice@Example.com")),
            (" 0a1b | alice@example.com \r", "0a1b", Some("alice@example.com")),
            ("a,b;c | naïve@example.com", "a,b;c", Some("naïve@example.com")),
        ] {
            assert_eq!(read(line), Ok(user(hash, email)), "{line:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        for (line, part) in [
            ("| alice@example.com", "hash: "),
            ("alice alice@example.com", "hash: "),
            ("älice", "hash: "),
            (&"x".repeat(254), "hash: "),
            ("alice | nobody", "e-mail: "),
            ("alice | a@example.com | b@example.com", "e-mail: "),
            ("alice | a@example.com, b@example.com", "e-mail: "),
        ] {
            let problem = read(line).unwrap_err();
            assert!(problem.starts_with(part), "{line:?}: {problem}");
        }
    }

    #[test]
    fn the_same_words_are_the_same_event_and_others_another() {
        let alice = user("alice", Some("alice@example.com"));
        let id = alice.event_id("default", Some(1));
        assert_eq!(id, user("alice", Some("ALICE@example.com")).event_id("default", Some(1)));
        for (name, other) in [
            ("domain", alice.event_id("shop", Some(1))),
            ("programme", alice.event_id("default", Some(2))),
            ("no programme", alice.event_id("default", None)),
            ("no e-mail", user("alice", None).event_id("default", Some(1))),
            ("user", user("bob", Some("alice@example.com")).event_id("default", Some(1))),
        ] {
            assert_ne!(id, other, "{name}");
        }
    }

    #[test]
    fn the_event_passes_the_workers_check() {
        let now = Micros::parse("2026-01-01T00:00:00Z").unwrap();
        let longest = user(&"x".repeat(253), Some(&format!("{}@example.com", "ü".repeat(242))));
        for (user, program_id) in [(user("alice", None), None), (longest, Some(7))] {
            let json = user.draft("default", program_id, now).to_json();
            let event = check(&json, now, 4096).unwrap();
            let Data::Signup(signup) = event.data else { panic!("{json}") };
            assert_eq!((&signup.user_hash, &signup.email), (&user.hash, &user.email));
            assert_eq!((signup.program_id, event.source.as_str()), (program_id, SOURCE));
            assert_eq!((signup.code, signup.user_indicator), (None, None));
        }
    }
}
