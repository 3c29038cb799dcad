//! What a partner's call does to the registry of sites (contract 3), as one whole: the site's row,
//! what was paid for it, its letter, and the events that tell of it are there together or not at
//! all.
//!
//! A repeat finds what was done: a registration by the site, a payment by its `request_id` or, where
//! it came with the registration, by the site, too. Refuses to know prices: what a site may buy is
//! decided by the caller, behind the site's lock.
use super::{
    Row, Store, StoreError, Tx, catalogues,
    letters::{self, LetterKind},
    site_events,
    site_events::SiteEvent,
    sites::{self, Site},
};
use crate::{
    domain::{Email, Host, Micros, Money},
    failpoint,
};

/// One call.
pub struct Order<'a> {
    /// Who calls.
    pub partner_id: i64,
    /// The partner's tenant.
    pub domain_id: i64,
    /// The tenant's currency.
    pub currency: &'a str,
    /// Which catalogue the call was read by: when it was loaded.
    pub catalogue: Option<Micros>,
    /// Which site it is about.
    pub host: &'a Host,
    /// When.
    pub now: Micros,
    /// The site is to be registered, unless it is.
    pub registration: Option<Registration<'a>>,
    /// Something is to be paid, unless it is.
    pub payment: Option<Payment<'a>>,
}

/// A site that is to be registered.
pub struct Registration<'a> {
    /// Its administrator.
    pub email: &'a Email,
    /// Argon2id with a salt of its own; empty where the site is known to be there.
    pub password_hash: &'a str,
    /// The tariff it begins on.
    pub tariff_id: i64,
    /// Whether the administrator gets a letter.
    pub letter: bool,
    /// What tells of it.
    pub signup: SiteEvent,
}

/// Something that is to be paid.
pub struct Payment<'a> {
    /// Of the purchase, if it comes to one, and of the event that tells of it: new with every call.
    pub id: &'a str,
    /// What.
    pub product_id: i64,
    /// The partner's name for this payment.
    pub request_id: Option<&'a str>,
}

