//! OCI layouts, pushes to a registry on loopback, and importable archives.
