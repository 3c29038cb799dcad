//! Money and other exact decimals (contract 1): what is read is what was written, to the last digit.
//!
//! Input: a number as text; then, for arithmetic, an amount in minor units, a part and a whole.
use referral::domain::{
    Decimal, Money,
    decimal::TEXT_MAX_CHARS,
    ids::Invalid,
    money::{AMOUNT_MAX_MINOR, parse_percent, percent_number},
};
use serde_json::value::RawValue;

/// Longest text that is read as a number, its sign aside.
const NUMBER_MAX_CHARS: usize = 64;

/// See the module.
pub fn money(data: &[u8]) {
    let Some(mut lines) = super::lines(data) else { return };
    let text = lines.next().unwrap_or_default();
    amount(text);
    decimal(text);
    percent(text);
    let mut number = || lines.next().and_then(|line| line.parse::<i64>().ok());
    if let (Some(minor), Some(part), Some(whole)) = (number(), number(), number()) {
        arithmetic(minor, part, whole);
    }
}

fn amount(text: &str) {
    match Money::parse(text) {
        Ok(money) => {
            assert!((0..=AMOUNT_MAX_MINOR).contains(&money.minor()), "{text:?}: {money:?}");
            assert!(is_number(text), "{text:?} is no number");
            for shown in [money.to_string(), money.json_number().get().to_owned()] {
                assert_eq!(nearest(text), nearest(&shown), "{text:?} is shown as {shown}");
                assert_eq!(Money::parse(&shown), Ok(money), "{text:?} is shown as {shown}");
                assert!(is_number(&shown) && !shown.contains(['e', 'E']), "{shown:?}");
            }
            assert_eq!(Decimal::parse(text), Decimal::parse(&money.to_string()), "{text:?}");
        }
        Err(Invalid("must be a decimal number")) => assert!(!is_number(text), "{text:?} is one"),
        Err(Invalid("must not be negative")) => {
            assert!(is_number(text) && text.starts_with('-'), "{text:?} is not");
        }
        Err(Invalid("must be at most 1000000000000")) => {
            assert!(is_number(text) && float(text) > 1e12, "{text:?} is");
        }
        Err(Invalid("must have at most 2 decimals")) => {
            let decimals = |number: Decimal| {
                number.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len())
            };
            assert!(
                is_number(text) && Decimal::parse(text).map_or(3, decimals) > 2,
                "{text:?} has"
            );
        }
        Err(Invalid(other)) => panic!("{text:?}: {other}"),
    }
}

fn decimal(text: &str) {
    let Ok(decimal) = Decimal::parse(text) else { return };
    let shown = decimal.to_string();
    assert!(is_number(text) && is_number(&shown), "{text:?} is shown as {shown}");
    assert_eq!(nearest(text), nearest(&shown), "{text:?} is shown as {shown}");
    assert_eq!(Decimal::parse(&shown), Ok(decimal), "{text:?} is shown as {shown}");
    assert_eq!(decimal.json_number().get(), shown);
    let is_canonical = shown.len() <= TEXT_MAX_CHARS
        && !shown.contains(['e', 'E', '-'])
        && !(shown.contains('.') && shown.ends_with('0'))
        && (!shown.starts_with('0') || shown == "0" || shown.starts_with("0."));
    assert!(is_canonical, "{text:?} is shown as {shown}");
    assert_eq!(Decimal::parse_positive(text).is_ok(), shown != "0", "{text:?}");
}

fn percent(text: &str) {
    let Ok(percent_e4) = parse_percent(text) else { return };
    assert!((0..=1_000_000).contains(&percent_e4), "{text:?}: {percent_e4}");
    let shown = percent_number(percent_e4);
    assert_eq!(nearest(text), nearest(shown.get()), "{text:?} is shown as {shown}");
    assert_eq!(parse_percent(shown.get()), Ok(percent_e4), "{text:?} is shown as {shown}");
}

fn arithmetic(minor: i64, part: i64, whole: i64) {
    let money = Money::from_minor(minor);
    if (0..=AMOUNT_MAX_MINOR).contains(&minor) {
        assert_eq!(Money::parse(&money.to_string()), Ok(money));
    }
    let less = i128::from(minor) - i128::from(part);
    let least = less.clamp(0, i64::MAX.into());
    assert_eq!(i128::from(money.less(Money::from_minor(part)).minor()), least, "{minor} {part}");
    if minor < 0 || part < 0 || whole < 1 {
        return;
    }
    let found = i128::from(money.fraction(part, whole).minor());
    let (whole, product) = (i128::from(whole), i128::from(minor) * i128::from(part));
    let off = 2 * (found * whole - product);
    let is_nearest = off.abs() < whole || (off.abs() == whole && found % 2 == 0);
    let is_most = found == i128::from(i64::MAX) && off < 0;
    assert!(is_nearest || is_most, "{minor} × {part} / {whole} = {found}");
}

/// Whether the text is a number by JSON's grammar, but for zeros in front, and not too long for one.
fn is_number(text: &str) -> bool {
    let (sign, unsigned) = text.split_at(usize::from(text.starts_with('-')));
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let zeros = unsigned.bytes().take_while(|b| *b == b'0').count();
    let json = format!("{sign}{}", &unsigned[zeros.min(digits.saturating_sub(1))..]);
    let is_json = serde_json::from_str::<&RawValue>(&json).is_ok_and(|raw| raw.get() == json);
    is_json && digits > 0 && unsigned.len() <= NUMBER_MAX_CHARS
}

/// The binary number next to a decimal one. Equal decimals have the same, so it tells what was read
/// wrongly without reading by our own grammar.
fn float(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// Its bits, to be compared.
fn nearest(text: &str) -> u64 {
    float(text).abs().to_bits()
}
