//! The program `mail`: letters → SMTP (contracts 3 and 7).
use std::process::ExitCode;

use referral::lifecycle::Program;

const PROGRAM: Program = Program {
    name: "mail",
    about: "sends the letters of sites' administrators by SMTP, until the server takes them",
    settings: &[
        "SMTP_URL",
        "MAIL_FROM",
        "PUBLIC_URL",
        "LISTEN_ADDR",
        "MAIL_TIMEOUT",
        "MAIL_CONCURRENCY",
        "MAIL_RETRY_INITIAL",
        "MAIL_RETRY_MAX",
        "MAIL_RETRY_FOR",
        "MAIL_LINK_TTL",
    ],
};

fn main() -> ExitCode {
    PROGRAM.main(mail::Config::read, mail::run)
}
