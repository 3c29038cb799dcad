//! Deliveries that pay out an entry that is not there and should not be.
use super::{
    Difference, NOTHING, Tenant,
    books::TOLD,
    repair::remove_delivery,
    stored::{columns, delivery, kind},
    users::locked,
};
use crate::{
    domain::Micros,
    store::{Param, Store, StoreError},
};

/// Deliveries of one page.
const PAGE: usize = 5000;

/// A delivery without its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The tenant.
    pub domain_id: i64,
    /// The `webhook-id`.
    pub id: String,
    /// By whom it was earned.
    pub referred: String,
}

/// What a page of deliveries came to.
#[derive(Debug, Default)]
pub struct Page {
    /// Rows looked at.
    pub rows: u64,
    /// After which the next page begins; none: that was the last.
    pub next: Option<String>,
    /// Those whose entry is not there.
    pub orphans: Vec<Orphan>,
}

/// Deliveries after this id.
pub async fn page(store: &Store, after: &str) -> Result<Page, StoreError> {
    const FIND: &str = "SELECT d.id AS id, d.domain_id AS domain_id, d.referred AS referred, \
        e.id AS entry FROM (SELECT id, domain_id, entry_id, referred_user_hash AS referred \
        FROM delivery WHERE id > {?} ORDER BY id LIMIT {?}) d \
        LEFT JOIN entry e ON e.id = d.entry_id ORDER BY d.id";
    let rows = store.all(FIND, None, vec![after.into(), (PAGE as i64).into()]).await?;
    let mut page = Page { rows: rows.len() as u64, ..Page::default() };
    for row in &rows {
        if row.text_or_null("entry")?.is_none() {
            let (domain_id, referred) = (row.int("domain_id")?, row.text("referred")?);
            page.orphans.push(Orphan { domain_id, id: row.text("id")?, referred });
        }
    }
    if rows.len() == PAGE {
        page.next = rows.last().map(|row| row.text("id")).transpose()?;
    }
    Ok(page)
}

/// Looks at one of them behind its user's lock, and with `repair` removes it if nobody was told of it.
pub async fn look(
    store: &Store,
    tenant: &Tenant,
    orphan: &Orphan,
    repair: Option<Micros>,
) -> Result<Option<Difference>, StoreError> {
    store.again(async || look_once(store, tenant, orphan, repair.is_some()).await).await
}

async fn look_once(
    store: &Store,
    tenant: &Tenant,
    orphan: &Orphan,
    repair: bool,
) -> Result<Option<Difference>, StoreError> {
    let find = format!(
        "SELECT {} FROM delivery WHERE delivery.id = {{?}} \
         AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.id = delivery.entry_id)",
        columns()
    );
    let tx = store.begin().await?;
    let books = locked(&tx, tenant, &orphan.referred).await?;
    let Some(row) = tx.one(&find, vec![Param::from(orphan.id.as_str())]).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    let found = delivery(&row)?;
    // One whose entry should be there is told of with the entry.
    let awaited = kind(&row)?.and_then(|kind| books.deliveries.get(&kind));
    if awaited.is_some_and(|awaited| awaited.id == found.id) {
        tx.rollback().await?;
        return Ok(None);
    }
    if repair && found.untold {
        remove_delivery(&tx, &found.id).await?;
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    Ok(Some(Difference {
        what: "delivery",
        name: format!("{} for {}", row.text("kind")?, orphan.referred),
        found: format!("{} as {}", found.line, found.id),
        expected: NOTHING.to_owned(),
        note: (!found.untold).then_some(TOLD),
        is_repairable: found.untold,
    }))
}
