//! What a partner's call asks for (contract 3): pure, and with every error that there is.
use crate::{
    credentials::PASSWORD_MAX_BYTES,
    domain::{Catalogue, Email, Host, ids::Invalid},
    ingress::{fields::Fields, problem::Refusal, umi::answer::Errors},
};

/// Longest `request_id`, in characters.
const REQUEST_ID_MAX_CHARS: usize = 253;
/// The words of `action`.
const ACTIONS: &str = "must be block, unblock, check_free, upgrade_price, forever_price or upgrade";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A site; with a payment, both or neither.
    Register(Registration, Option<Payment>),
    /// A payment of what is for sale.
    Pay(Payment),
    /// A payment of what `UpgradePrice` shows.
    Upgrade(Payment),
    Block,
    Unblock,
    CheckFree,
    UpgradePrice,
    ForeverPrice,
}

/// A new site.
#[derive(Debug, PartialEq, Eq)]
pub struct Registration {
    pub email: Email,
    /// None: it is to be generated.
    pub password: Option<String>,
    /// Whether the administrator gets a letter.
    pub letter: bool,
    pub tariff_id: i64,
}

/// Something to be paid.
#[derive(Debug, PartialEq, Eq)]
pub struct Payment {
    pub product_id: i64,
    pub request_id: Option<String>,
}

/// The site, and what is to be done with it. Without a catalogue (the partner is not known) nothing
/// is looked up in it. `None`: there are errors.
pub fn read(
    fields: &Fields,
    catalogue: Option<&Catalogue>,
    errors: &mut Errors,
) -> (Option<Host>, Option<Wanted>) {
    let host = errors.require("host", fields.parsed("host", Host::parse));
    let is_there = |name| !matches!(fields.text(name), Ok(None));
    let wanted = match errors.take(fields.text("action")).as_deref() {
        Some("block") => Some(Wanted::Block),
        Some("unblock") => Some(Wanted::Unblock),
        Some("check_free") => Some(Wanted::CheckFree),
        Some("upgrade_price") => Some(Wanted::UpgradePrice),
        Some("forever_price") => Some(Wanted::ForeverPrice),
        Some("upgrade") => payment(fields, catalogue, errors).map(Wanted::Upgrade),
        Some(_) => {
            errors.add(format!("action: {ACTIONS}"));
            None
        }
        None if is_there("action") => None,
        None if is_there("email") => register(fields, catalogue, errors),
        None if is_there("product") => {
            if errors.take(flag(fields, "no_pay")) == Some(true) {
                errors.add("no_pay: goes with a registration only");
            }
            payment(fields, catalogue, errors).map(Wanted::Pay)
        }
        None => {
            errors.add("action: is required, or email to register, or product to pay");
            None
        }
    };
    (host, wanted)
}

fn register(fields: &Fields, catalogue: Option<&Catalogue>, errors: &mut Errors) -> Option<Wanted> {
    let email = errors.take(fields.email("email"));
    let password = errors.take(fields.parsed("password", password));
    let letter = errors.take(flag(fields, "sendmail")).unwrap_or(true);
    let app = errors.take(fields.int("app"));
    let tariff_id = match (app, catalogue) {
        (Some(id), Some(catalogue)) if catalogue.tariff(id).is_none() => {
            errors.add("app: there is no such tariff");
            None
        }
        (Some(id), _) => Some(id),
        (None, catalogue) => catalogue.map(|catalogue| catalogue.first().id),
    };
    let is_free = errors.take(flag(fields, "no_pay")).unwrap_or(false);
    let payment = match fields.text("product") {
        Ok(None) if is_free => {
            errors.add("product: is required with no_pay");
            None
        }
        Ok(None) => None,
        _ => payment(fields, catalogue, errors),
    };
    let registration = Registration { email: email?, password, letter, tariff_id: tariff_id? };
    Some(Wanted::Register(registration, payment.filter(|_| !is_free)))
}

fn payment(fields: &Fields, catalogue: Option<&Catalogue>, errors: &mut Errors) -> Option<Payment> {
    let product = errors.require("product", fields.int("product"));
    if let (Some(id), Some(catalogue)) = (product, catalogue)
        && catalogue.good(id).is_none()
        && catalogue.upgrade(id).is_none()
    {
        errors.add("product: there is no such product");
    }
    let request_id = errors.take(fields.parsed("request_id", request_id));
    Some(Payment { product_id: product?, request_id })
}

fn password(text: &str) -> Result<String, Invalid> {
    if text.len() <= PASSWORD_MAX_BYTES {
        Ok(text.to_owned())
    } else {
        Err(Invalid("must be at most 1024 bytes"))
    }
}

