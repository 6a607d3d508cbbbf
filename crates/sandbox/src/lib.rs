//! Real Sovereigns on this machine: tools, images, the outside world, nodes.
