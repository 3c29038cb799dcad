//! Corruptions made by hand, one of each kind, and what of it is to be reported.

/// One of them.
pub struct Corruption {
    /// What it is.
    pub name: &'static str,
    /// How it is made, in the domain `DOMAIN`.
    pub sql: &'static [&'static str],
    /// The kinds of rows that differ then.
    pub reported: &'static [&'static str],
}

/// Bob has reached the target with two payments, Carol has not; nobody was told of anything yet.
pub fn corruptions() -> Vec<Corruption> {
    [records(), totals(), entries(), deliveries(), rewards()].into_iter().flatten().collect()
}

fn of(
    name: &'static str,
    sql: &'static [&'static str],
    reported: &'static [&'static str],
) -> Corruption {
    Corruption { name, sql, reported }
}

fn records() -> Vec<Corruption> {
    const RECORD: &[&str] = &["daily_record"];
    vec![
        of(
            "too many clicks",
            &["UPDATE daily_record SET clicks = clicks + 5 WHERE domain_id = DOMAIN \
               AND day = '2025-06-02' AND clicks = 2"],
            RECORD,
        ),
        of(
            "no clicks",
            &["UPDATE daily_record SET clicks = 0 WHERE domain_id = DOMAIN AND day = '2025-06-03'"],
            RECORD,
        ),
        of(
            "clicks of nobody on the record of a signup",
            &["UPDATE daily_record SET clicks = 3 WHERE domain_id = DOMAIN \
               AND day = '2025-06-02' AND clicks = 0"],
            RECORD,
        ),
        of(
            "all records are gone",
            &["DELETE FROM daily_record WHERE domain_id = DOMAIN"],
            &["daily_record"; 4],
        ),
        of(
            "a record of clicks that nobody made",
            &["INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, mtime_us) \
               VALUES (DOMAIN, '2025-06-01', '00000000000000000000', 'x', 7, 0, 0)"],
            RECORD,
        ),
        of(
            "a record on which nothing happened",
            &["INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, mtime_us) \
               SELECT domain_id, '2025-07-01', code, 'x', 0, 0, 0 FROM daily_record \
               WHERE domain_id = DOMAIN AND clicks = 2"],
            RECORD,
        ),
        of(
            "a signup on another day",
            &["UPDATE daily_signup SET day = '2024-01-01' WHERE domain_id = DOMAIN \
               AND email_key = 'carol@example.com'"],
            &["daily_signup"],
        ),
    ]
}

fn totals() -> Vec<Corruption> {
    vec![
        of(
            "a payer paid less",
            &["UPDATE payer SET sum_minor = 1 WHERE domain_id = DOMAIN AND user_hash = 'bob'"],
            &["payer"],
        ),
        of(
            "a total that nobody reported",
            &["UPDATE payer SET max_minor = 9999 WHERE domain_id = DOMAIN AND user_hash = 'carol'"],
            &["payer"],
        ),
        of("payers are gone", &["DELETE FROM payer WHERE domain_id = DOMAIN"], &["payer"; 2]),
        of(
            "the mark of the target is gone",
            &["UPDATE account SET acquired_us = NULL WHERE domain_id = DOMAIN \
               AND user_hash = 'bob'"],
            &["account"],
        ),
        of(
            "a target was never reached",
            &["UPDATE account SET acquired_us = 1 WHERE domain_id = DOMAIN \
               AND user_hash = 'carol'"],
            &["account"],
        ),
    ]
}

