//! The veth pair of one Sovereign and the host's rules for it.
