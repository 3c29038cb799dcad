//! What letters look like, and that nothing in them can be more than it is.
use lettre::transport::smtp::commands::{Mail, Rcpt};
use proptest::prelude::*;

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
/// 27 November 2026, 08:00 UTC.
const NOW: Micros = Micros(1_795_766_400_000_000);

/// The names and the whole text of a letter's headers, and its body.
fn compose(from: &str, kind: LetterKind, host: &str, login: &str) -> (Vec<String>, String, String) {
    let letterhead = Letterhead::new(from, "https://r.example").unwrap();
    let (host, email) = (Host::parse(host).unwrap(), Email::parse(login).unwrap());
    let content = Content {
        id: "01a216fa-025c-7372-8b6d-49e600c04caa",
        kind,
        host: &host,
        to: &address(&email).unwrap(),
        login,
        token: TOKEN,
        expires: Micros(NOW.0 + 7 * 86_400_000_000),
        now: NOW,
    };
    let message = String::from_utf8(letterhead.compose(&content).unwrap()).unwrap();
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    let names = lines.map(|line| line.split_once(": ").unwrap().0.to_owned());
    (names.collect(), head.to_owned(), body.to_owned())
}

const HEADERS: [&str; 8] = [
    "Message-ID",
    "Date",
    "From",
    "To",
    "Subject",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
];

#[test]
fn a_letter_has_its_headers_a_text_and_html() {
    let from = "The Shop <no-reply@mail.example>";
    let (names, head, body) = compose(from, LetterKind::Access, "shop.example", "anna@b.example");
    assert_eq!(names, HEADERS);
    for line in [
        "Message-ID: <01a216fa-025c-7372-8b6d-49e600c04caa@mail.example>",
        "Date: Fri, 27 Nov 2026 08:00:00 +0000",
        "From: \"The Shop\" <no-reply@mail.example>",
        "To: anna@b.example",
        "Subject: Your site shop.example is registered",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert!(head.split("\r\n").any(|found| found == line), "{line} in {head}");
    }
    assert!(head.contains("Content-Type: multipart/alternative"), "{head}");
    let link = format!("https://r.example/adminzone/password?token={TOKEN}");
    let (text, html) = body.split_once("Content-Type: text/html; charset=utf-8").unwrap();
    assert!(text.contains("Content-Type: text/plain; charset=utf-8"), "{text}");
    assert!(text.contains(&format!("\r\n{link}\r\n")), "{text}");
    assert!(text.contains("until 4 December 2026, 08:00 UTC"), "{text}");
    assert!(text.contains("https://r.example/adminzone/\r\n"), "{text}");
    assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
    for outside in ["<img", "<link", "<script", "src=", "url(", "@import"] {
        assert!(!html.contains(outside), "{outside} in {html}");
    }
}

#[test]
fn every_kind_has_words_of_its_own() {
    let of = |kind| compose("a@b.example", kind, "shop.example", "anna@b.example");
    let (_, head, body) = of(LetterKind::Password);
    assert!(head.contains("Subject: A new password for shop.example"), "{head}");
    assert!(body.contains("the password stays as it is"), "{body}");
    assert_ne!(of(LetterKind::Access).2, body);
}

/// A name in another script is read as people write it, and travels encoded.
#[test]
fn a_subject_may_be_in_any_script() {
    let (names, head, _) =
        compose("Имя <a@b.example>", LetterKind::Access, "пример.рф", "anna@b.example");
    assert_eq!(names, HEADERS);
    assert!(head.is_ascii() && head.contains("Subject: Your site =?utf-8?"), "{head}");
    assert!(head.contains("From: =?utf-8?"), "{head}");
}

#[test]
fn what_a_row_has_is_escaped_in_html() {
    let login = "a&b\"'`{%1}@b.example";
    let (_, _, body) = compose("a@b.example", LetterKind::Access, "shop.example", "a&b'@b.example");
    let (text, html) = body.split_once("text/html").unwrap();
    assert!(text.contains("Login: a&b'@b.example"), "{text}");
    assert!(html.contains("a&#38;b&#39;@b.example"), "{html}");
    assert!(address(&Email::parse(login).unwrap()).is_none(), "no address at all");
}

