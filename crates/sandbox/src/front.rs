//! The TLS front and the DNS of one link: what a Sovereign takes for the internet.
