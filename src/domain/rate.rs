//! Exchange rates (contract 4): one direction with its reserve and limits, and a domain's whole set.
//!
//! Owns what a rate may be, however it was written: the readers of JSON and CSV say what a member has,
//! [`Rates::read`] says whether that will do, and names item and member where it will not.
use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

use serde_json::value::RawValue;

use super::{Decimal, ids::Invalid};

/// Most directions of a domain.
pub const RATES_MAX: usize = 10_000;
/// Longest currency name, in characters.
pub const NAME_MAX_CHARS: usize = 20;
/// Longest `param`, in characters.
pub const PARAM_MAX_CHARS: usize = 255;
/// The members of a rate, in the order of the exports.
pub const MEMBERS: [&str; 8] =
    ["from", "to", "in", "out", "amount", "minamount", "maxamount", "param"];

/// One direction: for `give` of `from` one gets `get` of `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// The currency that is given: `[0-9A-Za-z]{1,20}`.
    pub from: String,
    /// The currency that is got.
    pub to: String,
    /// Member `in`.
    pub give: Decimal,
    /// Member `out`.
    pub get: Decimal,
    /// The reserve of `to`.
    pub amount: Option<Decimal>,
    /// The least that is exchanged.
    pub minamount: Option<Decimal>,
    /// The most that is exchanged.
    pub maxamount: Option<Decimal>,
    /// BestChange's marks, such as `manual,verifying`; never empty, fit for XML.
    pub param: Option<String>,
}

/// A domain's rates: at most [`RATES_MAX`], no direction twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rates(Vec<Rate>);

/// What a member of an item was given as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A text, also one with a number in it.
    Text(String),
    /// A number, as it was written.
    Number(String),
    /// Something else.
    Other,
}

/// Which item, and which member of it, is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Its place, from 0.
    pub item: usize,
    /// None: the item as a whole.
    pub member: Option<&'static str>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It is not what it should be.
    Invalid(Invalid),
    /// It has the direction of this earlier item.
    Repeats(usize),
}

impl Bad {
    /// The problem, with items called what `item` calls them.
    pub fn problem(&self, item: impl Fn(usize) -> String) -> String {
        match self.problem {
            Problem::Invalid(invalid) => invalid.to_string(),
            Problem::Repeats(earlier) => format!("repeats the direction of {}", item(earlier)),
        }
    }

    /// `[3].in`, or `[3]`.
    pub fn place(&self) -> String {
        let member = self.member.map(|member| format!(".{member}")).unwrap_or_default();
        format!("[{}]{member}", self.item)
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.problem(|item| format!("[{item}]")))
    }
}

/// Why a text is no set of rates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRates {
    /// It is no JSON array.
    #[error("{0}")]
    Json(String),
    /// One of its items is bad.
    #[error("{0}")]
    Item(Bad),
}

impl Rates {
    /// Reads items; each is asked for its members by name. A missing member is `None`.
    pub fn read<I, G>(items: I) -> Result<Self, Bad>
    where
        I: IntoIterator<Item = Result<G, Invalid>>,
        G: FnMut(&str) -> Option<Given>,
    {
        const TOO_MANY: Invalid = Invalid("is one too many: at most 10000 are allowed");
        let mut rates: Vec<Rate> = Vec::new();
        let mut places = HashMap::new();
        for (item, given) in items.into_iter().enumerate() {
            let bad = |member, problem| Bad { item, member, problem };
            let given = if item < RATES_MAX { given } else { Err(TOO_MANY) };
            let mut given = given.map_err(|invalid| bad(None, Problem::Invalid(invalid)))?;
            let rate = Rate::read(&mut given)
                .map_err(|(member, invalid)| bad(Some(member), Problem::Invalid(invalid)))?;
            match places.entry((rate.from.clone(), rate.to.clone())) {
                Entry::Vacant(place) => place.insert(item),
                Entry::Occupied(earlier) => {
                    return Err(bad(Some("to"), Problem::Repeats(*earlier.get())));
                }
            };
            rates.push(rate);
        }
        Ok(Self(rates))
    }

    /// Reads a JSON array of objects. Members that are no rate's are ignored, a null is a missing
    /// member, of two of the same name the last counts.
    pub fn of_json(text: &[u8]) -> Result<Self, NoRates> {
        let items: Vec<&RawValue> = serde_json::from_slice(text).map_err(|error| {
            NoRates::Json(if error.is_data() {
                "must be a JSON array".to_owned()
            } else {
                format!("is not JSON: {error}")
            })
        })?;
        let members = items.into_iter().map(|item| {
            let members: HashMap<String, &RawValue> =
                serde_json::from_str(item.get()).map_err(|_| Invalid("must be an object"))?;
            Ok(move |name: &str| members.get(name).and_then(|raw| given(raw)))
        });
        Self::read(members).map_err(NoRates::Item)
    }

