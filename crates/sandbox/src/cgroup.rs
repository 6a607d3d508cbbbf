//! One Sovereign's control groups, on v1 and v2.
