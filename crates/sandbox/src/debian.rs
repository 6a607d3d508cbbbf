//! Debian packages, unpacked into the cache and never installed.
