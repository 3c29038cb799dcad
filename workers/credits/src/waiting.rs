//! Finding the accounts that wait for what has just become known.
//!
//! [`dependents`] looks before a batch's transaction for those that its signups may settle;
//! [`sweep`] looks again every few seconds for what was missed: codes that the ingress registered,
//! and signups that two workers handled at the same moment.
use std::collections::BTreeSet;

use referral::{
    domain::{Code, Data},
    store::{
        Param, Rows, Store, StoreError,
        rows::Kind::{Int, Text},
    },
    worker::Placed,
};

use crate::{known::User, load};

/// Most accounts that one transaction settles besides its own signups'; the sweep does the rest.
pub const CANDIDATES_MAX: usize = 5000;
/// How far down a chain of users who wait for each other one batch looks.
const LEVELS_MAX: usize = 16;

/// Accounts that wait for the users, addresses or own codes of these signups, and so on.
pub async fn dependents(store: &Store, events: &[Placed]) -> Result<BTreeSet<User>, StoreError> {
    let mut arrived = BTreeSet::new();
    let mut emails = Rows::new(&[("domain_id", Int), ("email_key", Text)]);
    for placed in events {
        if let Data::Signup(signup) = &placed.event.data {
            let user = User { domain_id: placed.domain.id, hash: signup.user_hash.clone() };
            if let Some(email) = &signup.email {
                emails.push([user.domain_id.into(), email.key().into()]);
            }
            arrived.insert(user);
        }
    }
    if arrived.is_empty() {
        return Ok(BTreeSet::new());
    }
    const BY_CODE: &str = "SELECT a.domain_id AS domain_id, a.user_hash AS user_hash FROM {rows} \
        JOIN account a ON a.domain_id = r.domain_id AND a.wait_code = r.code";
    const BY_EMAIL: &str = "SELECT a.domain_id AS domain_id, a.user_hash AS user_hash FROM {rows} \
        JOIN code c ON c.domain_id = r.domain_id AND c.email_key = r.email_key \
        JOIN account a ON a.domain_id = c.domain_id AND a.wait_code = c.code";
    let mut codes = Rows::new(&[("domain_id", Int), ("code", Text)]);
    for user in &arrived {
        let code = Code::of_user(user.domain_id, &user.hash);
        codes.push([user.domain_id.into(), code.as_str().into()]);
    }
    let mut found = BTreeSet::new();
    found.extend(users(store, BY_CODE, &codes).await?);
    if !emails.is_empty() {
        found.extend(users(store, BY_EMAIL, &emails).await?);
    }
    let mut above: BTreeSet<User> = arrived.union(&found).cloned().collect();
    for _ in 0..LEVELS_MAX {
        const BY_USER: &str = "SELECT a.domain_id AS domain_id, a.user_hash AS user_hash \
            FROM {rows} JOIN account a ON a.domain_id = r.domain_id AND a.wait_hash = r.user_hash";
        let below: BTreeSet<User> =
            users(store, BY_USER, &load::users(&above)).await?.into_iter().collect();
        above = below.difference(&found).cloned().collect();
        found.extend(above.iter().cloned());
        if above.is_empty() || found.len() >= CANDIDATES_MAX {
            break;
        }
    }
    Ok(found.into_iter().take(CANDIDATES_MAX).collect())
}

async fn users(store: &Store, find: &str, rows: &Rows) -> Result<Vec<User>, StoreError> {
    let find = format!("{find} LIMIT {CANDIDATES_MAX}");
    store.all(&find, Some(rows), Vec::new()).await?.iter().map(load::user).collect()
}

/// Where a sweep goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    domain_id: i64,
    user_hash: String,
}

