//! What the client's pages look like: one form, one note, the page of a site.
use askama::Template;
use axum::{http::StatusCode, response::Response};

/// A form and what stands around it.
#[derive(Template)]
#[template(path = "form.html", config = "src/ingress/pages/askama.toml")]
pub struct Form<'a> {
    /// The path of a picture, 48 wide and high.
    pub icon: &'a str,
    /// What it is about.
    pub title: &'a str,
    /// What to do.
    pub lead: &'a str,
    /// Where it is sent.
    pub action: &'a str,
    /// A name and a value that are sent along.
    pub hidden: Option<(&'a str, &'a str)>,
    /// What is typed in.
    pub fields: Vec<Field<'a>>,
    /// What the button says.
    pub button: &'a str,
    /// Another page, and what it is called.
    pub aside: Option<(&'a str, &'a str)>,
    /// Why the form is shown again.
    pub flaw: Option<Flaw>,
}

/// Why a form is shown again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The field that is at fault; none: the whole.
    pub field: Option<&'static str>,
    /// What to do about it.
    pub text: &'static str,
}

/// One field of a form.
pub struct Field<'a> {
    name: &'a str,
    label: &'a str,
    value: &'a str,
    hint: &'a str,
    completed_by: &'a str,
    is_password: bool,
    is_required: bool,
    is_fixed: bool,
}

impl<'a> Field<'a> {
    /// A text, with what was typed before.
    pub fn text(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self {
            name,
            label,
            value,
            hint: "",
            completed_by: "",
            is_password: false,
            is_required: false,
            is_fixed: false,
        }
    }

    /// A password, which nobody sees again.
    pub fn password(name: &'a str, label: &'a str) -> Self {
        Self { is_password: true, is_required: true, ..Self::text(name, label, "") }
    }

    /// With a remark beside its name.
    pub fn hint(self, hint: &'a str) -> Self {
        Self { hint, ..self }
    }

    /// What browsers and password managers may fill in.
    pub fn completed_by(self, completed_by: &'a str) -> Self {
        Self { completed_by, ..self }
    }

    /// Not sent without it.
    pub fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    /// Only shown.
    pub fn fixed(self) -> Self {
        Self { is_fixed: true, ..self }
    }
}

impl Form<'_> {
    /// What is wrong with the whole.
    fn notice(&self) -> Option<&'static str> {
        self.flaw.as_ref().filter(|flaw| flaw.field.is_none()).map(|flaw| flaw.text)
    }

    /// What is wrong with this field.
    fn problem(&self, field: &Field<'_>) -> Option<&'static str> {
        self.flaw.as_ref().filter(|flaw| flaw.field == Some(field.name)).map(|flaw| flaw.text)
    }
}

/// A page that only says something.
#[derive(Template)]
#[template(path = "note.html", config = "src/ingress/pages/askama.toml")]
pub struct Note<'a> {
    /// The path of a picture, 48 wide and high.
    pub icon: &'a str,
    /// What it is about.
    pub title: &'a str,
    /// What there is to say.
    pub text: &'a str,
    /// Another page, and what it is called.
    pub aside: Option<(&'a str, &'a str)>,
}

/// A page that nobody stays at.
#[derive(Template)]
#[template(path = "passing.html", config = "src/ingress/pages/askama.toml")]
pub struct Passing<'a> {
    /// Where to go on to, should the browser not do so by itself.
    pub next: &'a str,
}

/// The client's page of a site.
#[derive(Template)]
#[template(path = "site.html", config = "src/ingress/pages/askama.toml")]
pub struct SitePage<'a> {
    /// Its name.
    pub host: &'a str,
    /// Who is signed in.
    pub email: &'a str,
    /// The name of its tariff.
    pub tariff: &'a str,
    /// Until when it is paid.
    pub paid: Paid,
    /// The zone that instants are shown in.
    pub zone: &'a str,
    /// Since when it is blocked.
    pub blocked: Option<When>,
    /// Its referral link.
    pub link: &'a str,
    /// How often that was followed.
    pub clicks: &'a str,
    /// How many registered.
    pub signups: &'a str,
    /// Credits granted, one a currency.
    pub granted: &'a [String],
    /// Credits still possible, one a currency.
    pub possible: &'a [String],
    /// What became of an attempt to sign in elsewhere.
    pub problem: Option<&'static str>,
}

/// Until when a site is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paid {
    /// Until then.
    Until(When),
    /// For ever.
    Forever,
    /// It was, until then.
    Expired(When),
    /// It never was.
    Never,
}

/// An instant, for machines and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// RFC 3339.
    pub exact: String,
    /// As it is shown.
    pub shown: String,
}

