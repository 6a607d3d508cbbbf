//! One Sovereign's daemons: their flags, files and order.
