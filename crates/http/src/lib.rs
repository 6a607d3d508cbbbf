//! catalyst-api over HTTP: routes, wire types, sessions, events, the console's files.
