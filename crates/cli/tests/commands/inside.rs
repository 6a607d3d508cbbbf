//! `kubectl`: the pinned one, with a kubeconfig that is gone when it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::program::Program;
use crate::server::with_one;

/// Tells what it was given and ends with 7.
const STAND_IN: &str = "#!/bin/sh\n/usr/bin/stat -c '%a %n' \"$KUBECONFIG\"\necho \"$@\"\nwhile read -r line; do echo \"$line\"; done < \"$KUBECONFIG\"\nexit 7\n";

#[test]
fn kubectl_is_the_pinned_one_and_its_kubeconfig_does_not_outlive_it() {
    let server = with_one("ready");
    let catalyst = Program::new().with("CATALYST_API", &server.url()).with("PATH", "/nonexistent");
    let cache = catalyst.folder().join("cache/tools");
    fs::create_dir_all(&cache).unwrap();
    // What built the cache is known without Go.
    fs::write(cache.join("go-version"), "go1.26.8\n").unwrap();
    let said = catalyst.run(&["kubectl", "sov1", "get", "pods"]);
    assert!(said.err.contains("CAT-3103"), "{}", said.err);
    let said = catalyst.run(&["sandbox", "tools", "status", "-o", "json"]);
    let tools: Value = serde_json::from_str(&said.out).unwrap();
    let kubernetes = tools.as_array().unwrap().iter().find(|one| one["name"] == "kubernetes");
    let folder = cache.join("kubernetes").join(kubernetes.unwrap()["key"].as_str().unwrap());
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::write(folder.join("complete"), "").unwrap();
    let kubectl = folder.join("bin/kubectl");
    fs::write(&kubectl, STAND_IN).unwrap();
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();

    let said = catalyst.run(&["sandbox", "tools", "path", "kubectl"]);
    assert_eq!(said.out.trim(), kubectl.to_str().unwrap(), "{}", said.err);
    for args in [
        &["kubectl", "sov1", "get", "pods", "-A", "-o", "wide"][..],
        &["kubectl", "sov1", "--", "get", "pods", "-A", "-o", "wide"],
    ] {
        let said = catalyst.run(args);
        assert_eq!((said.code, said.err.as_str()), (Some(7), ""), "{args:?}");
        let (facts, rest) = said.out.split_once('\n').unwrap();
        let (mode, path) = facts.split_once(' ').unwrap();
        assert_eq!(mode, "600");
        assert!(rest.starts_with("get pods -A -o wide\napiVersion: v1"), "{rest}");
        assert!(!fs::exists(path).unwrap(), "{path} is still there");
    }
}
