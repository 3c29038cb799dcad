//! Random worlds with their facts, and the ways in which facts can reach the pipeline.
//!
//! Where the facts themselves disagree the first processed wins, so that the order matters: such
//! facts (two signups of one user that differ, two users with one e-mail) are not made here; they
//! have tests of their own.
use proptest::{collection::vec, option::of, prelude::*, sample::select};

use super::{
    fact::{Click, Fact, Paid, Payment, Signup, What},
    world::{RegisteredCode, World},
};

/// How many there are of what.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Users that sign up.
    pub users: usize,
    /// Payments, some of them by strangers.
    pub payments: usize,
    /// Clicks.
    pub clicks: usize,
}

/// A world and its facts, by numbers: the database has not given its ids yet.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its domain's zone.
    pub zone: &'static str,
    /// Credit and target of each programme, minor units, and its percentage of each payment.
    pub programmes: Vec<(i64, i64, i64)>,
    codes: Vec<CodeCase>,
    users: Vec<UserCase>,
    payments: Vec<PaymentCase>,
    clicks: Vec<(usize, bool, i64)>,
}

/// A registered code: whose e-mail, and under which programme.
#[derive(Debug, Clone)]
struct CodeCase {
    owner: usize,
    programme: Option<usize>,
}

#[derive(Debug, Clone)]
struct UserCase {
    referral: ReferralCase,
    email: bool,
    programme: Option<usize>,
    /// The same signup again, under another name.
    again: bool,
    minute: i64,
}

/// What a signup says of its referrer.
#[derive(Debug, Clone, Copy)]
enum ReferralCase {
    Nobody,
    User(usize),
    OwnCodeOf(usize),
    Registered(usize),
    /// The indicator wins over the code.
    Both(usize, usize),
    /// An e-mail indication that counts only where there is an e-mail.
    Indicated(usize),
    Oneself,
    OneselfByCode,
    Stranger,
    UnknownCode(usize),
}

#[derive(Debug, Clone)]
struct PaymentCase {
    user: usize,
    total: bool,
    minor: i64,
    currency: Option<&'static str>,
    success: Option<bool>,
    minute: i64,
}

/// Three days around a change of the clocks in Berlin.
const MINUTES: i64 = 3 * 24 * 60;
const FIRST_INSTANT: &str = "2025-03-29T00:00:00Z";

/// Random cases of up to this size.
pub fn cases(most: Size) -> impl Strategy<Value = Case> {
    between(Size { users: 1, payments: 0, clicks: 0 }, most, 0)
}

/// Random cases of exactly this size, in a domain that has programmes.
pub fn large_cases(size: Size) -> impl Strategy<Value = Case> {
    between(size, size, 1)
}

