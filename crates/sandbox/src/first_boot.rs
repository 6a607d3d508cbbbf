//! What a new node does by itself, once, as cloud-init would.
