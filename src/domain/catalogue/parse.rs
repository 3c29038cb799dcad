//! Reads a catalogue from TOML, and names line, tariff, good and member where it will not do.
//!
//! Refuses what it does not know: a member that is misspelled must not be taken for one that is left
//! out.
use std::collections::HashMap;

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{
    GOODS_MAX, Good, ID_MAX, NAME_MAX_CHARS, Period, SYSTEM_NAME_MAX_CHARS, TARIFFS_MAX,
    TEXT_BYTES_MAX, Tariff, Upgrade,
};
use crate::domain::{Money, ids::Invalid, money::parse_percent};

/// Why a text is no catalogue, in one sentence that names line, tariff, good and member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadCatalogue(String);

const TARIFF_MEMBERS: &[&str] = &[
    "id",
    "system_name",
    "name",
    "year_price",
    "upgrade_product",
    "upgrade_discount_percent",
    "goods",
];
const GOOD_MEMBERS: &[&str] = &["id", "name", "period", "price", "discount_percent"];

/// The tariffs that a text says.
pub(super) fn tariffs(text: &str) -> Result<Vec<Tariff>, BadCatalogue> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(BadCatalogue(format!("is over {TEXT_BYTES_MAX} bytes")));
    }
    let document = DeTable::parse(text).map_err(|error| {
        let line = line(text, error.span().unwrap_or_default().start);
        BadCatalogue(format!("line {line}: is not TOML: {}", error.message()))
    })?;
    let all = Item { text, at: 0, label: String::new(), table: document.get_ref() };
    all.known(&["tariff"])?;
    let mut seen = Seen::default();
    let mut tariffs: Vec<Tariff> = Vec::new();
    for value in all.list("tariff")? {
        if tariffs.len() == TARIFFS_MAX {
            let problem = format!("is one too many: at most {TARIFFS_MAX} are allowed");
            return Err(all.bad(value, "tariff", problem));
        }
        let item = all.item("tariff", tariffs.len(), value)?;
        tariffs.push(tariff(&item, tariffs.last(), &mut seen)?);
    }
    if tariffs.is_empty() {
        return Err(BadCatalogue("tariff: there must be one at least".to_owned()));
    }
    Ok(tariffs)
}

/// What is taken already, and by whom.
#[derive(Default)]
struct Seen {
    tariffs: HashMap<i64, String>,
    system_names: HashMap<String, String>,
    products: HashMap<i64, String>,
    goods: usize,
}

fn tariff(
    item: &Item<'_>,
    before: Option<&Tariff>,
    seen: &mut Seen,
) -> Result<Tariff, BadCatalogue> {
    item.known(TARIFF_MEMBERS)?;
    let id = item.new_id("id", &mut seen.tariffs)?;
    let system_name = item.read("system_name", text, parse_system_name)?;
    item.taken("system_name", system_name.clone(), &mut seen.system_names)?;
    let name = item.read("name", text, parse_name)?;
    let year_price = item.read("year_price", number, |text| Money::parse(&text))?;
    if before.is_some_and(|before| before.year_price > year_price) {
        return Err(item.named("year_price", "must not be less than that of the tariff before"));
    }
    let upgrade = upgrade(item, before.is_none(), seen)?;
    let mut goods = Vec::new();
    for value in item.list("goods")? {
        if seen.goods == GOODS_MAX {
            let problem = format!("is one too many: at most {GOODS_MAX} are allowed in all");
            return Err(item.bad(value, "goods", problem));
        }
        seen.goods += 1;
        goods.push(good(&item.item("good", goods.len(), value)?, seen)?);
    }
    Ok(Tariff { id, system_name, name, year_price, upgrade, goods })
}

fn upgrade(
    item: &Item<'_>,
    is_first: bool,
    seen: &mut Seen,
) -> Result<Option<Upgrade>, BadCatalogue> {
    const DISCOUNT: &str = "upgrade_discount_percent";
    if is_first {
        let given = ["upgrade_product", DISCOUNT].into_iter().find(|it| item.get(it).is_some());
        return match given {
            Some(member) => Err(item.named(member, "must be left out: nothing is lower")),
            None => Ok(None),
        };
    }
    let product_id = item.new_id("upgrade_product", &mut seen.products)?;
    Ok(Some(Upgrade { product_id, discount_e4: item.percent(DISCOUNT)? }))
}

fn good(item: &Item<'_>, seen: &mut Seen) -> Result<Good, BadCatalogue> {
    item.known(GOOD_MEMBERS)?;
    Ok(Good {
        id: item.new_id("id", &mut seen.products)?,
        name: item.read("name", text, parse_name)?,
        period: item.read("period", text, |text| Period::parse(&text))?,
        price: item.read("price", number, |text| Money::parse(&text))?,
        discount_e4: item.percent("discount_percent")?,
    })
}

/// A table of the text, with what it is called.
struct Item<'a> {
    text: &'a str,
    /// Where it begins.
    at: usize,
    /// Such as `tariff 2, good 21`; nothing for the whole.
    label: String,
    table: &'a DeTable<'a>,
}

