//! The links in letters: SQL on `password_link`, which this worker owns (the ingress reads it).
//!
//! Owns how a link comes to be and when its row goes. Refuses to see a token: only its hash comes
//! here.
use std::time::Duration;

use referral::{
    clock::Clock,
    domain::{Host, Micros},
    store::{Store, StoreError},
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
        let removed =
            store.remove_expired("password_link", "token_hash", clock.now(), PRUNE_MAX).await;
        let pause = match removed {
            Ok(removed) if removed as i64 >= PRUNE_MAX => Duration::ZERO,
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