/// A refusal in words for people, and where they go on to.
pub fn refused(
    status: StatusCode,
    retry_after: Option<u64>,
    aside: (&'static str, &'static str),
) -> Response {
    let wait = retry_after.map(|seconds| {
        let unit = if seconds == 1 { "second" } else { "seconds" };
        format!("There were too many failed tries. Please try again in {seconds} {unit}.")
    });
    let (title, text) = match status {
        StatusCode::FORBIDDEN => (
            "Not from this page",
            "What was sent did not come from a page of ours, so nothing was done. Please open our \
            page and send it from there.",
        ),
        StatusCode::NOT_FOUND => ("Nothing here", "There is no page at this address."),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("Nothing here", "There is nothing to be done at this address.")
        }
        StatusCode::TOO_MANY_REQUESTS => ("Please wait", wait.as_deref().unwrap_or_default()),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Just a moment",
            "We cannot show you this page just now. Please try again in a moment.",
        ),
        status if status.is_client_error() => {
            ("Please try again", "We could not read what was sent. Please try again.")
        }
        _ => ("Something went wrong", "That is our fault. Please try again later."),
    };
    let note = Note { icon: "M24 10 40 37H8zm0 11v7m0 4v.1", title, text, aside: Some(aside) };
    super::retry_after(super::page(status, &note), retry_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = r#""></textarea></style><script>alert(1)</script><p a='"#;

    fn form(flaw: Option<Flaw>) -> Form<'static> {
        Form {
            icon: "M0 0",
            title: "Sign in",
            lead: "Now.",
            action: "/x",
            hidden: Some(("token", EVIL)),
            fields: vec![
                Field::text("a", "A", EVIL).required().hint("A hint"),
                Field::password("b", "B").completed_by("new-password"),
                Field::text("c", "C", "fixed").fixed(),
            ],
            button: "Go",
            aside: Some(("/y", "Elsewhere")),
            flaw,
        }
    }

    fn when() -> When {
        When { exact: EVIL.to_owned(), shown: EVIL.to_owned() }
    }

    fn site(paid: Paid, blocked: Option<When>) -> String {
        let amounts = [EVIL.to_owned()];
        let page = SitePage {
            host: EVIL,
            email: EVIL,
            tariff: EVIL,
            paid,
            zone: EVIL,
            blocked,
            link: EVIL,
            clicks: EVIL,
            signups: EVIL,
            granted: &amounts,
            possible: &amounts,
            problem: Some("Told."),
        };
        page.render().unwrap()
    }

    #[test]
    fn nothing_that_was_given_breaks_out_of_its_place() {
        let note = Note { icon: EVIL, title: EVIL, text: EVIL, aside: Some((EVIL, EVIL)) };
        for html in [
            form(None).render().unwrap(),
            note.render().unwrap(),
            Passing { next: EVIL }.render().unwrap(),
            site(Paid::Until(when()), Some(when())),
            site(Paid::Expired(when()), None),
        ] {
            assert!(!html.contains("<script") && !html.contains("a='"), "{html}");
            assert!(html.contains("&#60;script&#62;"), "{html}");
            assert_eq!(html.matches("</style>").count(), 1, "{html}");
        }
    }

    #[test]
    fn a_problem_of_a_field_stands_beside_it_and_is_tied_to_it() {
        let flaw = Flaw { field: Some("b"), text: "Too short." };
        let html = form(Some(flaw)).render().unwrap();
        assert!(html.contains(r#"<p class="problem" id="b-problem">Too short.</p>"#), "{html}");
        assert!(html.contains(r#"aria-invalid="true" aria-describedby="b-problem""#), "{html}");
        assert_eq!(html.matches("autofocus").count(), 1, "{html}");
        assert!(!html.contains(r#"role="alert""#), "{html}");
        let html = form(Some(Flaw { field: None, text: "All wrong." })).render().unwrap();
        assert!(html.contains(r#"role="alert">All wrong.</p>"#), "{html}");
        assert!(!html.contains("aria-invalid=\"") && !html.contains("-problem"), "{html}");
    }

    #[test]
    fn every_field_has_a_label_and_no_password_a_value() {
        let html = form(None).render().unwrap();
        for name in ["a", "b", "c"] {
            assert!(html.contains(&format!(r#"<label for="{name}">"#)), "{html}");
            assert!(html.contains(&format!(r#"<input id="{name}" name="{name}""#)), "{html}");
        }
        let input = html.split("<input").find(|input| input.contains(r#"id="b""#)).unwrap();
        let input = input.split('>').next().unwrap();
        assert!(input.contains(r#"type="password""#) && !input.contains("value"), "{input}");
        assert!(html.contains(r#"aria-describedby="a-hint""#), "{html}");
    }

    #[test]
    fn a_site_is_paid_in_four_ways_and_may_be_blocked() {
        for (paid, expected) in [
            (Paid::Forever, "for ever"),
            (Paid::Never, "Not paid yet"),
            (Paid::Until(when()), "until"),
            (Paid::Expired(when()), "Expired"),
        ] {
            let html = site(paid, None);
            assert!(html.contains(expected), "{expected}: {html}");
            assert!(!html.contains("is blocked"), "{html}");
        }
        assert!(site(Paid::Never, Some(when())).contains("is blocked"));
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (status, wait, expected) in [
            (StatusCode::FORBIDDEN, None, "send it from there"),
            (StatusCode::TOO_MANY_REQUESTS, Some(61), "in 61 seconds."),
            (StatusCode::TOO_MANY_REQUESTS, Some(1), "in 1 second."),
            (StatusCode::PAYLOAD_TOO_LARGE, None, "could not read"),
            (StatusCode::NOT_FOUND, None, "no page"),
            (StatusCode::METHOD_NOT_ALLOWED, None, "nothing to be done"),
            (StatusCode::SERVICE_UNAVAILABLE, Some(1), "in a moment"),
            (StatusCode::INTERNAL_SERVER_ERROR, None, "our fault"),
        ] {
            let response = refused(status, wait, ("/x", "On"));
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key("retry-after"), wait.is_some());
            let body = axum::body::to_bytes(response.into_body(), 1 << 20);
            let body = futures_util::FutureExt::now_or_never(body).unwrap().unwrap();
            let html = String::from_utf8(body.to_vec()).unwrap();
            assert!(html.contains(expected), "{status}: {html}");
        }
    }
}
