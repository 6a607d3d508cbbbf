//! The backends behind every front: Gitea, the public and the private registry.
