//! Packages our charts and pushes them to the private registry as OCI artefacts.