impl<'a> Item<'a> {
    /// A table in one of this one's lists, called by its id or else by its place.
    fn item(
        &self,
        kind: &'static str,
        place: usize,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Result<Item<'a>, BadCatalogue> {
        let DeValue::Table(table) = value.get_ref() else {
            let member = if self.label.is_empty() { kind } else { "goods" };
            return Err(self.bad(value, member, "must be a table"));
        };
        let id = table.get("id").map(|id| whole(id.get_ref()));
        let own = match id {
            Some(Ok(id)) => format!("{kind} {id}"),
            _ => format!("{kind} in place {}", place + 1),
        };
        let above = if self.label.is_empty() { "" } else { ", " };
        let label = format!("{}{above}{own}", self.label);
        Ok(Item { text: self.text, at: value.span().start, label, table })
    }

    fn get(&self, member: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(member)
    }

    /// Refuses members of other names.
    fn known(&self, members: &[&str]) -> Result<(), BadCatalogue> {
        let unknown = self.table.keys().find(|key| !members.contains(&key.get_ref().as_ref()));
        match unknown {
            None => Ok(()),
            Some(key) => {
                let problem = format!("is not known here: there are {}", members.join(", "));
                Err(self.wrong(key.span().start, key.get_ref(), problem))
            }
        }
    }

    /// A list that may be left out.
    fn list(&self, member: &str) -> Result<&'a [Spanned<DeValue<'a>>], BadCatalogue> {
        match self.get(member) {
            None => Ok(&[]),
            Some(value) => match value.get_ref() {
                DeValue::Array(array) => Ok(slice(array)),
                _ => Err(self.bad(value, member, format!("must be [[{member}]]"))),
            },
        }
    }

    /// A member that has to be there: `kind` says whether it is of the right kind, `parse` the rest.
    fn read<R, T>(
        &self,
        member: &str,
        kind: fn(&DeValue<'_>) -> Result<R, Invalid>,
        parse: impl Fn(R) -> Result<T, Invalid>,
    ) -> Result<T, BadCatalogue> {
        let value = self.get(member).ok_or_else(|| self.named(member, "is required"))?;
        kind(value.get_ref()).and_then(parse).map_err(|invalid| self.bad(value, member, invalid))
    }

    /// A percentage, 0 where it is left out.
    fn percent(&self, member: &str) -> Result<i64, BadCatalogue> {
        match self.get(member) {
            None => Ok(0),
            Some(_) => self.read(member, number, |text| parse_percent(&text)),
        }
    }

    /// An id that nobody else has.
    fn new_id(&self, member: &str, taken: &mut HashMap<i64, String>) -> Result<i64, BadCatalogue> {
        let id = self.read(member, whole, Ok)?;
        self.taken(member, id, taken)?;
        Ok(id)
    }

    fn taken<K: Eq + std::hash::Hash>(
        &self,
        member: &str,
        key: K,
        taken: &mut HashMap<K, String>,
    ) -> Result<(), BadCatalogue> {
        match taken.insert(key, format!("{}: {member}", self.label)) {
            None => Ok(()),
            Some(other) => Err(self.named(member, format!("is taken already by {other}"))),
        }
    }

    /// What is wrong with a member, at its own line or else at the table's.
    fn named(&self, member: &str, problem: impl std::fmt::Display) -> BadCatalogue {
        let at = self.get(member).map_or(self.at, |value| value.span().start);
        self.wrong(at, member, problem)
    }

    fn bad(
        &self,
        value: &Spanned<DeValue<'_>>,
        member: &str,
        problem: impl std::fmt::Display,
    ) -> BadCatalogue {
        self.wrong(value.span().start, member, problem)
    }

    fn wrong(&self, at: usize, member: &str, problem: impl std::fmt::Display) -> BadCatalogue {
        let after = if self.label.is_empty() { "" } else { ": " };
        let (line, label) = (line(self.text, at), &self.label);
        BadCatalogue(format!("line {line}: {label}{after}{member}: {problem}"))
    }
}

fn slice<'a>(array: &'a DeArray<'a>) -> &'a [Spanned<DeValue<'a>>] {
    array
}

/// The line, from 1, of a byte's place.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.split(|byte| *byte == b'\n').count()
}

fn text(value: &DeValue<'_>) -> Result<String, Invalid> {
    value.as_str().map(str::to_owned).ok_or(Invalid("must be a text"))
}

fn whole(value: &DeValue<'_>) -> Result<i64, Invalid> {
    const SHAPE: Invalid = Invalid("must be a whole number from 1 to 9007199254740991");
    integer(value).filter(|id| (1..=ID_MAX).contains(id)).ok_or(SHAPE)
}

/// The text of an exact number.
fn number(value: &DeValue<'_>) -> Result<String, Invalid> {
    match value {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        DeValue::Float(_) => {
            Err(Invalid("must stand in quotes where it has decimals: a float is not exact"))
        }
        value => integer(value)
            .map(|number| number.to_string())
            .ok_or(Invalid("must be a decimal number in quotes, or a whole one")),
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn parse_system_name(text: String) -> Result<String, Invalid> {
    let fits = (1..=SYSTEM_NAME_MAX_CHARS).contains(&text.len());
    let is_ours = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if fits && text.bytes().all(is_ours) {
        Ok(text)
    } else {
        Err(Invalid("must be 1 to 64 of a-z, 0-9, \"_\", \"-\""))
    }
}

fn parse_name(text: String) -> Result<String, Invalid> {
    let fits = (1..=NAME_MAX_CHARS).contains(&text.chars().count());
    if fits && !text.trim().is_empty() && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err(Invalid("must be 1 to 253 characters, no control characters"))
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
