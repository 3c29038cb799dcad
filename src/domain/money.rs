//! Exact money: minor units in an `i64`, parsed from decimal text, never through a binary float.
//!
//! Contract 1: at most 2 decimals, at most 10^12; a JSON number such as `19.99` means exactly
//! 19.99. Trailing zeros and exponents are a way of writing, not decimals: `1.9990e1` is 19.99.
use std::fmt;

use super::{
    decimal::{self, Fault, NEGATIVE, SHAPE},
    ids::Invalid,
};

/// The largest single amount: 10^12 in major units.
pub const AMOUNT_MAX_MINOR: i64 = 100_000_000_000_000;
/// Where a payer's sum stops growing, so that no sum can overflow: 10^16 in major units.
pub const SUM_MAX_MINOR: i64 = 1_000_000_000_000_000_000;

const RANGE: Invalid = Invalid("must be at most 1000000000000");
const DECIMALS: Invalid = Invalid("must have at most 2 decimals");

/// An amount in minor units (cents).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From minor units, as the database keeps them.
    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// In minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// True for 0.00.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Reads a non-negative decimal number of at most 2 decimals and at most 10^12.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        parse_scaled(text, 2)
            .and_then(|minor| if minor > AMOUNT_MAX_MINOR { Err(RANGE) } else { Ok(Self(minor)) })
    }

    /// `percent_e4` (a percentage with 4 decimals, as an integer) of this amount, rounded
    /// half-even to cents (contract 4).
    pub fn share(self, percent_e4: i64) -> Self {
        self.fraction(percent_e4, 1_000_000)
    }

    /// `part`/`whole` of this amount, neither negative, rounded half-even to cents.
    pub fn fraction(self, part: i64, whole: i64) -> Self {
        let whole = i128::from(whole.max(1));
        let product = i128::from(self.0) * i128::from(part);
        let (quotient, rest) = (product / whole, product % whole);
        let up = match (rest * 2).cmp(&whole) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => quotient % 2 == 1,
            std::cmp::Ordering::Less => false,
        };
        Self(i64::try_from(quotient + i128::from(up)).unwrap_or(i64::MAX))
    }

    /// This amount less `other`, or nothing where that is more.
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// As a JSON number: `10.0`, `19.99` (contract 5 shows a decimal always).
    pub fn json_number(self) -> Box<serde_json::value::RawValue> {
        let text = self.to_string();
        let text = text.strip_suffix('0').unwrap_or(&text).to_owned();
        serde_json::value::RawValue::from_string(text).unwrap_or_default()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let minor = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", minor / 100, minor % 100)
    }
}

/// Reads a percentage of 0 to 100 with at most 4 decimals as ten-thousandths of a percent.
pub fn parse_percent(text: &str) -> Result<i64, Invalid> {
    let shape = Invalid("must be a percentage of 0 to 100 with at most 4 decimals");
    match parse_scaled(text, 4) {
        Ok(e4) if e4 <= 1_000_000 => Ok(e4),
        _ => Err(shape),
    }
}

/// Ten-thousandths of a percent as a JSON number: `2.5`, `0.0`.
pub fn percent_number(e4: i64) -> Box<serde_json::value::RawValue> {
    let (whole, rest) = (e4 / 10_000, e4 % 10_000);
    let decimals = format!("{rest:04}");
    let decimals = decimals.trim_end_matches('0');
    let decimals = if decimals.is_empty() { "0" } else { decimals };
    serde_json::value::RawValue::from_string(format!("{whole}.{decimals}")).unwrap_or_default()
}

/// Reads a number as `value × 10^scale`.
fn parse_scaled(text: &str, scale: i32) -> Result<i64, Invalid> {
    let scaled = decimal::scaled(text, scale).map_err(|fault| match fault {
        Fault::Shape => SHAPE,
        Fault::Negative => NEGATIVE,
        Fault::Decimals => DECIMALS,
        Fault::Range => RANGE,
    })?;
    i64::try_from(scaled).map_err(|_| RANGE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        let cases = [
            ("19.99", Ok(1999)),
            ("0", Ok(0)),
            ("0.00", Ok(0)),
            ("-0", Ok(0)),
            ("19.990", Ok(1999)),
            ("1.999e1", Ok(1999)),
            ("1e2", Ok(10_000)),
            ("1999E-2", Ok(1999)),
            ("1000000000000", Ok(AMOUNT_MAX_MINOR)),
            ("1000000000000.01", Err(RANGE)),
            ("1e309", Err(RANGE)),
            ("1e99999999999", Err(RANGE)),
            ("19.999", Err(DECIMALS)),
            ("1e-309", Err(DECIMALS)),
            ("-1", Err(NEGATIVE)),
            ("NaN", Err(SHAPE)),
            ("inf", Err(SHAPE)),
            ("", Err(SHAPE)),
            (".5", Err(SHAPE)),
            ("5.", Err(SHAPE)),
            ("+5", Err(SHAPE)),
            ("1,5", Err(SHAPE)),
            ("0x10", Err(SHAPE)),
            ("1e", Err(SHAPE)),
            ("99999999999999999999999", Err(RANGE)),
        ];
        for (text, expected) in cases {
            assert_eq!(Money::parse(text).map(Money::minor), expected, "{text}");
        }
    }

    #[test]
    fn shares_round_half_even() {
        let cases = [
            (1000, 50_000, 50),
            (25, 20_000, 0),
            (75, 20_000, 2),
            (100, 1_000_000, 100),
            (1999, 123_456, 247),
        ];
        for (minor, percent_e4, expected) in cases {
            assert_eq!(
                Money::from_minor(minor).share(percent_e4).minor(),
                expected,
                "{minor} {percent_e4}"
            );
        }
    }

    #[test]
    fn fractions_round_half_even_and_differences_end_at_nothing() {
        for (minor, part, whole, expected) in [
            (1, 1, 2, 0),
            (3, 1, 2, 2),
            (5, 1, 2, 2),
            (1, 182, 365, 0),
            (1, 183, 365, 1),
            (6000, 4000, 365, 65_753),
            (7, 0, 365, 0),
            (7, 1, 0, 7),
            (AMOUNT_MAX_MINOR, i64::MAX, 1, i64::MAX),
        ] {
            let found = Money::from_minor(minor).fraction(part, whole).minor();
            assert_eq!(found, expected, "{minor} {part} {whole}");
        }
        for (minor, other, expected) in [(5, 3, 2), (5, 5, 0), (3, 5, 0), (0, i64::MAX, 0)] {
            let found = Money::from_minor(minor).less(Money::from_minor(other)).minor();
            assert_eq!(found, expected, "{minor} {other}");
        }
    }

    #[test]
    fn percentages_are_exact() {
        for (e4, expected) in [(0, "0.0"), (25_000, "2.5"), (1, "0.0001"), (1_000_000, "100.0")] {
            assert_eq!(percent_number(e4).get(), expected);
        }
    }

    #[test]
    fn numbers_in_answers_keep_one_decimal_at_least() {
        for (minor, expected) in
            [(1000, "10.0"), (1999, "19.99"), (2500, "25.0"), (0, "0.0"), (10, "0.1")]
        {
            assert_eq!(Money::from_minor(minor).json_number().get(), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(minor in 0..=AMOUNT_MAX_MINOR) {
            let money = Money::from_minor(minor);
            prop_assert_eq!(Money::parse(&money.to_string()), Ok(money));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE]{0,40}") {
            let _ = Money::parse(&text);
            let _ = parse_percent(&text);
        }
    }
}
