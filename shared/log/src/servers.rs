//! The servers of a Kafka cluster, as people name them.

/// Whether a text is a `HOST:PORT`, or several with commas between.
pub(crate) fn are_servers(text: &str) -> bool {
    text.split(',').all(is_host_and_port)
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
}
