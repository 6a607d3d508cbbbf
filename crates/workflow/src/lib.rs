//! A durable state machine over an append-only log; knows no Catalyst noun.