fn entries() -> Vec<Corruption> {
    vec![
        of(
            "an entry is gone",
            &["DELETE FROM entry WHERE domain_id = DOMAIN AND kind = 'signup_credit' \
               AND referred_user_hash = 'bob'"],
            &["entry"],
        ),
        of(
            "a promise is gone",
            &["DELETE FROM entry WHERE domain_id = DOMAIN AND kind = 'potential_credit' \
               AND referred_user_hash = 'carol'"],
            &["entry"],
        ),
        of(
            "an entry of another amount",
            &["UPDATE entry SET amount_minor = 1 WHERE domain_id = DOMAIN \
               AND kind = 'acquired_credit'"],
            &["entry"],
        ),
        of(
            "an entry of another user",
            &["UPDATE entry SET user_hash = 'mallory' WHERE domain_id = DOMAIN \
               AND kind = 'potential_credit' AND referred_user_hash = 'bob'"],
            &["entry"],
        ),
        of(
            "a credit that nobody earned",
            &["INSERT INTO entry (id, domain_id, user_hash, kind, amount_minor, currency, \
               program_id, referred_user_hash, signup_source, signup_event_id, time_us) \
               VALUES ('forged', DOMAIN, 'alice', 'acquired_credit', 2500, 'USD', 1, 'carol', \
               '/x', 'x', 0)"],
            &["entry"],
        ),
        of(
            "a credit of somebody who never signed up",
            &["INSERT INTO entry (id, domain_id, user_hash, kind, amount_minor, currency, \
               program_id, referred_user_hash, signup_source, signup_event_id, time_us) \
               VALUES ('forged', DOMAIN, 'mallory', 'signup_credit', 2500, 'USD', 1, 'mallory', \
               '/x', 'x', 0)"],
            &["entry"],
        ),
    ]
}

fn deliveries() -> Vec<Corruption> {
    vec![
        of(
            "a delivery is gone",
            &["DELETE FROM delivery WHERE domain_id = DOMAIN AND kind = 'signup_credit' \
               AND referred_user_hash = 'bob'"],
            &["delivery"],
        ),
        of(
            "an entry is gone with its delivery",
            &[
                "DELETE FROM delivery WHERE domain_id = DOMAIN AND kind = 'acquired_credit'",
                "DELETE FROM entry WHERE domain_id = DOMAIN AND kind = 'acquired_credit'",
                "UPDATE account SET acquired_us = NULL WHERE domain_id = DOMAIN",
            ],
            &["account", "delivery", "entry"],
        ),
        of(
            "a delivery of another amount",
            &["UPDATE delivery SET amount_minor = 1 WHERE domain_id = DOMAIN \
               AND kind = 'signup_credit' AND referred_user_hash = 'carol'"],
            &["delivery"],
        ),
        of(
            "both of another amount",
            &[
                "UPDATE delivery SET amount_minor = 1 WHERE domain_id = DOMAIN \
                 AND kind = 'signup_credit' AND referred_user_hash = 'carol'",
                "UPDATE entry SET amount_minor = 1 WHERE domain_id = DOMAIN \
                 AND kind = 'signup_credit' AND referred_user_hash = 'carol'",
            ],
            &["delivery", "entry"],
        ),
        of(
            "a delivery of no entry",
            &["INSERT INTO delivery (id, entry_id, domain_id, user_hash, kind, amount_minor, \
               currency, program_id, program_name, user_indicator_hash, referred_user_hash, \
               created_us, state, attempts, next_attempt_us, lease_until_us) \
               VALUES ('forged', 'none', DOMAIN, 'alice', 'acquired_credit', 2500, 'USD', 1, \
               'Default', 'alice', 'carol', 0, 'dead', 0, 0, 0)"],
            &["delivery"],
        ),
        of(
            "a forged credit with its delivery",
            &[
                "INSERT INTO entry (id, domain_id, user_hash, kind, amount_minor, currency, \
                 program_id, referred_user_hash, signup_source, signup_event_id, time_us) \
                 VALUES ('forged', DOMAIN, 'alice', 'acquired_credit', 2500, 'USD', 1, 'carol', \
                 '/x', 'x', 0)",
                "INSERT INTO delivery (id, entry_id, domain_id, user_hash, kind, amount_minor, \
                 currency, program_id, program_name, user_indicator_hash, referred_user_hash, \
                 created_us, state, attempts, next_attempt_us, lease_until_us) \
                 VALUES ('forged', 'forged', DOMAIN, 'alice', 'acquired_credit', 2500, 'USD', 1, \
                 'Default', 'alice', 'carol', 0, 'pending', 0, 0, 0)",
            ],
            &["delivery", "entry"],
        ),
    ]
}

fn rewards() -> Vec<Corruption> {
    vec![
        of(
            "a reward is gone",
            &["UPDATE payment SET reward_minor = NULL WHERE domain_id = DOMAIN \
               AND user_hash = 'carol'"],
            &["reward"],
        ),
        of(
            "rewards are too high",
            &["UPDATE payment SET reward_minor = 1000 WHERE domain_id = DOMAIN \
               AND user_hash = 'bob'"],
            &["reward"; 2],
        ),
    ]
}
