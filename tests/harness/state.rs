//! The state of one domain as the database has it, in the model's shape.
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use referral::store::{Row, Store, StoreError};

use super::{Bed, PATIENCE, Tenant, eventually::within};
use crate::model::{
    records::in_order,
    state::{Account, Delivery, Entry, Kept, Record, State, Total},
};

/// Waits until the database has exactly this state.
pub async fn expect(bed: &Bed, tenant: &Tenant, expected: &State) {
    if let Err(told) = reached(bed, tenant, expected, PATIENCE).await {
        panic!("{:?}: the state is not the model's; {told}", bed.database);
    }
}

/// Looks now.
pub async fn expect_now(bed: &Bed, tenant: &Tenant, expected: &State) {
    let found = read(&bed.store, tenant.world.domain_id).await.expect("the state");
    if let Err(told) = found.same_as(expected) {
        panic!("{:?}: the state is not the model's any more; {told}", bed.database);
    }
}

/// The same as [`expect`], telling the difference that is left at the deadline.
pub async fn reached(
    bed: &Bed,
    tenant: &Tenant,
    expected: &State,
    deadline: Duration,
) -> Result<(), String> {
    within(deadline, async || {
        let found = read(&bed.store, tenant.world.domain_id).await;
        found.map_err(|error| error.to_string())?.same_as(expected)
    })
    .await
}

/// Reads the state of one domain.
pub async fn read(store: &Store, domain_id: i64) -> Result<State, StoreError> {
    let all = async |sql: &str| store.all(sql, None, vec![domain_id.into()]).await;
    let mut state = State { records: records(store, domain_id).await?, ..State::default() };
    for row in all("SELECT bot FROM click WHERE domain_id = {?}").await? {
        state.clicks += 1;
        state.bots += row.int("bot")?;
    }
    for row in all("SELECT * FROM account WHERE domain_id = {?}").await? {
        let settled = row.int_or_null("settled_us")?.is_some();
        let account = Account {
            code: row.text("code")?,
            email_key: row.text_or_null("email_key")?,
            settled,
            referrer: row.text_or_null("referrer_hash")?.filter(|_| settled),
            programme: row.int_or_null("program_id")?.filter(|_| settled),
        };
        state.accounts.insert(row.text("user_hash")?, account);
    }
    for row in all("SELECT * FROM payer WHERE domain_id = {?}").await? {
        let total = Total { sum: row.int("sum_minor")?, max: row.int("max_minor")? };
        if total != Total::default() {
            state.payers.insert(row.text("user_hash")?, total);
        }
    }
    for row in all("SELECT * FROM payment WHERE domain_id = {?}").await? {
        let kept = Kept {
            user: row.text("user_hash")?,
            currency: row.text("currency")?,
            amount: row.int_or_null("amount_minor")?,
            total: row.int_or_null("total_minor")?,
            counted: row.truth("counted")?,
            reward: row.int_or_null("reward_minor")?,
        };
        *state.payments.entry(kept).or_default() += 1;
    }
    let mut entries = HashMap::new();
    for row in all("SELECT * FROM entry WHERE domain_id = {?}").await? {
        let found = entry(&row)?;
        entries.insert(row.text("id")?, found.clone());
        *state.entries.entry(found).or_default() += 1;
    }
    for row in all("SELECT * FROM delivery WHERE domain_id = {?}").await? {
        let delivery = Delivery {
            entry: entry(&row)?,
            programme_name: row.text("program_name")?,
            indicator: row.text("user_indicator_hash")?,
        };
        // A delivery pays out the very entry that it names.
        let paid_out = entries.get(&row.text("entry_id")?);
        if paid_out.is_some_and(|paid_out| *paid_out != delivery.entry) {
            return Err(StoreError::Refused(format!("{delivery:?} pays out {paid_out:?}")));
        }
        *state.deliveries.entry(delivery).or_default() += 1;
    }
    Ok(state)
}

/// How many deliveries of the domain are in each state.
pub async fn deliveries(store: &Store, domain_id: i64) -> BTreeMap<String, i64> {
    const COUNT: &str = "SELECT state, COUNT(*) AS times FROM delivery WHERE domain_id = {?} \
        GROUP BY state";
    let rows = store.all(COUNT, None, vec![domain_id.into()]).await.expect("deliveries");
    let state = |row: &Row| (row.text("state").expect("state"), row.int("times").expect("times"));
    rows.iter().map(state).collect()
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        user: row.text("user_hash")?,
        kind: row.text("kind")?,
        amount: row.int("amount_minor")?,
        currency: row.text("currency")?,
        programme: row.int("program_id")?,
        referred: row.text("referred_user_hash")?,
    })
}

async fn records(
    store: &Store,
    domain_id: i64,
) -> Result<BTreeMap<(String, String), Record>, StoreError> {
    const RECORDS: &str = "SELECT day, code, clicks FROM daily_record WHERE domain_id = {?}";
    const SIGNUPS: &str = "SELECT day, code, time_us, email FROM daily_signup WHERE domain_id = {?} \
        AND code IS NOT NULL AND email IS NOT NULL";
    let mut records = BTreeMap::new();
    for row in store.all(RECORDS, None, vec![domain_id.into()]).await? {
        let record = Record { clicks: row.int("clicks")?, emails: Vec::new() };
        records.insert((row.text("day")?, row.text("code")?), record);
    }
    let mut came = BTreeMap::<_, Vec<(i64, String)>>::new();
    for row in store.all(SIGNUPS, None, vec![domain_id.into()]).await? {
        let key = (row.text("day")?, row.text("code")?);
        came.entry(key).or_default().push((row.int("time_us")?, row.text("email")?));
    }
    for (key, came) in came {
        // A signup whose record is missing must not look like one.
        if let Some(record) = records.get_mut(&key) {
            record.emails = in_order(came);
        }
    }
    Ok(records)
}