/// The next accounts after `cursor` that wait although what they wait for seems to be known, and
/// the cursor after them; `None`: that was the last.
pub async fn sweep(
    store: &Store,
    cursor: &Cursor,
) -> Result<(BTreeSet<User>, Option<Cursor>), StoreError> {
    const KNOWN: [&str; 3] = [
        // The referrer's programme is known, or named, or not needed; or the two are in a ring.
        "JOIN account k ON k.domain_id = a.domain_id AND k.user_hash = a.wait_hash \
         WHERE a.wait_hash IS NOT NULL AND (k.settled_us IS NOT NULL \
         OR a.claim_program_id IS NOT NULL OR k.claim_program_id IS NOT NULL \
         OR k.wait_hash IS NOT NULL)",
        "JOIN code k ON k.domain_id = a.domain_id AND k.code = a.wait_code \
         JOIN account_email e ON e.domain_id = k.domain_id AND e.email_key = k.email_key \
         WHERE a.wait_code IS NOT NULL",
        "JOIN account k ON k.domain_id = a.domain_id AND k.code = a.wait_code \
         WHERE a.wait_code IS NOT NULL",
    ];
    let mut found = BTreeSet::new();
    for known in KNOWN {
        let find = format!(
            "SELECT a.domain_id AS domain_id, a.user_hash AS user_hash FROM account a {known} \
             AND (a.domain_id > {{?}} OR (a.domain_id = {{?}} AND a.user_hash > {{?}})) \
             ORDER BY a.domain_id, a.user_hash LIMIT {CANDIDATES_MAX}"
        );
        let after = vec![
            Param::from(cursor.domain_id),
            cursor.domain_id.into(),
            cursor.user_hash.as_str().into(),
        ];
        for row in store.all(&find, None, after).await? {
            found.insert(load::user(&row)?);
        }
    }
    let more = found.len() >= CANDIDATES_MAX;
    let page: BTreeSet<User> = found.into_iter().take(CANDIDATES_MAX).collect();
    let next = page
        .last()
        .filter(|_| more)
        .map(|user| Cursor { domain_id: user.domain_id, user_hash: user.hash.to_string() });
    Ok((page, next))
}

#[cfg(test)]
mod tests {
    use referral::{domain::UserHash, store::StoreSettings};

    use super::*;

    /// Accounts as rows: user, whom they wait for, which code they wait for, programme they name,
    /// whether they are settled.
    type Given = (&'static str, Option<&'static str>, Option<&'static str>, Option<i64>, bool);

    async fn swept(accounts: &[Given]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/t.db?mode=rwc", directory.path().display());
        let settings = StoreSettings { url, connections_max: 2, migrate: true };
        let store = Store::connect(&settings).await.unwrap();
        const INSERT: &str = "INSERT INTO account (domain_id, user_hash, code, wait_hash, \
            wait_code, claim_program_id, settled_us, source, event_id, ctime_us) \
            VALUES (1, {?}, {?}, {?}, {?}, {?}, {?}, '/t', '1', 0)";
        for (user, wait_hash, wait_code, program_id, settled) in accounts {
            let code = Code::of_user(1, &UserHash::parse(user).unwrap());
            let params = vec![
                Param::from(*user),
                code.as_str().into(),
                (*wait_hash).into(),
                (*wait_code).into(),
                (*program_id).into(),
                settled.then_some(1).into(),
            ];
            store.run(INSERT, None, params).await.unwrap();
        }
        let (found, next) = sweep(&store, &Cursor::default()).await.unwrap();
        assert_eq!(next, None);
        found.into_iter().map(|user| user.hash.to_string()).collect()
    }

    #[tokio::test]
    async fn the_sweep_finds_who_can_be_settled_and_nobody_else() {
        const UNKNOWN: &str = "b4b9e071006f409d8e6d";
        let cases: [(&str, Vec<Given>, &[&str]); 6] = [
            (
                "the referrer is settled",
                vec![("a", None, None, None, true), ("b", Some("a"), None, None, false)],
                &["b"],
            ),
            (
                "the referrer names a programme",
                vec![("a", Some("x"), None, Some(1), false), ("b", Some("a"), None, None, false)],
                &["b"],
            ),
            (
                "the user names a programme",
                vec![
                    ("a", None, Some(UNKNOWN), None, false),
                    ("b", Some("a"), None, Some(1), false),
                ],
                &["b"],
            ),
            (
                "they wait for each other",
                vec![("a", Some("b"), None, None, false), ("b", Some("a"), None, None, false)],
                &["a", "b"],
            ),
            (
                "the referrer waits for a code",
                vec![("a", None, Some(UNKNOWN), None, false), ("b", Some("a"), None, None, false)],
                &[],
            ),
            ("the referrer is unknown", vec![("b", Some("a"), None, Some(1), false)], &[]),
        ];
        for (name, accounts, expected) in cases {
            assert_eq!(swept(&accounts).await, expected, "{name}");
        }
    }
}
