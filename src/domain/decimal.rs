//! Exact decimals: rates and reserves (contract 4), up to 20 digits before the point and 18 after it.
//!
//! Kept as a whole number of the smallest step, so that equal values are equal and nothing is ever
//! rounded; written in one canonical way: no exponent, no trailing zeros. Owns the grammar of numbers,
//! which [`Money`](super::Money) reads by, too. Refuses binary floats.
use std::fmt;

use serde_json::value::RawValue;

use super::ids::Invalid;

/// Most digits before the point.
pub const INTEGER_DIGITS_MAX: usize = 20;
/// Most digits after the point.
pub const DECIMALS_MAX: usize = 18;
/// Longest canonical text: all digits and the point.
pub const TEXT_MAX_CHARS: usize = INTEGER_DIGITS_MAX + 1 + DECIMALS_MAX;
/// Longest text that is read as a number.
const NUMBER_MAX_CHARS: usize = 64;
/// The smallest steps in 1.
const ONE: u128 = 10u128.pow(DECIMALS_MAX as u32);
/// The first number that is too large, in smallest steps.
const LIMIT: u128 = 10u128.pow((INTEGER_DIGITS_MAX + DECIMALS_MAX) as u32);

/// A number that is not negative, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Decimal(u128);

impl Decimal {
    /// Reads a decimal number as JSON writes one, an exponent included.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const RANGE: Invalid = Invalid("must have at most 20 digits before the point");
        match scaled(text, DECIMALS_MAX as i32) {
            Ok(steps) if steps < LIMIT => Ok(Self(steps)),
            Ok(_) | Err(Fault::Range) => Err(RANGE),
            Err(Fault::Decimals) => Err(Invalid("must have at most 18 decimals")),
            Err(Fault::Negative) => Err(NEGATIVE),
            Err(Fault::Shape) => Err(SHAPE),
        }
    }

    /// Reads one that is more than 0.
    pub fn parse_positive(text: &str) -> Result<Self, Invalid> {
        match Self::parse(text)? {
            Self(0) => Err(Invalid("must be more than 0")),
            positive => Ok(positive),
        }
    }

    /// As a JSON number: the very text of `Display`.
    pub fn json_number(self) -> Box<RawValue> {
        RawValue::from_string(self.to_string()).unwrap_or_default()
    }
}

/// Canonical: `0.00000001`, `12345678901.5`, `10`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / ONE, self.0 % ONE);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{rest:0DECIMALS_MAX$}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

/// What is no number, in the words of a refusal.
pub(super) const SHAPE: Invalid = Invalid("must be a decimal number");
/// What is less than nought, in the words of a refusal.
pub(super) const NEGATIVE: Invalid = Invalid("must not be negative");

/// Why a text is not a number of the wanted scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no number.
    Shape,
    /// It is less than nought.
    Negative,
    /// It has more decimals than the scale.
    Decimals,
    /// It is too large.
    Range,
}

/// Reads JSON's number grammar (a leading `+` or `.` is no number) into `value × 10^scale`. Trailing
/// zeros and exponents are a way of writing, not decimals.
pub(super) fn scaled(text: &str, scale: i32) -> Result<u128, Fault> {
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if unsigned.len() > NUMBER_MAX_CHARS {
        return Err(Fault::Shape);
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return Err(Fault::Shape),
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(Fault::Shape);
    }
    let digits = [whole, fraction].concat();
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    if negative {
        return Err(Fault::Negative);
    }
    // value = significant × 10^shift / 10^scale
    let dropped = i32::try_from(digits.len() - significant.len()).map_err(|_| Fault::Shape)?;
    let after_point = i32::try_from(fraction.len()).map_err(|_| Fault::Shape)?;
    let shift = exponent - after_point + dropped + scale;
    if shift < 0 {
        return Err(Fault::Decimals);
    }
    let factor = u32::try_from(shift).ok().and_then(|s| 10u128.checked_pow(s));
    let factor = factor.ok_or(Fault::Range)?;
    let number = significant.trim_start_matches('0').parse::<u128>().map_err(|_| Fault::Range)?;
    number.checked_mul(factor).ok_or(Fault::Range)
}

