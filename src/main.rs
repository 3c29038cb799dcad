//! The program `referral`: the HTTP ingress, or one of the operator's commands (contract 7).
use std::process::ExitCode;

fn main() -> ExitCode {
    referral::commands::main()
}
