//! The UMI dialect (contract 3): what its answers look like.
pub mod goods;
pub mod prices;