fn parse_exponent(text: &str) -> Result<i32, Fault> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Shape);
    }
    // Beyond four digits every value is out of range, whichever way.
    let digits = digits.trim_start_matches('0');
    let magnitude = match digits.get(..4.min(digits.len())) {
        None | Some("") => 0,
        Some(first) => first.parse::<i32>().map_err(|_| Fault::Shape)?,
    };
    Ok(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_exactly_and_written_in_one_way_or_refused() {
        const RANGE: &str = "must have at most 20 digits before the point";
        const DECIMALS: &str = "must have at most 18 decimals";
        let whole = "99999999999999999999";
        let all = format!("{whole}.999999999999999999");
        let cases = [
            ("0", Ok("0")),
            ("-0.000", Ok("0")),
            ("1", Ok("1")),
            ("1.50", Ok("1.5")),
            ("007", Ok("7")),
            ("0.00000001", Ok("0.00000001")),
            ("1e-8", Ok("0.00000001")),
            ("12345678901.5", Ok("12345678901.5")),
            ("1.23456789015E+10", Ok("12345678901.5")),
            ("0.1e1", Ok("1")),
            ("1e19", Ok("10000000000000000000")),
            ("1e-18", Ok("0.000000000000000001")),
            ("10e-19", Ok("0.000000000000000001")),
            (all.as_str(), Ok(all.as_str())),
            ("1e20", Err(RANGE)),
            ("100000000000000000000.5", Err(RANGE)),
            ("1e309", Err(RANGE)),
            ("1e99999999999", Err(RANGE)),
            ("1e-19", Err(DECIMALS)),
            ("0.1234567890123456789", Err(DECIMALS)),
            ("1e-99999999999", Err(DECIMALS)),
            ("-1", Err("must not be negative")),
            ("", Err("must be a decimal number")),
            ("NaN", Err("must be a decimal number")),
            (".5", Err("must be a decimal number")),
            ("5.", Err("must be a decimal number")),
            ("+5", Err("must be a decimal number")),
            ("1,5", Err("must be a decimal number")),
            ("1e", Err("must be a decimal number")),
            ("0x1", Err("must be a decimal number")),
            ("١", Err("must be a decimal number")),
        ];
        for (text, expected) in cases {
            let read = Decimal::parse(text).map(|decimal| decimal.to_string());
            assert_eq!(read.as_deref().map_err(|error| error.0), expected, "{text}");
        }
        assert_eq!(Decimal::parse("0.001").unwrap().json_number().get(), "0.001");
        assert_eq!(Decimal::parse_positive("0.0"), Err(Invalid("must be more than 0")));
        assert_eq!(Decimal::parse_positive("1e-18"), Ok(Decimal(1)));
    }

    /// Plain digits: a whole part without leading zeros, decimals without trailing ones.
    fn is_canonical(text: &str) -> bool {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "1"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let no_zero = whole == "0" || !whole.starts_with('0');
        digits(whole) && digits(decimals) && no_zero && !decimals.ends_with('0')
    }

    proptest! {
        #[test]
        fn what_is_shown_is_canonical_and_reads_back(steps in 0..LIMIT) {
            let text = Decimal(steps).to_string();
            prop_assert!(is_canonical(&text) && text.len() <= TEXT_MAX_CHARS, "{}", text);
            prop_assert_eq!(Decimal::parse(&text), Ok(Decimal(steps)));
            let number = Decimal(steps).json_number();
            prop_assert_eq!(number.get(), text);
        }

        #[test]
        fn the_way_of_writing_does_not_matter(steps in 0..u128::from(u64::MAX), zeros in 0..6usize, exponent in -18..=0i32) {
            let plain = Decimal(steps).to_string();
            let point = if plain.contains('.') { "" } else { "." };
            let padded = format!("{}{plain}{point}0{}", "0".repeat(zeros), "0".repeat(zeros));
            prop_assert_eq!(Decimal::parse(&padded), Ok(Decimal(steps)));
            // steps × 10^-18, with the point moved `exponent` places.
            let shift = exponent + DECIMALS_MAX as i32;
            let moved = format!("{steps}{}e-{}", "0".repeat(shift as usize), shift + DECIMALS_MAX as i32);
            prop_assert_eq!(Decimal::parse(&moved), Ok(Decimal(steps)), "{}", moved);
        }

        #[test]
        fn order_is_that_of_the_numbers(a in 0..LIMIT, b in 0..LIMIT) {
            let (x, y) = (Decimal::parse(&Decimal(a).to_string()), Decimal::parse(&Decimal(b).to_string()));
            prop_assert_eq!(x.unwrap().cmp(&y.unwrap()), a.cmp(&b));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE]{0,70}") {
            if let Ok(decimal) = Decimal::parse(&text) {
                prop_assert!(is_canonical(&decimal.to_string()));
            }
        }
    }
}
