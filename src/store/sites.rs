//! The registry of sites (contract 3), written by the ingress.
use super::{Row, Store, StoreError, Tx};
use crate::domain::{Email, Host, Micros};

/// A site as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name, and its user hash in events.
    pub host: String,
    /// The tenant.
    pub domain_id: i64,
    /// Whose it is.
    pub partner_id: i64,
    /// Its administrator's address, as it was spelled.
    pub email: String,
    /// The same as it is compared.
    pub email_key: String,
    /// Argon2id.
    pub password_hash: String,
    /// Raised with every password that is set.
    pub password_version: i64,
    /// The tariff's id in the catalogue.
    pub tariff_id: i64,
    /// Until when it is, or was, paid; none: it never was.
    pub paid_until: Option<Micros>,
    /// Whether it is paid for ever.
    pub is_paid_forever: bool,
    /// Since when it is blocked.
    pub blocked: Option<Micros>,
    /// When it was registered.
    pub ctime: Micros,
}

/// The columns of [`read`].
const COLUMNS: &str = "host, domain_id, partner_id, email, email_key, password_hash, \
    password_version, tariff_id, paid_until_us, paid_forever, blocked_us, ctime_us";

fn read(row: &Row) -> Result<Site, StoreError> {
    Ok(Site {
        host: row.text("host")?,
        domain_id: row.int("domain_id")?,
        partner_id: row.int("partner_id")?,
        email: row.text("email")?,
        email_key: row.text("email_key")?,
        password_hash: row.text("password_hash")?,
        password_version: row.int("password_version")?,
        tariff_id: row.int("tariff_id")?,
        paid_until: row.int_or_null("paid_until_us")?.map(Micros),
        is_paid_forever: row.truth("paid_forever")?,
        blocked: row.int_or_null("blocked_us")?.map(Micros),
        ctime: Micros(row.int("ctime_us")?),
    })
}

/// The site of this name.
pub async fn by_host(store: &Store, host: &Host) -> Result<Option<Site>, StoreError> {
    let find = format!("SELECT {COLUMNS} FROM site WHERE host = {{?}}");
    store.one(&find, vec![host.as_str().into()]).await?.as_ref().map(read).transpose()
}

/// The site whose administrator has this address, if there is exactly one.
pub async fn only_of(store: &Store, email: &Email) -> Result<Option<Site>, StoreError> {
    let find = format!("SELECT {COLUMNS} FROM site WHERE email_key = {{?}} LIMIT 2");
    let found = store.all(&find, None, vec![email.key().into()]).await?;
    match found.as_slice() {
        [only] => read(only).map(Some),
        _ => Ok(None),
    }
}

/// The site of this name, kept as it is until the transaction is over.
pub async fn locked(tx: &Tx, host: &Host) -> Result<Option<Site>, StoreError> {
    let find = format!("SELECT {COLUMNS} FROM site WHERE host = {{?}} {{for update}}");
    tx.one(&find, vec![host.as_str().into()]).await?.as_ref().map(read).transpose()
}

/// Adds a site; [`StoreError::Taken`] where the host is.
pub(super) async fn insert(tx: &Tx, site: &Site) -> Result<(), StoreError> {
    let insert = format!(
        "INSERT INTO site ({COLUMNS}) VALUES \
        ({{?}}, {{?}}, {{?}}, {{?}}, {{?}}, {{?}}, {{?}}, {{?}}, {{?}}, {{?}}, {{?}}, {{?}})"
    );
    let params = vec![
        site.host.as_str().into(),
        site.domain_id.into(),
        site.partner_id.into(),
        site.email.as_str().into(),
        site.email_key.as_str().into(),
        site.password_hash.as_str().into(),
        site.password_version.into(),
        site.tariff_id.into(),
        site.paid_until.map(|until| until.0).into(),
        i64::from(site.is_paid_forever).into(),
        site.blocked.map(|since| since.0).into(),
        site.ctime.0.into(),
    ];
    tx.run(&insert, None, params).await.map(|_| ())
}

/// Blocks a partner's site, or ends that; false where the partner has no such site. The first time
/// stands.
pub async fn set_blocked(
    store: &Store,
    partner_id: i64,
    host: &Host,
    blocked: Option<Micros>,
) -> Result<bool, StoreError> {
    const BLOCK: &str = "UPDATE site SET blocked_us = COALESCE(blocked_us, {?}) \
        WHERE host = {?} AND partner_id = {?}";
    const UNBLOCK: &str = "UPDATE site SET blocked_us = NULL WHERE host = {?} AND partner_id = {?}";
    let site = || vec![host.as_str().into(), partner_id.into()];
    store
        .again(async || match blocked {
            Some(now) => {
                let params = std::iter::once(now.0.into()).chain(site()).collect();
                store.run(BLOCK, None, params).await
            }
            None => store.run(UNBLOCK, None, site()).await,
        })
        .await?;
    // MySQL counts changed rows, not found ones.
    Ok(by_host(store, host).await?.is_some_and(|site| site.partner_id == partner_id))
}

/// Sets the password of a site in place of the one of this version; false where that was replaced
/// already: of several who come at once exactly one is told true.
pub async fn set_password(
    tx: &Tx,
    host: &str,
    password_version: i64,
    password_hash: &str,
) -> Result<bool, StoreError> {
    const SET: &str = "UPDATE site SET password_hash = {?}, password_version = password_version + 1 \
        WHERE host = {?} AND password_version = {?}";
    let params = vec![password_hash.into(), host.into(), password_version.into()];
    Ok(tx.run(SET, None, params).await? > 0)
}
