//! Programs built from the pins in `sandbox/tools`, cached by key.
