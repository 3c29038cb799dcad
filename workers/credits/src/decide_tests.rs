//! Contract 5, Credit rules, line by line, and the order promise of contract 1.
use proptest::prelude::*;
use referral::{domain::Email, store::reference::Programme};

use super::*;
use crate::known::RegisteredCode;

const CODE: &str = "b4b9e071006f409d8e6d";

/// Accounts as they would be stored, with what was granted so far.
struct World {
    known: Known,
    granted: Vec<Entry>,
    outcomes: Vec<(String, Outcome)>,
}

fn hash(text: &str) -> UserHash {
    UserHash::parse(text).unwrap()
}

fn user(text: &str) -> User {
    User { domain_id: 1, hash: hash(text) }
}

fn programme(id: i64, credit: i64, target: i64) -> Programme {
    Programme {
        id,
        domain_id: 1,
        name: format!("P{id}"),
        credit: Money::from_minor(credit),
        target: Money::from_minor(target),
        reward_percent_e4: 0,
    }
}

/// `user [<referrer | #CODE] [email] [program_id]` of a signup.
#[derive(Debug, Clone, Copy, Default)]
struct Says {
    user: &'static str,
    by: Option<&'static str>,
    code: Option<&'static str>,
    email: Option<&'static str>,
    program: Option<i64>,
}

fn says(user: &'static str) -> Says {
    Says { user, ..Says::default() }
}

impl Says {
    fn by(self, by: &'static str) -> Self {
        Self { by: Some(by), ..self }
    }
    fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }
    fn email(self, email: &'static str) -> Self {
        Self { email: Some(email), ..self }
    }
    fn program(self, id: i64) -> Self {
        Self { program: Some(id), ..self }
    }
}

impl World {
    fn new(programmes: Vec<Programme>) -> Self {
        let known = Known { programmes: [(1, programmes)].into(), ..Known::default() };
        Self { known, granted: Vec::new(), outcomes: Vec::new() }
    }

