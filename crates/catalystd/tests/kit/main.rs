//! What is written in `charts/`, `clusters/` and `infra/`, held against itself and against the real
//! programs that will read it: helm, kustomize and tofu out of the tool cache. A test that needs one
//! that is not built says SKIPPED and passes; with `CATALYST_REQUIRE_TOOLS` set it fails instead.

mod api;
mod charts;
mod pods;
mod sandbox_module;
mod slots;
mod support;
mod whole;
