//! How a partner's call is carried out (contract 3). Everything that changes something is one
//! transaction of [`registry`]; it is answered once that is committed, and told to the broker and to
//! the mail worker from what the transaction left.
use serde_json::json;

use super::{
    answer::{Errors, Failure, Outcome, Registered},
    call::{Payment, Registration, Wanted},
    relay,
};
use crate::{
    credentials,
    domain::{
        Catalogue, Code, Email, EventType, Host, Micros,
        catalogue::terms::{self, NotForSale, Offer, Standing},
    },
    failpoint,
    ingress::{App, client::Client, event_id},
    store::{
        StoreError,
        catalogues::InForce,
        partners::{self, Caller},
        registry::{self, Bought, Done, Order, Refused},
        site_events::SiteEvent,
        sites::{self, Site},
    },
};

/// What can be bought on which terms.
type Sale = fn(&Catalogue, &Standing, i64, Micros) -> Result<Offer, NotForSale>;

const TAKEN: &str = "host: is taken";
const UNKNOWN: &str = "host: you have no such site";

/// A call that nothing is wrong with by itself.
pub struct Act<'a> {
    pub app: &'a App,
    pub client: &'a Client,
    pub partner: &'a Caller,
    pub in_force: &'a InForce,
    pub host: &'a Host,
}

