//! What a domain has before the facts come: zone, currency, programmes, codes, e-mail indications.
use std::collections::BTreeMap;

use chrono_tz::Tz;
use referral::domain::{Code, UserHash};

/// A domain.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Its key: part of every user's own code.
    pub domain_id: i64,
    /// Decides the days.
    pub zone: Tz,
    /// The only one that counts.
    pub currency: String,
    /// In ascending order of id.
    pub programmes: Vec<Programme>,
    /// Codes that were registered (contract 2).
    pub codes: Vec<RegisteredCode>,
    /// E-mail key to the user that claimed it (contract 5).
    pub indications: BTreeMap<String, String>,
}

/// A programme's terms; money in minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programme {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// For the referred user.
    pub credit: i64,
    /// For the referrer.
    pub target: i64,
    /// Of each payment, for the referrer: a percentage in ten-thousandths.
    pub percent_e4: i64,
}

/// A registered code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredCode {
    /// 20 characters.
    pub code: String,
    /// The referrer's.
    pub email: String,
    /// Where it names one.
    pub program_id: Option<i64>,
}

impl World {
    /// The referral code that this user gets with their signup.
    pub fn own_code(&self, user: &str) -> String {
        let user = UserHash::parse(user).expect("a user hash");
        Code::of_user(self.domain_id, &user).as_str().to_owned()
    }

    /// The programme with this id.
    pub fn programme(&self, id: i64) -> &Programme {
        self.programmes.iter().find(|programme| programme.id == id).expect("a programme")
    }
}
