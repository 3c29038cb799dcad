//! What has had its time: removed a few rows at a time.
use super::{Rows, Store, StoreError, rows::Kind};
use crate::domain::Micros;

impl Store {
    /// Removes rows of `table` that expired at `now` or before, the longest expired first, at most so
    /// many; how many.
    pub async fn remove_expired(
        &self,
        table: &str,
        key: &str,
        now: Micros,
        most: i64,
    ) -> Result<usize, StoreError> {
        let find = format!(
            "SELECT {key} AS expired FROM {table} WHERE expires_us <= {{?}} \
             ORDER BY expires_us, {key} LIMIT {{?}}"
        );
        let remove = format!("DELETE FROM {table} WHERE {key} IN (SELECT r.expired FROM {{rows}})");
        let mut expired = Rows::new(&[("expired", Kind::Text)]);
        for row in self.all(&find, None, vec![now.0.into(), most.into()]).await? {
            expired.push([row.text("expired")?.into()]);
        }
        self.again(async || self.run(&remove, Some(&expired), Vec::new()).await).await?;
        Ok(expired.len())
    }
}
