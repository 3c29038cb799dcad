//! A domain made for one test or one case of it, so that many cases share the same programs.
//!
//! What the ingress and the operator write (domains, programmes, codes, indications) is put into
//! its tables directly.
use referral::store::Store;

use super::{Bed, program::short_id};
use crate::model::{
    cases::Case,
    world::{Programme, RegisteredCode, World},
};

/// A domain by its name, with the world that the model knows.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// What events call it.
    pub name: String,
    /// What the model knows of it.
    pub world: World,
}

impl Tenant {
    /// A new domain in this zone whose currency is USD.
    pub async fn create(bed: &Bed, zone: &str) -> Self {
        let name = format!("tenant-{}-{}", short_id(), short_id());
        const INSERT: &str =
            "INSERT INTO domain (name, timezone, currency, ctime_us) VALUES ({?}, {?}, 'USD', 0)";
        run(&bed.store, INSERT, vec![name.as_str().into(), zone.into()]).await;
        Self::known(bed, &name).await
    }

    /// A new domain with the programmes, codes and indications of a case.
    pub async fn of_case(bed: &Bed, case: &Case) -> Self {
        let mut tenant = Self::create(bed, case.zone).await;
        for (number, (credit, target, percent_e4)) in case.programmes.iter().enumerate() {
            let name = format!("Programme {number}");
            tenant.rewarding_programme(bed, &name, *credit, *target, *percent_e4).await;
        }
        for code in case.registered(&tenant.world) {
            tenant.register(bed, code).await;
        }
        for (email, user) in case.indications() {
            tenant.indicate(bed, &email, &user).await;
        }
        tenant
    }

    async fn known(bed: &Bed, name: &str) -> Self {
        let domains = referral::store::reference::domains(&bed.store, &[name]).await;
        let domain = domains.expect("domains").remove(name).expect("the domain");
        let world = World {
            domain_id: domain.id,
            zone: domain.zone,
            currency: domain.currency.to_string(),
            ..World::default()
        };
        Self { name: name.to_owned(), world }
    }

    /// Adds a programme; its id.
    pub async fn programme(&mut self, bed: &Bed, name: &str, credit: i64, target: i64) -> i64 {
        self.rewarding_programme(bed, name, credit, target, 0).await
    }

    /// The same with a share of each payment for the referrer.
    pub async fn rewarding_programme(
        &mut self,
        bed: &Bed,
        name: &str,
        credit: i64,
        target: i64,
        percent_e4: i64,
    ) -> i64 {
        const INSERT: &str = "INSERT INTO programme (domain_id, name, credit_minor, target_minor, \
            reward_percent_e4, ctime_us) VALUES ({?}, {?}, {?}, {?}, {?}, 0)";
        const FIND: &str = "SELECT MAX(id) AS id FROM programme WHERE domain_id = {?}";
        let domain_id = self.world.domain_id;
        let values =
            vec![domain_id.into(), name.into(), credit.into(), target.into(), percent_e4.into()];
        run(&bed.store, INSERT, values).await;
        let found = bed.store.one(FIND, vec![domain_id.into()]).await.expect("read");
        let id = found.expect("a programme").int("id").expect("an id");
        self.world.programmes.push(Programme {
            id,
            name: name.to_owned(),
            credit,
            target,
            percent_e4,
        });
        id
    }

    /// Registers a code for the referrer with this e-mail.
    pub async fn register(&mut self, bed: &Bed, code: RegisteredCode) {
        const INSERT: &str = "INSERT INTO code (code, domain_id, email, email_key, program_id, \
            ctime_us) VALUES ({?}, {?}, {?}, {?}, {?}, 0)";
        let values = vec![
            code.code.as_str().into(),
            self.world.domain_id.into(),
            code.email.as_str().into(),
            code.email.to_lowercase().into(),
            code.program_id.into(),
        ];
        run(&bed.store, INSERT, values).await;
        self.world.codes.push(code);
    }

    /// Claims an e-mail for a referrer, before its owner signs up.
    pub async fn indicate(&mut self, bed: &Bed, email: &str, user: &str) {
        const INSERT: &str = "INSERT INTO email_indication (domain_id, email_key, email, \
            user_hash, ctime_us) VALUES ({?}, {?}, {?}, {?}, 0)";
        let domain_id = self.world.domain_id;
        let values = vec![domain_id.into(), email.to_lowercase().into(), email.into(), user.into()];
        run(&bed.store, INSERT, values).await;
        self.world.indications.insert(email.to_lowercase(), user.to_owned());
    }
}

async fn run(store: &Store, sql: &str, values: Vec<referral::store::Param<'_>>) {
    let work = || store.run(sql, None, values.clone());
    store.again(work).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