fn between(least: Size, most: Size, programmes_min: usize) -> impl Strategy<Value = Case> {
    let users = most.users;
    // More numbers than users: the rest are strangers, who never sign up.
    let anyone = 0..users + 2;
    let zone = select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Los_Angeles"]);
    let money = select(vec![0_i64, 1, 999, 1000, 2500, 5000]);
    let percent_e4 = select(vec![0_i64, 0, 25_000, 333_333, 1_000_000]);
    let code = (anyone.clone(), of(0..3_usize));
    let codes = vec(code.prop_map(|(owner, programme)| CodeCase { owner, programme }), 0..=4);
    let user = (referral(users), any::<bool>(), of(0..3_usize), 0..10_u8, 0..MINUTES);
    let user = user.prop_map(|(referral, email, programme, again, minute)| UserCase {
        referral,
        email,
        // Most name none, so that programmes are inherited.
        programme: programme.filter(|_| minute % 3 == 0),
        again: again == 0,
        minute,
    });
    let currency = prop_oneof![3 => Just(None), 2 => Just(Some("USD")), 1 => Just(Some("EUR"))];
    let success = prop_oneof![4 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    let payment = (anyone, any::<bool>(), 1..4000_i64, currency, success, 0..MINUTES);
    let payment = payment.prop_map(|(user, total, minor, currency, success, minute)| PaymentCase {
        user,
        total,
        minor,
        currency,
        success,
        minute,
    });
    let click = (0..8_usize, prop::bool::weighted(0.2), 0..MINUTES);
    (
        zone,
        vec((money.clone(), money, percent_e4), programmes_min..=3),
        codes,
        vec(user, least.users..=most.users),
        vec(payment, least.payments..=most.payments),
        vec(click, least.clicks..=most.clicks),
    )
        .prop_map(|(zone, programmes, codes, users, payments, clicks)| Case {
            zone,
            programmes,
            codes,
            users,
            payments,
            clicks,
        })
}

fn referral(users: usize) -> impl Strategy<Value = ReferralCase> {
    let other = 0..users;
    prop_oneof![
        2 => Just(ReferralCase::Nobody),
        6 => other.clone().prop_map(ReferralCase::User),
        3 => other.clone().prop_map(ReferralCase::OwnCodeOf),
        3 => (0..5_usize).prop_map(ReferralCase::Registered),
        1 => (other.clone(), 0..5_usize).prop_map(|(user, code)| ReferralCase::Both(user, code)),
        2 => other.prop_map(ReferralCase::Indicated),
        1 => Just(ReferralCase::Oneself),
        1 => Just(ReferralCase::OneselfByCode),
        1 => Just(ReferralCase::Stranger),
        1 => (0..2_usize).prop_map(ReferralCase::UnknownCode),
    ]
}

/// Name of the user with this number.
pub fn user(number: usize) -> String {
    format!("user-{number}")
}

/// A code that is nobody's own: 20 characters, different in every domain.
pub fn code(world: &World, number: usize) -> String {
    format!("{:010}code{number:06}", world.domain_id)
}

fn email(number: usize) -> String {
    format!("User{number}@Example.com")
}

impl Case {
    /// Codes to be registered before the facts come.
    pub fn registered(&self, world: &World) -> Vec<RegisteredCode> {
        let code_of = |(number, case): (usize, &CodeCase)| RegisteredCode {
            code: code(world, number),
            email: email(case.owner),
            program_id: programme(world, case.programme),
        };
        self.codes.iter().enumerate().map(code_of).collect()
    }

    /// E-mail indications to be made before the facts come: e-mail and user.
    pub fn indications(&self) -> Vec<(String, String)> {
        let indicated = self.users.iter().enumerate().filter_map(|(n, case)| match case.referral {
            ReferralCase::Indicated(by) => Some((email(n), user(by))),
            _ => None,
        });
        indicated.collect()
    }

    /// The facts, each once.
    pub fn facts(&self, world: &World) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (number, case) in self.users.iter().enumerate() {
            let signup = What::Signup(self.signup(world, number, case));
            if case.again {
                facts.push(fact(
                    world,
                    format!("signup-{number}-again"),
                    case.minute,
                    signup.clone(),
                ));
            }
            facts.push(fact(world, format!("signup-{number}"), case.minute, signup));
        }
        for (number, case) in self.payments.iter().enumerate() {
            let paid = if case.total { Paid::Total(case.minor) } else { Paid::Amount(case.minor) };
            let payment = What::Payment(Payment {
                user: user(case.user),
                currency: case.currency.map(str::to_owned),
                paid,
                success: case.success,
            });
            facts.push(fact(world, format!("payment-{number}"), case.minute, payment));
        }
        for (number, &(which, bot, minute)) in self.clicks.iter().enumerate() {
            let code = if which < 5 { code(world, which) } else { world.own_code(&user(which)) };
            let click = What::Click(Click { code, bot });
            facts.push(fact(world, format!("click-{number}"), minute, click));
        }
        facts
    }

    fn signup(&self, world: &World, number: usize, case: &UserCase) -> Signup {
        let mut signup = Signup {
            user: user(number),
            email: case.email.then(|| email(number)),
            program_id: programme(world, case.programme),
            ..Signup::default()
        };
        let other = |n: usize| user(n % self.users.len());
        match case.referral {
            ReferralCase::Nobody | ReferralCase::Indicated(_) => {}
            ReferralCase::User(n) => signup.user_indicator = Some(other(n)),
            ReferralCase::OwnCodeOf(n) => signup.code = Some(world.own_code(&other(n))),
            ReferralCase::Registered(n) => signup.code = Some(code(world, n)),
            ReferralCase::Both(n, c) => {
                signup.user_indicator = Some(other(n));
                signup.code = Some(code(world, c));
            }
            ReferralCase::Oneself => signup.user_indicator = Some(user(number)),
            ReferralCase::OneselfByCode => signup.code = Some(world.own_code(&user(number))),
            ReferralCase::Stranger => signup.user_indicator = Some("a-stranger".to_owned()),
            ReferralCase::UnknownCode(n) => signup.code = Some(code(world, 900 + n)),
        }
        signup
    }
}

fn programme(world: &World, number: Option<usize>) -> Option<i64> {
    world.programmes.get(number? % world.programmes.len().max(1)).map(|programme| programme.id)
}

fn fact(world: &World, id: String, minute: i64, what: What) -> Fact {
    let fact = Fact::new(what).at(FIRST_INSTANT);
    let time = fact.time + chrono::TimeDelta::minutes(minute);
    Fact { id, source: format!("/cases/{}", world.domain_id), time, ..fact }
}

/// How the facts of a case travel.
#[derive(Debug, Clone)]
pub struct Journey {
    /// A weight for each place: facts go in ascending order of it.
    weights: Vec<u32>,
    /// Which are sent a second time.
    repeated: Vec<bool>,
    /// Sizes of messages, see `messages::cut`.
    pub sizes: Vec<usize>,
}

/// Any permutation, duplication and batch split.
pub fn journeys() -> impl Strategy<Value = Journey> {
    (vec(any::<u32>(), 97), vec(any::<bool>(), 31), vec(0..9_usize, 1..6))
        .prop_map(|(weights, repeated, sizes)| Journey { weights, repeated, sizes })
}

impl Journey {
    /// The facts in their order of travel.
    pub fn order<'a>(&self, facts: &'a [Fact]) -> Vec<&'a Fact> {
        let copies = facts.iter().enumerate().flat_map(|(place, fact)| {
            let times = if self.repeated[place % self.repeated.len()] { 2 } else { 1 };
            std::iter::repeat_n(fact, times)
        });
        let mut weighted: Vec<(u64, &Fact)> = copies
            .enumerate()
            .map(|(place, fact)| {
                let weight = u64::from(self.weights[place % self.weights.len()]);
                // Beyond the given weights the place stirs them anew.
                (weight.wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ (place as u64 / 97)), fact)
            })
            .collect();
        weighted.sort_by_key(|(weight, _)| *weight);
        weighted.into_iter().map(|(_, fact)| fact).collect()
    }
}