fn request_id(text: &str) -> Result<String, Invalid> {
    let fits = text.len() <= REQUEST_ID_MAX_CHARS && text.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Invalid("must be 1 to 253 visible ASCII characters"))
    }
}

fn flag(fields: &Fields, name: &'static str) -> Result<Option<bool>, Refusal> {
    fields.parsed(name, |text| match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(Invalid("must be 1 or 0")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(form: &str) -> (Option<Wanted>, Vec<String>) {
        let mut errors = Errors::default();
        let fields = Fields::of_form(form.as_bytes());
        let catalogue = Catalogue::example().unwrap();
        let (_, wanted) = read(&fields, Some(&catalogue), &mut errors);
        (wanted, errors.texts().into_iter().map(str::to_owned).collect())
    }

    fn site(password: Option<&str>, letter: bool, tariff_id: i64) -> Registration {
        let email = Email::parse("a@example.com").unwrap();
        Registration { email, password: password.map(str::to_owned), letter, tariff_id }
    }

    fn product(product_id: i64, request_id: Option<&str>) -> Payment {
        Payment { product_id, request_id: request_id.map(str::to_owned) }
    }

    #[test]
    fn a_call_is_told_by_action_else_by_email_else_by_product() {
        use Wanted::{Block, CheckFree, Pay, Register, Unblock, Upgrade, UpgradePrice};
        let catalogue = Catalogue::example().unwrap();
        let first = catalogue.first().id;
        let second = catalogue.tariffs()[1].id;
        let good = catalogue.first().goods[0].id;
        for (form, expected) in [
            ("email=a@example.com".to_owned(), Register(site(None, true, first), None)),
            (
                format!("email=a@example.com&product={good}&no_pay=0"),
                Register(site(None, true, first), Some(product(good, None))),
            ),
            (
                format!("email=a@example.com&product={good}&no_pay=1&app={second}"),
                Register(site(None, true, second), None),
            ),
            (
                "email=a@example.com&password=p+w&sendmail=0".to_owned(),
                Register(site(Some("p w"), false, first), None),
            ),
            (
                "email=a@example.com&action=&sendmail=1".to_owned(),
                Register(site(None, true, first), None),
            ),
            (format!("product={good}"), Pay(product(good, None))),
            (format!("product={good}&request_id=r-1&no_pay=0"), Pay(product(good, Some("r-1")))),
            (format!("product={good}&action=upgrade"), Upgrade(product(good, None))),
            (format!("product={good}&action=block&email=x"), Block),
            ("action=unblock".to_owned(), Unblock),
            ("action=check_free".to_owned(), CheckFree),
            ("action=upgrade_price".to_owned(), UpgradePrice),
            ("action=forever_price".to_owned(), Wanted::ForeverPrice),
        ] {
            let (wanted, errors) = of(&format!("host=a.example&{form}"));
            assert_eq!((wanted, errors), (Some(expected), vec![]), "{form}");
        }
    }

    #[test]
    fn every_error_is_found_and_begins_with_its_parameter() {
        let long = "x".repeat(1025);
        for (form, expected) in [
            (String::new(), &["host: is required", "action: is required"][..]),
            ("host=-&action=destroy".to_owned(), &["host: must be", "action: must be block,"]),
            ("host=a.example".to_owned(), &["action: is required, or email"]),
            ("host=a.example&action=upgrade".to_owned(), &["product: is required"]),
            (
                format!(
                    "email=nobody&password={long}&sendmail=yes&app=999&no_pay=2&product=x&request_id=a+b"
                ),
                &[
                    "host: is required",
                    "email: must be",
                    "password: must be at most 1024 bytes",
                    "sendmail: must be 1 or 0",
                    "app: there is no such tariff",
                    "no_pay: must be 1 or 0",
                    "product: must be a whole number",
                    "request_id: must be",
                ],
            ),
            (
                "host=a.example&email=a@example.com&no_pay=1".to_owned(),
                &["product: is required with no_pay"],
            ),
            (
                "host=a.example&email=a@example.com&product=999999&app=1.5".to_owned(),
                &["app: must be a whole number", "product: there is no such product"],
            ),
            ("host=a.example&product=11&no_pay=1".to_owned(), &["no_pay: goes with"]),
        ] {
            let (_, errors) = of(&form);
            assert_eq!(errors.len(), expected.len(), "{form}: {errors:?}");
            for (error, begins) in errors.iter().zip(expected) {
                assert!(error.starts_with(begins), "{form}: {error}");
            }
        }
    }
}
