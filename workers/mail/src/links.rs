//! The links in letters: SQL on `password_link`, which this worker owns (the ingress reads it).
//!
//! Owns how a link comes to be and when its row goes. Refuses to see a token: only its hash comes
//! here.
use std::time::Duration;

use referral::{
    clock::Clock,
    domain::{Host, Micros},
    store::{Param, Rows, Store, StoreError, rows::Kind},
};
use tokio_util::sync::CancellationToken;

/// How often expired links are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Most links removed at once.
const PRUNE_MAX: i64 = 1000;

const INSERT: &str = "
INSERT INTO password_link (token_hash, host, password_version, ctime_us, expires_us)
SELECT {?}, host, password_version, {?}, {?} FROM site WHERE host = {?}";

/// Makes a link to the site's present password; false where there is no such site.
pub async fn make(
    store: &Store,
    token_hash: &str,
    host: &Host,
    now: Micros,
    expires: Micros,
) -> Result<bool, StoreError> {
    let made = store.again(|| async {
        let params = vec![token_hash.into(), now.0.into(), expires.0.into(), host.as_str().into()];
        store.run(INSERT, None, params).await
    });
    Ok(made.await? > 0)
}

/// Removes expired links now and then, until `stop`.
pub async fn prune(store: Store, clock: Clock, stop: CancellationToken) {
    loop {
        let pause = match prune_once(&store, clock.now()).await {
            Ok(PRUNE_MAX..) => Duration::ZERO,
            Ok(_) => PRUNE_EVERY,
            Err(error) => {
                tracing::debug!(%error, "expired links are removed later");
                PRUNE_EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Removes some that expired before `now`, the oldest first; how many.
async fn prune_once(store: &Store, now: Micros) -> Result<i64, StoreError> {
    const EXPIRED: &str = "SELECT token_hash FROM password_link WHERE expires_us <= {?} \
        ORDER BY expires_us LIMIT {?}";
    const REMOVE: &str =
        "DELETE FROM password_link WHERE token_hash IN (SELECT r.expired_hash FROM {rows})";
    let mut rows = Rows::new(&[("expired_hash", Kind::Text)]);
    for row in store.all(EXPIRED, None, vec![now.0.into(), PRUNE_MAX.into()]).await? {
        rows.push([Param::from(row.text("token_hash")?)]);
    }
    store.run(REMOVE, Some(&rows), Vec::new()).await?;
    Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}
