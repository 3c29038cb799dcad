//! The team's list of faults, each made to happen (`faults.tsv` names the tests of all of them; those that
//! have a home elsewhere are there).
mod alarms;
mod broker;
mod commit;
mod locks;
mod room;
mod scarce;
mod versions;
