//! Contract 5, Credit rules, line by line.
