//! Programmes (contract 5): written by the ingress.
use super::{
    Param, Store, StoreError,
    reference::{Programme, programme},
};
use crate::domain::{Micros, Money};

/// Terms that a programme is made with or changed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Shown to billing.
    pub name: String,
    /// What the referred user gets at signup.
    pub credit: Money,
    /// What the referrer gets, and from which total on.
    pub target: Money,
    /// Share of each payment, in ten-thousandths of a percent.
    pub reward_percent_e4: i64,
}

impl Terms {
    fn params(&self) -> [Param<'_>; 4] {
        [
            self.name.as_str().into(),
            self.credit.minor().into(),
            self.target.minor().into(),
            self.reward_percent_e4.into(),
        ]
    }

    fn with_id(self, id: i64, domain_id: i64) -> Programme {
        let Self { name, credit, target, reward_percent_e4 } = self;
        Programme { id, domain_id, name, credit, target, reward_percent_e4 }
    }
}

impl From<Programme> for Terms {
    fn from(programme: Programme) -> Self {
        let Programme { name, credit, target, reward_percent_e4, .. } = programme;
        Self { name, credit, target, reward_percent_e4 }
    }
}

/// Makes a programme.
pub async fn create(
    store: &Store,
    domain_id: i64,
    terms: Terms,
    now: Micros,
) -> Result<Programme, StoreError> {
    const INSERT: &str = "INSERT INTO programme (domain_id, name, credit_minor, target_minor, \
        reward_percent_e4, ctime_us) VALUES ({?}, {?}, {?}, {?}, {?}, {?})";
    let params: Vec<Param> = std::iter::once(Param::from(domain_id))
        .chain(terms.params())
        .chain(std::iter::once(now.0.into()))
        .collect();
    let id = store
        .again(async || {
            let tx = store.begin().await?;
            let id = tx.insert_id(INSERT, params.clone()).await?;
            tx.commit().await?;
            Ok(id)
        })
        .await?;
    Ok(terms.with_id(id, domain_id))
}

const SELECT: &str = "SELECT id, domain_id, name, credit_minor, target_minor, reward_percent_e4 \
    FROM programme WHERE domain_id = {?}";

/// A domain's programmes, in ascending order of id.
pub async fn all(store: &Store, domain_id: i64) -> Result<Vec<Programme>, StoreError> {
    let text = format!("{SELECT} ORDER BY id");
    store.all(&text, None, vec![domain_id.into()]).await?.iter().map(programme).collect()
}

/// One programme of a domain.
pub async fn one(store: &Store, domain_id: i64, id: i64) -> Result<Option<Programme>, StoreError> {
    let text = format!("{SELECT} AND id = {{?}}");
    let row = store.one(&text, vec![domain_id.into(), id.into()]).await?;
    row.as_ref().map(programme).transpose()
}

/// Sets a programme's terms. Users who are registered keep theirs: they are in their accounts.
pub async fn change(
    store: &Store,
    domain_id: i64,
    id: i64,
    terms: Terms,
) -> Result<Programme, StoreError> {
    const UPDATE: &str = "UPDATE programme SET name = {?}, credit_minor = {?}, target_minor = {?}, \
        reward_percent_e4 = {?} WHERE domain_id = {?} AND id = {?}";
    let place = [Param::from(domain_id), Param::from(id)];
    let params = terms.params().into_iter().chain(place).collect();
    store.run(UPDATE, None, params).await?;
    Ok(terms.with_id(id, domain_id))
}

/// Removes a programme; false where users are registered, or wait to be, under it. Codes that name it
/// name none any more, so that those who come with them get their referrer's own.
pub async fn remove(store: &Store, domain_id: i64, id: i64) -> Result<bool, StoreError> {
    const DELETE: &str = "DELETE FROM programme WHERE domain_id = {?} AND id = {?} \
        AND NOT EXISTS (SELECT 1 FROM account a WHERE a.domain_id = {?} \
        AND (a.program_id = {?} OR a.claim_program_id = {?}))";
    const FORGET: &str =
        "UPDATE code SET program_id = NULL WHERE domain_id = {?} AND program_id = {?}";
    let params = || vec![domain_id.into(), id.into(), domain_id.into(), id.into(), id.into()];
    store
        .again(async || {
            let tx = store.begin().await?;
            let removed = tx.run(DELETE, None, params()).await? > 0;
            if removed {
                tx.run(FORGET, None, vec![domain_id.into(), id.into()]).await?;
            }
            tx.commit().await?;
            Ok(removed)
        })
        .await
}