/// An address that is odd and valid, and one that only some servers take.
#[test]
fn an_odd_address_makes_a_letter_too() {
    for login in ["\":\"@a.example", "анна@пример.рф"] {
        let (names, head, body) = compose("a@b.example", LetterKind::Access, "s.example", login);
        assert_eq!(names, HEADERS, "{head}");
        assert!(body.is_ascii(), "{body}");
    }
}

#[test]
fn a_sender_is_an_address_with_or_without_a_name() {
    let domain = |from: &str| Letterhead::new(from, "http://h").map(|head| head.domain);
    for from in [
        "a@b.example",
        " a@b.example ",
        "<a@b.example>",
        "Anna <a@b.example>",
        "\"Anna, of B\" <a@b.example>",
        "Анна <a@B.example>",
    ] {
        assert_eq!(domain(from).unwrap(), "b.example", "{from}");
    }
    assert_eq!(domain("a@пример.рф").unwrap(), "xn--e1afmkfd.xn--p1ai");
    assert_eq!(domain("a@localhost").unwrap(), "localhost");
    for from in [
        "",
        "Anna",
        "Anna <>",
        "Anna a@b.example",
        "a@b.example, c@d.example",
        "a@b.example\r\nBcc: c@d.example",
        "Anna\nBcc: c <a@b.example>",
        "<Anna> <a@b.example>",
        "Anna <a@b.example> Bob",
        "a@b c",
    ] {
        let error = domain(from).unwrap_err().to_string();
        assert!(error.starts_with("MAIL_FROM: ") && !error.contains('\n'), "{from:?}: {error}");
    }
}

/// Texts that try to be more than one header, address or command are no hosts and no e-mails.
#[test]
fn a_line_end_is_in_no_host_and_no_email() {
    for end in ["\r\n", "\n", "\r", "\0", "\u{85}", "\u{2028}", "%0d%0a"] {
        let host = format!("a.example{end}Bcc: x@y.example");
        assert!(Host::parse(&host).is_err(), "{host:?}");
        for email in [
            format!("a{end}Bcc:x@b.example"),
            format!("a@b.example{end}Bcc:x"),
            format!("\"a{end}b\"@c.example"),
            format!("a@b.example>{end}RCPT TO:<x@y.example"),
        ] {
            let to = Email::parse(&email).ok().as_ref().and_then(address);
            let one = to.as_ref().is_none_or(|to| !to.to_string().contains(['\r', '\n', '\0']));
            assert!(one, "{email:?}: {to:?}");
        }
    }
}

proptest! {
    /// Whatever an e-mail is that passes, it makes one header, one recipient, one command.
    #[test]
    fn an_email_is_never_more_than_one(
        local in "[\\PC\\r\\n\"\\\\<>:,;@ ]{1,20}|[a-z\"\\\\.<>()\\[\\]:+*-]{1,9}",
        host in "[a-z0-9\\PC\\r\\n.<>\\[\\]-]{1,12}|[a-z]{1,5}\\.[a-z]{1,3}",
    ) {
        let login = format!("{local}@{host}");
        let Ok(email) = Email::parse(&login) else { return Ok(()) };
        let Some(to) = address(&email) else { return Ok(()) };
        let login = email.spelling();
        let (names, head, _) = compose("a@b.example", LetterKind::Access, "s.example", login);
        prop_assert_eq!(names, HEADERS, "{}", head);
        let line = head.split("\r\n").find(|line| line.starts_with("To: ")).unwrap();
        let recipients = line.matches('@').count();
        prop_assert!(recipients == 1 || login.matches('@').count() > 1, "{}", line);
        let command = Rcpt::new(to, Vec::new()).to_string();
        prop_assert_eq!(command.matches(['\r', '\n']).count(), 2, "{:?}", &command);
        prop_assert!(command.ends_with(">\r\n"), "{:?}", command);
        prop_assert_eq!(command.matches(['<', '>']).count(), 2, "{:?}", command);
    }
}

#[test]
fn the_commands_are_as_expected() {
    let letterhead = Letterhead::new("a@b.example", "http://h").unwrap();
    let command = Mail::new(Some(letterhead.sender().clone()), Vec::new()).to_string();
    assert_eq!(command, "MAIL FROM:<a@b.example>\r\n");
}
