//! Letters (contract 3): not written yet.
