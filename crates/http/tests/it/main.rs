//! The API from outside: what its users see of it.

mod openapi;
mod serve;