impl Act<'_> {
    pub async fn carry_out(&self, wanted: Wanted) -> Result<Outcome, Failure> {
        match wanted {
            Wanted::Register(site, payment) => self.register(&site, payment.as_ref()).await,
            Wanted::Pay(payment) => self.pay(&payment, terms::payable).await,
            Wanted::Upgrade(payment) => self.pay(&payment, terms::upgrade).await,
            Wanted::Block => self.block(true).await,
            Wanted::Unblock => self.block(false).await,
            Wanted::CheckFree => {
                let site = sites::by_host(&self.app.store, self.host).await?;
                Ok(Outcome::So(site.is_none()))
            }
            Wanted::UpgradePrice => self.prices(terms::upgrades).await,
            Wanted::ForeverPrice => self.prices(terms::forever).await,
        }
    }

    async fn register(
        &self,
        wanted: &Registration,
        payment: Option<&Payment>,
    ) -> Result<Outcome, Failure> {
        let app = self.app;
        // A site that is there stays; its password is not looked at.
        let is_there = sites::by_host(&app.store, self.host).await?.is_some();
        let generated = match &wanted.password {
            None if !is_there => Some(credentials::new_password()?),
            _ => None,
        };
        let password = generated.as_ref().or(wanted.password.as_ref());
        let password_hash = match password.filter(|_| !is_there) {
            Some(password) => app.hashing.turn().await?.hash(password.clone()).await?,
            None => String::new(),
        };
        let code = self.referral_code().await?;
        let registration = registry::Registration {
            email: &wanted.email,
            password_hash: &password_hash,
            tariff_id: wanted.tariff_id,
            letter: wanted.letter,
            signup: self.signup(&wanted.email, &code),
        };
        let done = self.order(Some(registration), payment, terms::payable).await?;
        let (login, is_new) = (done.email.clone(), done.is_new);
        relay::send(self.app, done);
        Ok(Outcome::Registered(Registered {
            host: self.host.as_str().to_owned(),
            login,
            password: generated.filter(|_| is_new),
        }))
    }

    async fn pay(&self, payment: &Payment, sale: Sale) -> Result<Outcome, Failure> {
        let done = self.order(None, Some(payment), sale).await?;
        relay::send(self.app, done);
        Ok(Outcome::So(true))
    }

    async fn order(
        &self,
        registration: Option<registry::Registration<'_>>,
        payment: Option<&Payment>,
        sale: Sale,
    ) -> Result<Done, Failure> {
        let now = self.app.clock.now();
        let id = event_id(now);
        let order = Order {
            partner_id: self.partner.id,
            domain_id: self.partner.domain.id,
            currency: self.partner.domain.currency.as_str(),
            catalogue: self.in_force.loaded,
            host: self.host,
            now,
            registration,
            payment: payment.map(|payment| registry::Payment {
                id: &id,
                product_id: payment.product_id,
                request_id: payment.request_id.as_deref(),
            }),
        };
        let sell = |site: &Site| {
            let product = payment.map_or(0, |payment| payment.product_id);
            let offer = sale(&self.in_force.catalogue, &standing(site), product, now)?;
            let Standing { tariff_id, paid_until, is_paid_forever } = offer.effect;
            let price = offer.price_with_discount;
            let event = (!price.is_zero()).then(|| self.payment(&id, &price.to_string()));
            Ok(Bought { price, tariff_id, paid_until, is_paid_forever, event })
        };
        let done = registry::carry_out(&self.app.store, &order, sell).await?;
        let done = done?;
        failpoint::reach("sites::after-commit").map_err(StoreError::from)?;
        Ok(done)
    }

    /// The code that the partner's registrations come with.
    async fn referral_code(&self) -> Result<Code, Failure> {
        if let Some(code) = &self.partner.referral_code {
            return Ok(code.clone());
        }
        let (code, now) = (credentials::new_code()?, self.app.clock.now());
        Ok(partners::give_code(&self.app.store, self.partner, &code, now).await?)
    }

    fn signup(&self, email: &Email, code: &Code) -> SiteEvent {
        let id = event_id(self.app.clock.now());
        let data = json!({
            "user_hash": self.host.as_str(),
            "code": code.as_str(),
            "email": email.spelling(),
        });
        self.event(&id, EventType::Signup, data)
    }

    fn payment(&self, id: &str, price: &str) -> SiteEvent {
        let data = json!({
            "user_hash": self.host.as_str(),
            "amount": price,
            "currency": self.partner.domain.currency.as_str(),
        });
        self.event(id, EventType::Payment, data)
    }

    fn event(&self, id: &str, event_type: EventType, data: serde_json::Value) -> SiteEvent {
        let draft =
            self.app.draft(event_type, self.partner.domain.name.as_str(), self.client, data);
        let draft = crate::broker::compose::Draft { id: id.to_owned(), ..draft };
        let event_type = event_type.as_str().to_owned();
        SiteEvent { id: id.to_owned(), event_type, json: draft.to_json() }
    }

    async fn block(&self, is_blocked: bool) -> Result<Outcome, Failure> {
        let since = is_blocked.then(|| self.app.clock.now());
        if sites::set_blocked(&self.app.store, self.partner.id, self.host, since).await? {
            Ok(Outcome::So(true))
        } else {
            Err(Failure::of(UNKNOWN))
        }
    }

    /// What is wrong with the site itself, of a call that is wrong anyway.
    pub async fn also_wrong(
        &self,
        wanted: Option<&Wanted>,
        errors: &mut Errors,
    ) -> Result<(), StoreError> {
        let site = sites::by_host(&self.app.store, self.host).await?;
        let is_ours = |site: &Site| site.partner_id == self.partner.id;
        match (wanted, site) {
            (None | Some(Wanted::CheckFree), _) | (Some(Wanted::Register(..)), None) => {}
            (Some(Wanted::Register(wanted, _)), Some(site)) => {
                if !is_ours(&site) || site.email_key != wanted.email.key() {
                    errors.add(TAKEN);
                }
            }
            (Some(_), site) => {
                if !site.as_ref().is_some_and(is_ours) {
                    errors.add(UNKNOWN);
                }
            }
        }
        Ok(())
    }

    async fn prices(
        &self,
        offers: fn(&Catalogue, &Standing, Micros) -> Vec<Offer>,
    ) -> Result<Outcome, Failure> {
        let site = sites::by_host(&self.app.store, self.host).await?;
        let site = site.filter(|site| site.partner_id == self.partner.id);
        let site = site.ok_or_else(|| Failure::of(UNKNOWN))?;
        let offers = offers(&self.in_force.catalogue, &standing(&site), self.app.clock.now());
        Ok(Outcome::Prices(offers.into()))
    }
}

/// How a site stands, as far as prices care.
pub fn standing(site: &Site) -> Standing {
    Standing {
        tariff_id: site.tariff_id,
        paid_until: site.paid_until,
        is_paid_forever: site.is_paid_forever,
    }
}

impl From<Refused<NotForSale>> for Failure {
    fn from(refused: Refused<NotForSale>) -> Self {
        Self::of(match refused {
            Refused::CatalogueChanged => return Self::CatalogueChanged,
            Refused::Taken => TAKEN.to_owned(),
            Refused::Unknown => UNKNOWN.to_owned(),
            Refused::RequestUsed => {
                "request_id: is another payment's, of another site or product".to_owned()
            }
            Refused::RegisteredWith(product) => format!(
                "product: the site was registered with the product {product}; \
            pay another without email"
            ),
            Refused::NotForSale(no) => format!("product: {no}"),
        })
    }
}
