//! The mailer struck: each letter arrives, at least once, always under the same `Message-ID`.
use std::{sync::Arc, time::Instant};

use referral::store::letters::LetterKind;

use super::{Struck, passed, ways};
use crate::{
    harness::{Bed, MailServer, on_every_database},
    letters::{become_, mail, post},
};

on_every_database!(struck_at_any_step_the_mailer_sends_every_letter);

/// The steps of a letter.
pub const STEPS: &[&str] = &[
    "outbox::after-claim",
    "mail::before-send",
    "mail::after-send",
    "outbox::before-outcome-commit",
    "store::after-commit",
];

async fn struck_at_any_step_the_mailer_sends_every_letter(bed: Arc<Bed>) {
    let server = MailServer::start().await;
    let mut letters = 0;
    for (place, point) in STEPS.iter().enumerate() {
        for way in ways(bed.database, place) {
            let began = Instant::now();
            let email = format!("anna@s{letters}.example");
            let host = format!("s{letters}.example");
            let id = post(&bed, LetterKind::Access, &host, &email).await;
            // The lease of a letter whose mailer was killed ends 10 s after this.
            let plan = mail(&bed, &server.url()).set("MAIL_TIMEOUT", "2s");
            let mut struck = Struck::start(&bed, plan, point, way, 0);
            struck.struck(&bed).await;
            let mut mailer = struck.survives().await;
            become_(&bed, std::slice::from_ref(&id), "delivered").await;
            mailer.stop().await;
            let received = server.received_by(&email);
            assert!(!received.is_empty(), "{point} {way:?}");
            for letter in received {
                let name = format!("<{id}@mail.example>");
                assert_eq!(letter.header("Message-ID"), name, "{point} {way:?}");
            }
            letters += 1;
            passed(&bed, "mail", point, way, began);
        }
    }
}