    /// As they were kept: these come from a set that was read once.
    pub const fn of_kept(rates: Vec<Rate>) -> Self {
        Self(rates)
    }

    /// In the order in which they came.
    pub fn iter(&self) -> std::slice::Iter<'_, Rate> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Rates {
    type Item = &'a Rate;
    type IntoIter = std::slice::Iter<'a, Rate>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What a JSON value is given as; nothing for a null.
fn given(raw: &RawValue) -> Option<Given> {
    match raw.get().as_bytes().first() {
        Some(b'n') => None,
        // A text that serde refuses has half a surrogate pair in it.
        Some(b'"') => Some(serde_json::from_str(raw.get()).map_or(Given::Other, Given::Text)),
        Some(b'-' | b'0'..=b'9') => Some(Given::Number(raw.get().to_owned())),
        _ => Some(Given::Other),
    }
}

impl Given {
    fn into_text(self) -> Result<String, Invalid> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Number(_) | Self::Other => Err(Invalid("must be a text")),
        }
    }

    /// The text of a number, which may have come as a decimal string.
    fn into_number(self) -> Result<String, Invalid> {
        match self {
            Self::Number(text) => Ok(text),
            Self::Text(text) => Ok(text.trim().to_owned()),
            Self::Other => Err(Invalid("must be a number")),
        }
    }
}

/// A member and what is wrong with it.
type Wrong = (&'static str, Invalid);

const REQUIRED: Invalid = Invalid("is required");

impl Rate {
    fn read(given: &mut impl FnMut(&str) -> Option<Given>) -> Result<Self, Wrong> {
        let mut read = Reader(given);
        Ok(Self {
            from: read.required("from", Given::into_text, name)?,
            to: read.required("to", Given::into_text, name)?,
            give: read.required("in", Given::into_number, Decimal::parse_positive)?,
            get: read.required("out", Given::into_number, Decimal::parse_positive)?,
            amount: read.optional("amount", Given::into_number, Decimal::parse)?,
            minamount: read.optional("minamount", Given::into_number, Decimal::parse)?,
            maxamount: read.optional("maxamount", Given::into_number, Decimal::parse)?,
            param: read.optional("param", Given::into_text, param)?,
        })
    }
}

/// Asks for members. An empty text counts as missing, as CSV has no other way to say so.
struct Reader<'a, G>(&'a mut G);