    fn decide(&mut self, act: impl FnOnce(&mut Decision<'_>)) {
        let currency = |_| Currency::parse("USD").ok();
        let mut decision = Decision::new(&mut self.known, &currency, Micros(0));
        act(&mut decision);
        self.granted.extend(decision.entries);
    }

    fn signup(&mut self, says: Says) -> Outcome {
        let id = self.outcomes.len().to_string();
        let signup = NewSignup {
            key: EventKey::new("/t", &id),
            user: user(says.user),
            email: says.email.map(|email| Email::parse(email).unwrap()),
            claim: Claim {
                indicator: says.by.map(hash),
                code: says.code.map(|code| Code::parse(code).unwrap()),
                program_id: says.program,
            },
            cause: Cause { source: "/t".into(), id },
            trace: Trace::default(),
        };
        let mut outcome = Outcome::Created;
        self.known.locked.insert(signup.user.clone());
        self.decide(|decision| {
            decision.admit(std::slice::from_ref(&signup));
            outcome = decision.outcomes[&signup.key];
        });
        self.sweep();
        self.outcomes.push((says.user.to_owned(), outcome));
        outcome
    }

    fn pay(&mut self, payer: &str, minor: i64) {
        let total = self.known.totals.entry(user(payer)).or_default();
        total.sum = Money::from_minor(total.sum.minor() + minor);
        self.decide(|decision| decision.reach(&user(payer), None, None));
    }

    fn register_code(&mut self, email: &str, program_id: Option<i64>) {
        let code = RegisteredCode { email_key: email.to_owned(), program_id };
        self.known.codes.insert((1, Code::parse(CODE).unwrap()), code);
        self.sweep();
    }

    /// What the worker's sweep does: everybody who waits is tried again.
    fn sweep(&mut self) {
        let waiting: Vec<User> = self
            .known
            .accounts
            .values()
            .filter(|a| a.wait.is_some())
            .map(|a| a.user.clone())
            .collect();
        self.decide(|decision| decision.settle(&waiting));
    }

    fn ledger(&self) -> Vec<String> {
        let line = |entry: &Entry| {
            let (kind, program) = (entry.kind.as_str(), &entry.terms.program_name);
            format!("{kind} {} {} {program} for {}", entry.user.hash, entry.amount, entry.referred)
        };
        let mut lines: Vec<String> = self.granted.iter().map(line).collect();
        lines.sort();
        lines
    }

    fn account(&self, name: &str) -> &Account {
        &self.known.accounts[&user(name)]
    }
}

#[test]
fn a_referred_signup_credits_the_new_user_and_promises_the_referrer() {
    let mut world = World::new(vec![programme(1, 1000, 2500)]);
    assert_eq!(world.signup(says("alice")), Outcome::Created);
    assert_eq!(world.signup(says("bob").by("alice")), Outcome::Created);
    assert_eq!(
        world.ledger(),
        ["potential_credit alice 25.00 P1 for bob", "signup_credit bob 10.00 P1 for bob"]
    );
}

#[test]
fn the_target_is_acquired_once_for_ever() {
    let mut world = World::new(vec![programme(1, 0, 2500)]);
    world.signup(says("alice"));
    world.signup(says("bob").by("alice"));
    for (minor, acquired) in [(2499, false), (1, true), (9999, true)] {
        world.pay("bob", minor);
        let credit = world.ledger().iter().filter(|line| line.starts_with("acquired")).count();
        assert_eq!(credit, usize::from(acquired), "{minor}");
    }
    assert!(world.ledger().contains(&"acquired_credit alice 25.00 P1 for bob".to_owned()));
}

#[test]
fn a_target_of_nought_is_acquired_at_registration_and_noughts_make_no_entry() {
    let mut world = World::new(vec![programme(1, 0, 0)]);
    world.signup(says("alice"));
    world.signup(says("bob").by("alice"));
    assert!(world.account("bob").acquired.is_some());
    assert_eq!(world.ledger(), Vec::<String>::new());
}

#[test]
fn an_unreferred_user_makes_no_entry_but_has_a_programme() {
    let mut world = World::new(vec![programme(3, 1000, 100), programme(7, 1, 1)]);
    world.signup(says("alice"));
    world.pay("alice", 5000);
    assert_eq!(world.ledger(), Vec::<String>::new());
    assert_eq!(world.account("alice").terms.as_ref().map(|t| t.program_id), Some(3));
}

#[test]
fn the_programme_is_the_signups_the_codes_the_referrers_or_the_domains_first() {
    let cases = [
        (says("bob").by("alice").program(3), None, 3),
        (says("bob").code(CODE).program(3), Some(4), 3),
        (says("bob").code(CODE), Some(4), 4),
        (says("bob").code(CODE), None, 2),
        (says("bob").by("alice").code(CODE), Some(4), 2),
        (says("bob").by("alice"), None, 2),
        (says("bob"), None, 1),
    ];
    for (signup, code_program, expected) in cases {
        let mut world = World::new((1..=4).map(|id| programme(id, 10, 10)).collect());
        world.signup(says("alice").email("a@b.c").program(2));
        world.register_code("a@b.c", code_program);
        assert_eq!(world.signup(signup), Outcome::Created);
        let under = world.account("bob").terms.as_ref().map(|terms| terms.program_id);
        assert_eq!(under, Some(expected), "{signup:?}, code's {code_program:?}");
    }
}

#[test]
fn who_waits_waits_with_those_they_refer_unless_those_name_a_programme() {
    let mut world = World::new(vec![programme(1, 10, 10), programme(2, 20, 20)]);
    assert_eq!(world.signup(says("bob").by("alice")), Outcome::Pending);
    assert_eq!(world.signup(says("carl").by("bob")), Outcome::Pending);
    assert_eq!(world.signup(says("dora").by("bob").program(2)), Outcome::Created);
    assert_eq!(world.signup(says("alice").program(2)), Outcome::Created);
    for name in ["bob", "carl", "dora"] {
        let terms = world.account(name).terms.as_ref();
        assert_eq!(terms.map(|terms| terms.program_id), Some(2), "{name}");
    }
}

#[test]
fn a_ring_gets_the_domains_first_programme_whoever_comes_first() {
    for order in [["alice", "bob", "carl"], ["carl", "bob", "alice"], ["bob", "alice", "carl"]] {
        let mut world = World::new(vec![programme(1, 10, 0), programme(2, 20, 0)]);
        for name in order {
            let by = match name {
                "alice" => "bob",
                "bob" => "carl",
                _ => "alice",
            };
            world.signup(says(name).by(by));
        }
        let credited =
            ["alice", "bob", "carl"].map(|name| format!("signup_credit {name} 0.10 P1 for {name}"));
        assert_eq!(world.ledger(), credited, "{order:?}");
    }
}

#[test]
fn nobody_refers_themselves_by_hash_code_or_address() {
    let own = Code::of_user(1, &hash("bob"));
    let own: &'static str = Box::leak(own.to_string().into_boxed_str());
    let cases = [
        says("bob").by("bob"),
        says("bob").code(own),
        says("bob").code(CODE).email("A@b.c"),
        says("bob").by("alice").email("a@B.c"),
    ];
    for signup in cases {
        let mut world = World::new(vec![programme(1, 10, 10)]);
        world.signup(says("alice").email("a@b.c"));
        world.register_code("a@b.c", None);
        assert_eq!(world.signup(signup), Outcome::SelfReferral, "{signup:?}");
        assert_eq!((world.account("bob").referrer.clone(), world.ledger().len()), (None, 0));
    }
}

#[test]
fn a_domain_without_programmes_credits_nobody_then_or_later() {
    let mut world = World::new(Vec::new());
    world.signup(says("alice"));
    world.signup(says("bob").by("alice"));
    world.known.programmes.insert(1, vec![programme(1, 10, 10)]);
    world.pay("bob", 5000);
    assert_eq!((world.ledger().len(), world.account("bob").terms.clone()), (0, None));
    world.signup(says("carl").by("bob"));
    assert_eq!(world.ledger().len(), 2);
}

#[test]
fn a_second_signup_is_a_duplicate_or_a_conflict_and_changes_nothing() {
    let cases = [
        (says("bob").by("alice").email("b@b.c"), Outcome::Duplicate),
        (says("bob").code(CODE).email("B@b.c"), Outcome::Duplicate),
        (says("bob").by("alice").email("b@b.c").program(1), Outcome::Duplicate),
        (says("bob").by("alice").email("b@b.c").program(2), Outcome::Conflict),
        (says("bob").by("alice"), Outcome::Conflict),
        (says("bob").by("alice").email("c@b.c"), Outcome::Conflict),
        (says("bob").by("carl").email("b@b.c"), Outcome::Conflict),
        (says("bob").email("b@b.c"), Outcome::Conflict),
    ];
    for (second, expected) in cases {
        let mut world = World::new(vec![programme(1, 10, 10), programme(2, 10, 10)]);
        world.signup(says("alice").email("a@b.c"));
        world.register_code("a@b.c", None);
        world.signup(says("bob").by("alice").email("b@b.c"));
        let before = (world.ledger(), world.account("bob").clone());
        assert_eq!(world.signup(second), expected, "{second:?}");
        assert_eq!((world.ledger(), world.account("bob").clone()), before);
    }
}

#[test]
fn an_earlier_indication_of_the_address_names_the_referrer() {
    let mut world = World::new(vec![programme(1, 10, 10)]);
    world.signup(says("alice"));
    world.known.indications.insert((1, "b@b.c".into()), hash("alice"));
    assert_eq!(world.signup(says("bob").email("B@b.c")), Outcome::Created);
    assert_eq!(world.account("bob").referrer, Some(hash("alice")));
}

#[test]
fn users_keep_the_terms_they_registered_under() {
    let mut world = World::new(vec![programme(1, 10, 2500)]);
    world.signup(says("alice"));
    world.signup(says("bob").by("alice"));
    world.known.programmes.insert(1, vec![programme(1, 99, 9900)]);
    world.pay("bob", 2500);
    assert!(world.ledger().contains(&"acquired_credit alice 25.00 P1 for bob".to_owned()));
}

#[test]
fn who_is_not_locked_is_left_to_the_sweep() {
    let mut world = World::new(vec![programme(1, 10, 10)]);
    world.signup(says("bob").by("alice"));
    world.known.locked.remove(&user("bob"));
    world.signup(says("alice"));
    assert_eq!((world.account("bob").settled, world.ledger().len()), (None, 0));
    world.known.locked.insert(user("bob"));
    world.sweep();
    assert_eq!(world.ledger().len(), 2);
}

#[derive(Debug, Clone, Copy)]
enum Fact {
    Signup(Says),
    Pay(&'static str, i64),
    Code,
}

fn facts() -> Vec<Fact> {
    vec![
        Fact::Signup(says("alice").email("a@b.c").program(2)),
        Fact::Signup(says("bob").code(CODE).email("b@b.c")),
        Fact::Signup(says("carl").by("bob")),
        Fact::Signup(says("dora").by("carl").program(1)),
        Fact::Signup(says("eric").by("fred")),
        Fact::Signup(says("fred").by("eric")),
        Fact::Signup(says("gina").by("nobody")),
        Fact::Pay("bob", 2000),
        Fact::Pay("bob", 600),
        Fact::Pay("carl", 5000),
        Fact::Pay("fred", 2500),
        Fact::Code,
    ]
}

proptest! {
    #[test]
    fn every_order_ends_in_the_same_ledger(order in Just(facts()).prop_shuffle()) {
        let apply = |facts: &[Fact]| {
            let mut world = World::new(vec![programme(1, 1000, 2500), programme(2, 500, 2600)]);
            for fact in facts {
                match *fact {
                    Fact::Signup(says) => drop(world.signup(says)),
                    Fact::Pay(payer, minor) => world.pay(payer, minor),
                    Fact::Code => world.register_code("a@b.c", None),
                }
            }
            world.ledger()
        };
        prop_assert_eq!(apply(&order), apply(&facts()));
    }
}
