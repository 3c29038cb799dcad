//! A domain's catalogue of tariffs and goods (contract 3), and what of it is for sale to a site.
//!
//! Owns what a catalogue may be: [`parse`] reads one, [`period`] is how long a good pays for, and
//! [`terms`] the rules of prices. A catalogue is whole and sound, or there is none.
mod parse;
pub mod period;
pub mod terms;

pub use parse::BadCatalogue;
pub use period::{Period, Span};

use super::Money;

/// Longest text of a catalogue, in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// Most tariffs.
pub const TARIFFS_MAX: usize = 100;
/// Most goods of all tariffs, upgrades not counted.
pub const GOODS_MAX: usize = 1000;
/// Longest name for people, in characters.
pub const NAME_MAX_CHARS: usize = 253;
/// Longest system name, in characters.
pub const SYSTEM_NAME_MAX_CHARS: usize = 64;
/// The largest id, which every reader of JSON reads exactly.
pub const ID_MAX: i64 = (1 << 53) - 1;

/// What is on offer: one tariff at least, in ascending order. It knows the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    text: String,
    tariffs: Vec<Tariff>,
}

/// A tariff with its goods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// Names it in requests.
    pub id: i64,
    /// Names it in answers: `[a-z0-9_-]{1,64}`.
    pub system_name: String,
    /// Its name for people.
    pub name: String,
    /// What it costs a year; never less than the tariff before.
    pub year_price: Money,
    /// How a paid site gets here; every tariff has it but the first.
    pub upgrade: Option<Upgrade>,
    /// What pays a site of this tariff, in the catalogue's order.
    pub goods: Vec<Good>,
}

/// The good that moves a paid site to a tariff; its price is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    /// Its id among all goods.
    pub product_id: i64,
    /// Ten-thousandths of a percent.
    pub discount_e4: i64,
}

/// A good that pays a site for a while, or for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good {
    /// Its id among all goods.
    pub id: i64,
    /// Its name for people.
    pub name: String,
    /// How long it pays for.
    pub period: Period,
    /// The full price.
    pub price: Money,
    /// Ten-thousandths of a percent.
    pub discount_e4: i64,
}

impl Good {
    /// The price that is paid.
    pub fn price_with_discount(&self) -> Money {
        discounted(self.price, self.discount_e4)
    }
}

/// A price less its discount, which is rounded half-even to cents.
fn discounted(price: Money, discount_e4: i64) -> Money {
    price.less(price.share(discount_e4))
}

impl Catalogue {
    /// The text of the one that is shipped: that of a domain which never loaded any.
    pub const EXAMPLE: &str = include_str!("example.toml");

    /// Reads a catalogue, or says in one sentence what is wrong where.
    pub fn parse(text: &str) -> Result<Self, BadCatalogue> {
        let tariffs = parse::tariffs(text)?;
        Ok(Self { text: text.to_owned(), tariffs })
    }

    /// The one that is shipped. It is sound, as a test sees to.
    pub fn example() -> Result<Self, BadCatalogue> {
        Self::parse(Self::EXAMPLE)
    }

    /// The very text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All tariffs, in ascending order.
    pub fn tariffs(&self) -> &[Tariff] {
        &self.tariffs
    }

    /// The tariff of a site that is registered without one.
    pub fn first(&self) -> &Tariff {
        // A catalogue without tariffs is not read.
        &self.tariffs[0]
    }

    /// The tariff of this id.
    pub fn tariff(&self, id: i64) -> Option<&Tariff> {
        self.tariffs.iter().find(|tariff| tariff.id == id)
    }

    /// This tariff and the higher ones; none where there is no such tariff.
    pub fn and_higher(&self, id: i64) -> &[Tariff] {
        let place = self.tariffs.iter().position(|tariff| tariff.id == id);
        place.map_or(&[], |place| &self.tariffs[place..])
    }

    /// Every good with its tariff, in the catalogue's order; upgrades are none of them.
    pub fn goods(&self) -> impl Iterator<Item = (&Tariff, &Good)> {
        self.tariffs.iter().flat_map(|tariff| tariff.goods.iter().map(move |good| (tariff, good)))
    }

    /// The good of this id, and its tariff; an upgrade is none.
    pub fn good(&self, id: i64) -> Option<(&Tariff, &Good)> {
        self.goods().find(|(_, good)| good.id == id)
    }

    /// The tariff that the upgrade of this id moves to.
    pub fn upgrade(&self, product_id: i64) -> Option<&Tariff> {
        let is_it = |tariff: &&Tariff| tariff.upgrade.is_some_and(|it| it.product_id == product_id);
        self.tariffs.iter().find(is_it)
    }
}
