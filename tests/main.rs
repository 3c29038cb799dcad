//! The pipeline against its promises: the real programs, a real broker, the three databases.
//!
//! Run by `make test`, which starts the servers. `harness` is what all tests stand on, `model` the
//! oracle that says what must come out; every other file is one of the promises.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]
mod harness;
mod model;

mod adminzone;
mod adminzone_browser;
mod asyncapi;
mod balance;
mod billing;
mod broker;
mod browser;
mod codes;
mod daily;
mod dashboard;
mod dashboard_browser;
mod dashboard_dead;
mod days;
mod dead;
mod deliveries;
mod deploy;
mod exactly_once;
mod faults;
mod forms;
mod fuzz;
mod goods;
mod import;
mod indications;
mod ingress;
mod kill;
mod kill_ingress;
mod kill_sites;
mod landing;
mod letters;
mod matrix;
mod metrics;
mod monitoring;
mod order;
mod parking;
mod partner;
mod payouts;
mod promises;
mod prune;
mod publishers;
mod rates;
mod rcp;
mod readme;
mod rebuild;
mod receivers;
mod registration;
mod replies;
mod rewards;
mod rights;
mod rivals;
mod settings;
mod sites;
mod soak;
mod spool;
mod stopping;
mod tidy;
mod totp;
mod traces;
mod trial;
mod walk;