/// What paying comes to.
pub struct Bought {
    /// What is charged.
    pub price: Money,
    /// The site's tariff from then on.
    pub tariff_id: i64,
    /// Until when it is paid then.
    pub paid_until: Option<Micros>,
    /// Whether it is paid for ever then.
    pub is_paid_forever: bool,
    /// What tells of it; nothing tells of a payment of nothing.
    pub event: Option<SiteEvent>,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused<E> {
    /// The host is another partner's, or another administrator's.
    Taken,
    /// The partner has no such site.
    Unknown,
    /// The `request_id` is of another payment.
    RequestUsed,
    /// The site was registered with this other product.
    RegisteredWith(i64),
    /// Another catalogue is in force by now.
    CatalogueChanged,
    /// The site cannot buy it.
    NotForSale(E),
}

/// What is so now.
pub struct Done {
    /// The administrator's address, as the site has it.
    pub email: String,
    /// Whether this very call registered the site.
    pub is_new: bool,
    /// Events that this call left to be published.
    pub events: Vec<SiteEvent>,
    /// The letter that this call left to be sent.
    pub letter: Option<String>,
}

/// Carries a call out. `sell` is asked behind the site's lock, and again when the transaction is. A try
/// whose commit was made although its connection was lost is found by the salt and by the payment's id.
pub async fn carry_out<E>(
    store: &Store,
    order: &Order<'_>,
    sell: impl Fn(&Site) -> Result<Bought, E>,
) -> Result<Result<Done, Refused<E>>, StoreError> {
    store
        .again_if_lost(async || {
            let tx = store.begin().await?;
            let done = whole(&tx, order, &sell).await.map_err(|error| match error {
                // Another call was first; it is there now, and found.
                StoreError::Taken(taken) => StoreError::Again(taken),
                error => error,
            })?;
            if done.is_ok() {
                failpoint::reach("sites::before-commit")?;
                tx.commit().await?;
            } else {
                tx.rollback().await?;
            }
            Ok(done)
        })
        .await
}

async fn whole<E>(
    tx: &Tx,
    order: &Order<'_>,
    sell: &impl Fn(&Site) -> Result<Bought, E>,
) -> Result<Result<Done, Refused<E>>, StoreError> {
    // The tariff that the site gets is one of this catalogue.
    if catalogues::hold(tx, order.domain_id).await? != order.catalogue {
        return Ok(Err(Refused::CatalogueChanged));
    }
    let found = sites::locked(tx, order.host).await?;
    let ours = found.as_ref().is_some_and(|site| site.partner_id == order.partner_id);
    let (site, registered) = match (found, &order.registration) {
        (None, None) => return Ok(Err(Refused::Unknown)),
        (Some(_), None) if !ours => return Ok(Err(Refused::Unknown)),
        (Some(site), Some(wanted)) if !ours || site.email_key != wanted.email.key() => {
            return Ok(Err(Refused::Taken));
        }
        (None, Some(wanted)) => (register(tx, order, wanted).await?, Some(wanted)),
        (Some(site), _) => (site, None),
    };
    let mut done = Done {
        email: site.email.clone(),
        // A commit of this very call whose answer was lost is told by the salt.
        is_new: order.registration.as_ref().is_some_and(|r| r.password_hash == site.password_hash),
        events: Vec::new(),
        letter: None,
    };
    if let Some(wanted) = registered {
        done.events.push(wanted.signup.clone());
        if wanted.letter {
            let letter = letters::post(tx, LetterKind::Access, order.host, wanted.email, order.now);
            done.letter = Some(letter.await?);
        }
    }
    if let Some(wanted) = &order.payment {
        match earlier(tx, order, wanted).await? {
            Earlier::Same => {}
            Earlier::OtherRequest => return Ok(Err(Refused::RequestUsed)),
            Earlier::OtherProduct(product) => return Ok(Err(Refused::RegisteredWith(product))),
            Earlier::None => match sell(&site) {
                Err(no) => return Ok(Err(Refused::NotForSale(no))),
                Ok(bought) => {
                    buy(tx, order, wanted, &bought).await?;
                    done.events.extend(bought.event);
                }
            },
        }
    }
    site_events::put(tx, &done.events, order.now).await?;
    Ok(Ok(done))
}

async fn register(
    tx: &Tx,
    order: &Order<'_>,
    wanted: &Registration<'_>,
) -> Result<Site, StoreError> {
    let site = Site {
        host: order.host.as_str().to_owned(),
        domain_id: order.domain_id,
        partner_id: order.partner_id,
        email: wanted.email.spelling().to_owned(),
        email_key: wanted.email.key().to_owned(),
        password_hash: wanted.password_hash.to_owned(),
        password_version: 1,
        tariff_id: wanted.tariff_id,
        paid_until: None,
        is_paid_forever: false,
        blocked: None,
        ctime: order.now,
    };
    sites::insert(tx, &site).await?;
    Ok(site)
}

/// What is known of a payment before it is made.
enum Earlier {
    /// Nothing.
    None,
    /// It was made.
    Same,
    /// Its `request_id` is another payment's.
    OtherRequest,
    /// The site's registration came with another product.
    OtherProduct(i64),
}

async fn earlier(tx: &Tx, order: &Order<'_>, wanted: &Payment<'_>) -> Result<Earlier, StoreError> {
    const OURS: &str = "SELECT host, product_id FROM purchase WHERE id = {?}";
    const REQUEST: &str = "SELECT host, product_id FROM purchase \
        WHERE partner_id = {?} AND request_id = {?}";
    const REGISTRATION: &str = "SELECT host, product_id FROM purchase WHERE registered_host = {?}";
    let host = order.host.as_str();
    let is_same = |row: &Row| {
        Ok::<_, StoreError>(
            row.text("host")? == host && row.int("product_id")? == wanted.product_id,
        )
    };
    if tx.one(OURS, vec![wanted.id.into()]).await?.is_some() {
        return Ok(Earlier::Same);
    }
    if let Some(request_id) = wanted.request_id
        && let Some(row) = tx.one(REQUEST, vec![order.partner_id.into(), request_id.into()]).await?
    {
        return Ok(if is_same(&row)? { Earlier::Same } else { Earlier::OtherRequest });
    }
    if order.registration.is_some()
        && let Some(row) = tx.one(REGISTRATION, vec![host.into()]).await?
    {
        let product = row.int("product_id")?;
        return Ok(if is_same(&row)? { Earlier::Same } else { Earlier::OtherProduct(product) });
    }
    Ok(Earlier::None)
}

async fn buy(
    tx: &Tx,
    order: &Order<'_>,
    wanted: &Payment<'_>,
    bought: &Bought,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO purchase (id, partner_id, host, registered_host, request_id, \
        product_id, tariff_id, price_minor, currency, ctime_us) \
        VALUES ({?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?})";
    const MOVE: &str = "UPDATE site SET tariff_id = {?}, paid_until_us = {?}, paid_forever = {?} \
        WHERE host = {?}";
    let host = order.host.as_str();
    let registered = order.registration.as_ref().map(|_| host);
    let params = vec![
        wanted.id.into(),
        order.partner_id.into(),
        host.into(),
        registered.into(),
        wanted.request_id.into(),
        wanted.product_id.into(),
        bought.tariff_id.into(),
        bought.price.minor().into(),
        order.currency.into(),
        order.now.0.into(),
    ];
    tx.run(INSERT, None, params).await?;
    let paid_until = bought.paid_until.map(|until| until.0);
    let forever = i64::from(bought.is_paid_forever);
    let params = vec![bought.tariff_id.into(), paid_until.into(), forever.into(), host.into()];
    tx.run(MOVE, None, params).await.map(|_| ())
}
