//! PID 1 of one Sovereign: starts its daemons and restarts the dead.
