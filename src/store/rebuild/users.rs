//! What is wrong with users' books, and mending it.
//!
//! A user is looked at behind the lock of their `payer` row, which everybody takes first who changes the
//! user's account, entries, totals or rewards.
use super::{
    Difference, Tenant,
    books::{self, Kind, Verdict},
    lines, repair,
    stored::{Books, REWARDS_MAX, Reward, read},
};
use crate::{
    domain::Micros,
    store::{Param, Store, StoreError, Tx},
};

/// Users of one page.
const PAGE: usize = 500;

/// What is wrong with a user's books.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Findings {
    pub(super) lost: bool,
    pub(super) payer: bool,
    /// The mark that the target was reached, as it should be.
    pub(super) acquired: Option<bool>,
    pub(super) verdicts: Vec<(Kind, Verdict)>,
    pub(super) rewards: Vec<Reward>,
}

impl Books {
    pub(super) fn judge(&self, user: &str) -> Findings {
        let mut findings = Findings { payer: self.payer != self.counted, ..Findings::default() };
        if self.account.is_none() && self.signed_up {
            // Without the account nobody knows what its entries should be.
            findings.lost = true;
            return findings;
        }
        findings.rewards.clone_from(&self.rewards);
        for kind in books::KINDS {
            let (entry, delivery) = (self.entries.get(&kind), self.deliveries.get(&kind));
            let verdict = books::judge(kind, self.line(kind, user).as_ref(), entry, delivery);
            if verdict != Verdict::default() {
                findings.verdicts.push((kind, verdict));
            }
        }
        let Some(account) = &self.account else { return findings };
        let stays = |(kind, verdict): &(Kind, Verdict)| {
            *kind == Kind::Acquired && verdict.by_hand.is_some()
        };
        let has_acquired = self.referred().is_some_and(|r| r.has_acquired(self.counted))
            || self.entries.contains_key(&Kind::Acquired) && findings.verdicts.iter().any(stays);
        if account.acquired.is_some() != has_acquired {
            findings.acquired = Some(has_acquired);
        }
        findings
    }
}

/// The next users of a domain, in the database's order: whoever signed up, paid, or was credited.
pub async fn next(store: &Store, domain_id: i64, after: &str) -> Result<Vec<String>, StoreError> {
    const SOURCES: [(&str, &str); 5] = [
        ("account", "user_hash"),
        ("payer", "user_hash"),
        ("payment", "user_hash"),
        ("signup", "user_hash"),
        ("entry", "referred_user_hash"),
    ];
    let of = |(n, (table, column)): (usize, (&str, &str))| {
        format!(
            "SELECT u{n}.user_hash AS user_hash FROM (SELECT DISTINCT {column} AS user_hash \
             FROM {table} WHERE domain_id = {{?}} AND {column} > {{?}} ORDER BY {column} \
             LIMIT {PAGE}) u{n}"
        )
    };
    let all: Vec<String> = SOURCES.into_iter().enumerate().map(of).collect();
    let find = format!(
        "SELECT u.user_hash AS user_hash FROM ({}) u ORDER BY u.user_hash LIMIT {PAGE}",
        all.join(" UNION ")
    );
    let params = SOURCES.iter().flat_map(|_| [Param::from(domain_id), after.into()]).collect();
    store.all(&find, None, params).await?.iter().map(|row| row.text("user_hash")).collect()
}

/// Which of these users seem to have something wrong in their books.
pub async fn suspects(
    store: &Store,
    tenant: &Tenant,
    users: &[String],
) -> Result<Vec<String>, StoreError> {
    let found = read(store, tenant, users).await?;
    let wrong = found.into_iter().filter(|(user, books)| books.judge(user) != Findings::default());
    Ok(wrong.map(|(user, _)| user).collect())
}

/// Looks at one user behind their lock: what is wrong with their books, and with `repair` mends it. True:
/// there is more of the same.
pub async fn look(
    store: &Store,
    tenant: &Tenant,
    user: &str,
    repair: Option<Micros>,
) -> Result<(Vec<Difference>, bool), StoreError> {
    store.again(async || look_once(store, tenant, user, repair).await).await
}

async fn look_once(
    store: &Store,
    tenant: &Tenant,
    user: &str,
    now: Option<Micros>,
) -> Result<(Vec<Difference>, bool), StoreError> {
    let tx = store.begin().await?;
    let books = locked(&tx, tenant, user).await?;
    let findings = books.judge(user);
    let more = findings.rewards.len() == REWARDS_MAX;
    let mut differences = lines::of(user, &books, &findings);
    match now {
        Some(now) if !differences.is_empty() => {
            if !repair::write(&tx, tenant, user, &books, &findings, now).await? {
                lines::paid_out(&mut differences, &findings);
            }
            tx.commit().await?;
        }
        _ => tx.rollback().await?,
    }
    Ok((differences, more))
}

/// Locks a user, and reads their books behind the lock.
pub(super) async fn locked(tx: &Tx, tenant: &Tenant, user: &str) -> Result<Books, StoreError> {
    const LOCK: &str = "INSERT INTO payer (domain_id, user_hash, sum_minor, max_minor) \
        VALUES ({?}, {?}, 0, 0) {conflict domain_id, user_hash} sum_minor = {old payer.sum_minor}";
    tx.run(LOCK, None, vec![tenant.domain.id.into(), user.into()]).await?;
    let mut found = read(tx, tenant, &[user.to_owned()]).await?;
    Ok(found.remove(user).unwrap_or_default())
}
