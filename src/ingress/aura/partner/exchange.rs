//! What a payment's `exchange` says (contract 4): its numbers as they came, in a form that every JSON
//! parser reads. Pure.
use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest number that is shown, in characters.
const NUMBER_MAX_CHARS: usize = 64;

/// An exchange's members; nothing is known of the numbers but that they are JSON.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default)]
    course_give: Option<&'a RawValue>,
    #[serde(borrow, default)]
    course_get: Option<&'a RawValue>,
    #[serde(borrow, default)]
    amount_give: Option<&'a RawValue>,
    #[serde(borrow, default)]
    amount_get: Option<&'a RawValue>,
    #[serde(default)]
    success: Option<bool>,
}

/// What is shown of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// Rate of what was given.
    pub course_give: String,
    /// Rate of what was got.
    pub course_get: String,
    /// How much was given.
    pub amount_give: String,
    /// How much was got.
    pub amount_get: String,
    /// False where the exchange failed.
    pub success: bool,
}

impl Exchanged {
    /// Reads what was stored; `None` where that is no exchange.
    pub fn read(text: &str) -> Option<Self> {
        let told: Told<'_> = serde_json::from_str(text).ok()?;
        let number = |raw: Option<&RawValue>| {
            raw.and_then(|raw| shown(raw.get())).unwrap_or_else(|| "0".to_owned())
        };
        Some(Self {
            course_give: number(told.course_give),
            course_get: number(told.course_get),
            amount_give: number(told.amount_give),
            amount_get: number(told.amount_get),
            success: told.success != Some(false),
        })
    }
}

/// A JSON number, or a text that is one, as it came; one with an exponent is written out. `None` for
/// anything else, and for what has more than [`NUMBER_MAX_CHARS`]: others' parsers end somewhere.
fn shown(raw: &str) -> Option<String> {
    let text = if raw.starts_with('"') { serde_json::from_str(raw).ok()? } else { raw.to_owned() };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    if mantissa.len() > NUMBER_MAX_CHARS || !is_decimal(mantissa) {
        return None;
    }
    let plain = match exponent.strip_prefix('+').unwrap_or(exponent).parse::<i32>() {
        Ok(0) => mantissa.to_owned(),
        Ok(exponent) if exponent.unsigned_abs() as usize <= NUMBER_MAX_CHARS => {
            written_out(mantissa, exponent)
        }
        _ => return None,
    };
    (plain.len() <= NUMBER_MAX_CHARS).then_some(plain)
}

/// JSON's grammar of a number without an exponent.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

/// `mantissa` × 10^`exponent` without an exponent.
fn written_out(mantissa: &str, exponent: i32) -> String {
    let (sign, unsigned) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let steps = exponent.unsigned_abs() as usize;
    let zeros = "0".repeat(steps);
    // The point moves through digits that were put around for it.
    let (whole, fraction) = if exponent < 0 {
        let digits = format!("{zeros}{whole}");
        let (whole, moved) = digits.split_at(digits.len() - steps);
        (whole.to_owned(), format!("{moved}{fraction}"))
    } else {
        let digits = format!("{fraction}{zeros}");
        let (moved, fraction) = digits.split_at(steps);
        (format!("{whole}{moved}"), fraction.to_owned())
    };
    let whole = Some(whole.trim_start_matches('0')).filter(|w| !w.is_empty()).unwrap_or("0");
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_shown_as_they_came() {
        for (raw, expected) in [
            ("241.57", Some("241.57")),
            ("0", Some("0")),
            ("1.50", Some("1.50")),
            ("-3", Some("-3")),
            ("0.00000000000000000000000001", Some("0.00000000000000000000000001")),
            ("12345678901234567890.123456789", Some("12345678901234567890.123456789")),
            ("\"241.57\"", Some("241.57")),
            ("1e3", Some("1000")),
            ("1.25E+1", Some("12.5")),
            ("1.25e2", Some("125")),
            ("125e-1", Some("12.5")),
            ("-1.5e-7", Some("-0.00000015")),
            ("0e5", Some("0")),
            ("1e999", None),
            ("1e-999", None),
            ("1e99999999999", None),
            ("\"\"", None),
            ("\"NaN\"", None),
            ("\" 5\"", None),
            ("\"007\"", None),
            ("\"5.\"", None),
            ("\".5\"", None),
            ("\"1e\"", None),
            ("true", None),
            ("null", None),
            ("[1]", None),
            (&"1".repeat(65), None),
        ] {
            assert_eq!(shown(raw).as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn what_is_missing_is_nought_and_only_a_false_success_is_a_failure() {
        let read = |text| Exchanged::read(text).unwrap();
        let all = read(
            r#"{"id":7,"course_give":1,"course_get":2.5,"amount_give":"3","amount_get":4e1,"success":false}"#,
        );
        let told = [all.course_give, all.course_get, all.amount_give, all.amount_get];
        assert_eq!((told, all.success), (["1", "2.5", "3", "40"].map(str::to_owned), false));
        let nothing = read("{}");
        assert_eq!((nothing.amount_get.as_str(), nothing.success), ("0", true));
        assert!(read(r#"{"success":true,"course_get":null}"#).success);
        assert_eq!(Exchanged::read("[1"), None);
    }

    proptest! {
        #[test]
        fn writing_out_changes_no_value(digits in -9_999_999i64..9_999_999, point in 0usize..4, exponent in -12i32..12) {
            let text = digits.unsigned_abs().to_string();
            let (whole, fraction) = text.split_at(text.len() - point.min(text.len() - 1));
            let sign = if digits < 0 { "-" } else { "" };
            let dot = if fraction.is_empty() { "" } else { "." };
            let text = format!("{sign}{whole}{dot}{fraction}e{exponent}");
            let plain = shown(&text).unwrap();
            let (one, other): (f64, f64) = (text.parse().unwrap(), plain.parse().unwrap());
            prop_assert!((one - other).abs() <= one.abs() * 1e-12, "{} {}", text, plain);
            prop_assert!(!plain.contains('e'));
        }

        #[test]
        fn whatever_is_shown_is_a_json_number(raw in r#"("?[-+0-9.eE]{0,70}"?|\PC{0,20})"#) {
            if let Some(shown) = shown(&raw) {
                prop_assert!(serde_json::from_str::<f64>(&shown).is_ok_and(f64::is_finite), "{}", shown);
            }
        }
    }
}
