//! Says line by line what this machine lacks for a local Sovereign, and how to get it.
