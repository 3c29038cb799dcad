//! broker (being merged)
pub mod envelope;
/// x
#[derive(Clone)]
pub struct BrokerSettings {
    /// a
    pub url: String,
    /// a
    pub connection_name: String,
    /// a
    pub publish_timeout: std::time::Duration,
    /// a
    pub heartbeat: u16,
    /// a
    pub max_message: usize,
}