impl<G: FnMut(&str) -> Option<Given>> Reader<'_, G> {
    fn optional<T>(
        &mut self,
        member: &'static str,
        kind: impl FnOnce(Given) -> Result<String, Invalid>,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Wrong> {
        let text = (self.0)(member).map(kind).transpose().map_err(|invalid| (member, invalid))?;
        let text = text.filter(|text| !text.is_empty());
        text.map(|text| parse(&text)).transpose().map_err(|invalid| (member, invalid))
    }

    fn required<T>(
        &mut self,
        member: &'static str,
        kind: impl FnOnce(Given) -> Result<String, Invalid>,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Result<T, Wrong> {
        self.optional(member, kind, parse)?.ok_or((member, REQUIRED))
    }
}

fn name(text: &str) -> Result<String, Invalid> {
    let fits = text.len() <= NAME_MAX_CHARS && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { Ok(text.to_owned()) } else { Err(Invalid("must be 1 to 20 of 0-9, A-Z, a-z")) }
}

/// Anything that XML and a line of its own can hold.
fn param(text: &str) -> Result<String, Invalid> {
    if text.chars().count() > PARAM_MAX_CHARS {
        return Err(Invalid("must be at most 255 characters"));
    }
    // XML has no way at all to write these.
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err(Invalid("must not contain control characters"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BTC: &str = r#"{"from":"PMUSD","to":"BTC","in":65000.50,"out":"1","amount":3e-8,"minamount":0,"maxamount":null,"param":"manual,verifying","city":"MSK"}"#;

    #[test]
    fn a_rate_has_what_its_item_says_and_ignores_the_rest() {
        let rates = Rates::of_json(format!(" [{BTC}] ").as_bytes()).unwrap();
        let decimal = |text| Decimal::parse(text).unwrap();
        let expected = Rate {
            from: "PMUSD".to_owned(),
            to: "BTC".to_owned(),
            give: decimal("65000.5"),
            get: decimal("1"),
            amount: Some(decimal("0.00000003")),
            minamount: Some(decimal("0")),
            maxamount: None,
            param: Some("manual,verifying".to_owned()),
        };
        assert_eq!(rates.iter().collect::<Vec<_>>(), [&expected]);
        assert!(Rates::of_json(b"[]").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_by_item_and_member() {
        let long = "x".repeat(256);
        let cases = [
            (r"7".to_owned(), "[1]: must be an object"),
            ("[]".to_owned(), "[1]: must be an object"),
            (r#"{"to":"B","in":1,"out":1}"#.to_owned(), "[1].from: is required"),
            (r#"{"from":"","to":"B","in":1,"out":1}"#.to_owned(), "[1].from: is required"),
            (r#"{"from":7,"to":"B","in":1,"out":1}"#.to_owned(), "[1].from: must be a text"),
            (r#"{"from":"A B"}"#.to_owned(), "[1].from: must be 1 to 20 of 0-9, A-Z, a-z"),
            (
                format!(r#"{{"from":"{}"}}"#, "A".repeat(21)),
                "[1].from: must be 1 to 20 of 0-9, A-Z, a-z",
            ),
            (r#"{"from":"\ud800"}"#.to_owned(), "[1].from: must be a text"),
            (r#"{"from":"A","to":null}"#.to_owned(), "[1].to: is required"),
            (r#"{"from":"A","to":"Ё"}"#.to_owned(), "[1].to: must be 1 to 20 of 0-9, A-Z, a-z"),
            (r#"{"from":"A","to":"B","out":1}"#.to_owned(), "[1].in: is required"),
            (r#"{"from":"A","to":"B","in":0}"#.to_owned(), "[1].in: must be more than 0"),
            (r#"{"from":"A","to":"B","in":true}"#.to_owned(), "[1].in: must be a number"),
            (r#"{"from":"A","to":"B","in":"x"}"#.to_owned(), "[1].in: must be a decimal number"),
            (r#"{"from":"A","to":"B","in":-1}"#.to_owned(), "[1].in: must not be negative"),
            (r#"{"from":"A","to":"B","in":1}"#.to_owned(), "[1].out: is required"),
            (
                r#"{"from":"A","to":"B","in":1,"out":1e-19}"#.to_owned(),
                "[1].out: must have at most 18 decimals",
            ),
            (
                r#"{"from":"A","to":"B","in":1,"out":1,"amount":1e20}"#.to_owned(),
                "[1].amount: must have at most 20 digits before the point",
            ),
            (
                r#"{"from":"A","to":"B","in":1,"out":1,"minamount":-0.1}"#.to_owned(),
                "[1].minamount: must not be negative",
            ),
            (
                r#"{"from":"A","to":"B","in":1,"out":1,"maxamount":[]}"#.to_owned(),
                "[1].maxamount: must be a number",
            ),
            (
                format!(r#"{{"from":"A","to":"B","in":1,"out":1,"param":"{long}"}}"#),
                "[1].param: must be at most 255 characters",
            ),
            (
                r#"{"from":"A","to":"B","in":1,"out":1,"param":"a\nb"}"#.to_owned(),
                "[1].param: must not contain control characters",
            ),
            (
                r#"{"from":"PMUSD","to":"BTC","in":1,"out":1}"#.to_owned(),
                "[1].to: repeats the direction of [0]",
            ),
        ];
        for (item, expected) in cases {
            let told = Rates::of_json(format!("[{BTC},{item}]").as_bytes()).unwrap_err();
            assert_eq!(told.to_string(), expected, "{item}");
            let NoRates::Item(bad) = told else { panic!("{item}: {told}") };
            assert_eq!(bad.place(), expected.split_once(": ").unwrap().0);
        }
        let other = BTC.replace("BTC", "btc");
        assert!(Rates::of_json(format!("[{BTC},{other}]").as_bytes()).is_ok(), "names have a case");
    }

    #[test]
    fn only_arrays_of_at_most_so_many_items_are_read() {
        for (text, problem) in [
            ("", "is not JSON: "),
            ("[{}", "is not JSON: "),
            ("{}", "must be a JSON array"),
            ("7", "must be a JSON array"),
        ] {
            let NoRates::Json(told) = Rates::of_json(text.as_bytes()).unwrap_err() else {
                panic!("{text}")
            };
            assert!(told.starts_with(problem), "{text}: {told}");
        }
        let items = |n: usize| {
            let item = |n| format!(r#"{{"from":"A{n}","to":"B","in":1,"out":1}}"#);
            format!("[{}]", (0..n).map(item).collect::<Vec<_>>().join(","))
        };
        assert_eq!(Rates::of_json(items(RATES_MAX).as_bytes()).unwrap().len(), RATES_MAX);
        let told = Rates::of_json(items(RATES_MAX + 1).as_bytes()).unwrap_err().to_string();
        assert_eq!(told, "[10000]: is one too many: at most 10000 are allowed");
    }
}
