//! Certificates and kubeconfigs of one Sovereign.
