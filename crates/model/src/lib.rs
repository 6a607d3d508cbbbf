//! Catalyst's nouns, rules and transitions: no I/O, no async.
