//! The program `billing`: deliveries → POST to billing (contracts 6 and 7).
use std::process::ExitCode;

use referral::lifecycle::Program;

const PROGRAM: Program = Program {
    name: "billing",
    about: "POSTs credits that were granted to the billing system, until it takes them",
    settings: &[
        "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP",
        "BILLING_FORMAT",
        "WEBHOOK_SECRETS",
        "BILLING_TIMEOUT",
        "BILLING_CONCURRENCY",
        "BILLING_RETRY_INITIAL",
        "BILLING_RETRY_MAX",
        "BILLING_RETRY_FOR",
        "BILLING_CIRCUIT_AFTER",
        "BILLING_PROBE",
    ],
};

fn main() -> ExitCode {
    PROGRAM.main(billing::Config::read, billing::run)
}
