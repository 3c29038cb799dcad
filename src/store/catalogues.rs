//! A domain's catalogue of tariffs and goods (contract 3): loaded by the operator as a whole, read by
//! the ingress. A domain that never loaded one has the shipped example.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Row, Store, StoreError, Tx, tenants};
use crate::domain::{Catalogue, Micros};

/// Most catalogues that are kept parsed.
const KEPT_MAX: usize = 64;

/// What became of loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It is in force.
    New,
    /// The domain had loaded the very same text, which stays as it is.
    Same,
    /// Nothing changed: this tariff would be gone, and so many sites are on it.
    InUse {
        /// The first of such tariffs.
        tariff_id: i64,
        /// Sites of the domain that are on it.
        sites: i64,
    },
}

/// A catalogue that is in force. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// When it was loaded, no two of a domain at once; none: it is the shipped one.
    pub loaded: Option<Micros>,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
}

/// Puts a catalogue into force in place of the domain's. Of two at once the second replaces the first.
pub async fn load(
    store: &Store,
    domain_id: i64,
    catalogue: &Catalogue,
    now: Micros,
) -> Result<Loaded, StoreError> {
    const SAVE: &str = "INSERT INTO catalogue (domain_id, content, loaded_us) \
        VALUES ({?}, {?}, {?}) \
        {conflict domain_id} content = {new content}, loaded_us = {new loaded_us}";
    let work = async || {
        let tx = store.begin().await?;
        tenants::hold(&tx, domain_id).await?;
        let before = tx.one(READ, vec![domain_id.into()]).await?;
        if before.as_ref().map(|row| row.text("content")).transpose()?.as_deref()
            == Some(catalogue.text())
        {
            tx.rollback().await?;
            return Ok(Loaded::Same);
        }
        if let Some(used) = used(&tx, domain_id, catalogue).await? {
            tx.rollback().await?;
            return Ok(used);
        }
        let before = before.map(|row| row.int("loaded_us")).transpose()?;
        let loaded = before.map_or(now.0, |before| now.0.max(before.saturating_add(1)));
        let values = vec![domain_id.into(), catalogue.text().into(), loaded.into()];
        tx.run(SAVE, None, values).await?;
        tx.commit().await?;
        Ok(Loaded::New)
    };
    store.again(work).await
}

/// The first tariff that sites are on and the catalogue has not.
async fn used(
    tx: &Tx,
    domain_id: i64,
    catalogue: &Catalogue,
) -> Result<Option<Loaded>, StoreError> {
    const USED: &str = "SELECT tariff_id, COUNT(*) AS sites FROM site WHERE domain_id = {?} \
        GROUP BY tariff_id ORDER BY tariff_id";
    for row in tx.all(USED, None, vec![domain_id.into()]).await? {
        let tariff_id = row.int("tariff_id")?;
        if catalogue.tariff(tariff_id).is_none() {
            return Ok(Some(Loaded::InUse { tariff_id, sites: row.int("sites")? }));
        }
    }
    Ok(None)
}

const READ: &str = "SELECT content, loaded_us FROM catalogue WHERE domain_id = {?}";

/// The catalogue of a domain: its own, or the shipped one.
pub async fn of_domain(store: &Store, domain_id: i64) -> Result<InForce, StoreError> {
    let row = store.one(READ, vec![domain_id.into()]).await?;
    let own = |row: Row| Ok::<_, StoreError>((row.int("loaded_us")?, row.text("content")?));
    let (loaded, read) = match row.map(own).transpose()? {
        Some((loaded, text)) => (Some(Micros(loaded)), Catalogue::parse(&text)),
        None => (None, Catalogue::example()),
    };
    let broken = |error| StoreError::Broken(format!("catalogue of domain {domain_id}: {error}"));
    Ok(InForce { loaded, catalogue: Arc::new(read.map_err(broken)?) })
}

/// Keeps the domain's catalogue in force until the transaction ends; when it was loaded. Who puts a
/// site on a tariff does it behind this, and sees whether the tariff is still that of the catalogue
/// that was read before.
pub async fn hold(tx: &Tx, domain_id: i64) -> Result<Option<Micros>, StoreError> {
    tenants::hold(tx, domain_id).await?;
    loaded(tx.one(LOADED, vec![domain_id.into()]).await?.as_ref())
}

const LOADED: &str = "SELECT loaded_us FROM catalogue WHERE domain_id = {?}";

fn loaded(row: Option<&Row>) -> Result<Option<Micros>, StoreError> {
    row.map(|row| row.int("loaded_us").map(Micros)).transpose()
}

/// Catalogues that were read before, kept parsed. Each call asks the database which is in force, so
/// that a change is seen with the next one.
#[derive(Default)]
pub struct Catalogues(Mutex<HashMap<i64, InForce>>);

impl Catalogues {
    /// The catalogue of a domain.
    pub async fn of(&self, store: &Store, domain_id: i64) -> Result<InForce, StoreError> {
        let loaded = loaded(store.one(LOADED, vec![domain_id.into()]).await?.as_ref())?;
        if let Some(kept) = self.lock().get(&domain_id).filter(|kept| kept.loaded == loaded) {
            return Ok(kept.clone());
        }
        let new = of_domain(store, domain_id).await?;
        let mut kept = self.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(domain_id, new.clone());
        Ok(new)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, InForce>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
