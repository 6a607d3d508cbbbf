//! Charts as texts and as renders.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{charts, component, documents, files, helm, read, root, text, tool_or_skip};

/// The cases of a chart: names of `golden/<case>.yaml`; values come from `<case>.values.yaml`, and the
/// case `default` has no more than the chart cannot do without.
fn cases(chart: &Path) -> BTreeSet<String> {
    let names = files(&chart.join("golden")).into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".yaml")?;
        Some(name.strip_suffix(".values").unwrap_or(name).to_owned())
    });
    names.chain(["default".to_owned()]).collect()
}

#[test]
fn goldens_are_what_helm_renders() {
    let program = tool_or_skip!("helm", "helm");
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    for chart in charts() {
        for case in cases(&chart) {
            let values = chart.join(format!("golden/{case}.values.yaml"));
            let values = values.to_str().expect("the path is text");
            let arguments = if case == "default" { vec![] } else { vec!["--values", values] };
            let rendered = helm(&program, &chart, &arguments)
                .unwrap_or_else(|e| panic!("{} {case}: {e}", chart.display()));
            let golden = chart.join(format!("golden/{case}.yaml"));
            if update {
                std::fs::write(&golden, &rendered).expect("the golden can be written");
            }
            let known = read(&golden);
            let line = known.lines().zip(rendered.lines()).position(|(old, new)| old != new);
            assert!(
                known == rendered,
                "{} is not what helm renders, from line {}; UPDATE_GOLDENS=1 writes it anew",
                golden.display(),
                line.map_or_else(
                    || "the shorter one's end".to_owned(),
                    |line| (line + 1).to_string()
                ),
            );
        }
    }
}

#[test]
fn values_that_no_chart_knows_are_refused() {
    let program = tool_or_skip!("helm", "helm");
    for chart in charts() {
        let wrongs =
            ["bogus=1", "global.bogus=1", "imagePullSecrets=none", "global.sovereignFQDN="];
        for wrong in wrongs {
            let rendered = helm(&program, &chart, &["--set", wrong]);
            assert!(rendered.is_err(), "{} took {wrong}", chart.display());
        }
    }
}

#[test]
fn the_control_plane_does_not_render_without_the_sovereigns_name() {
    let program = tool_or_skip!("helm", "helm");
    let chart = root().join("charts/bp-catalyst-platform");
    let complaint = helm(&program, &chart, &["--set", "global.sovereignFQDN=null"]);
    assert!(complaint.expect_err("no name").contains("sovereignFQDN"));
}

#[test]
fn the_dns_api_is_never_open_to_every_address() {
    let program = tool_or_skip!("helm", "helm");
    let chart = root().join("charts/bp-powerdns");
    for all in ["0.0.0.0/0", "::/0", "10.0.0.0/8\\,0.0.0.0/0"] {
        let rendered = helm(&program, &chart, &["--set", &format!("api.allowFrom={{{all}}}")]);
        assert!(rendered.is_err(), "{all}");
    }
    assert!(!helm(&program, &chart, &[]).unwrap().contains("allow-from=0.0.0.0"));
}

#[test]
fn an_empty_tag_does_not_render() {
    let program = tool_or_skip!("helm", "helm");
    for chart in charts() {
        let tag = match component(&chart).as_str() {
            "catalyst-platform" => "images.catalystApi.tag=",
            _ => "image.tag=",
        };
        let complaint = helm(&program, &chart, &["--set", tag]).expect_err("an empty tag");
        assert!(complaint.contains("must not be empty"), "{complaint}");
    }
}

#[test]
fn chart_and_image_versions_are_the_workspaces() {
    let version = env!("CARGO_PKG_VERSION");
    for chart in charts() {
        let about = documents(&read(&chart.join("Chart.yaml"))).remove(0);
        assert_eq!(text(&about, "/version"), version, "{}", chart.display());
        assert_eq!(text(&about, "/name"), format!("bp-{}", component(&chart)));
        let values = read(&chart.join("values.yaml"));
        let tags: Vec<&str> =
            values.lines().filter_map(|line| line.trim().strip_prefix("tag: ")).collect();
        assert!(!tags.is_empty(), "{} names no image", chart.display());
        for tag in tags {
            assert_eq!(tag, format!("\"{version}\""), "{}", chart.display());
        }
    }
}

/// A render must not depend on chance, on the cluster, or on what the cluster happens to know already.
#[test]
fn templates_do_not_ask_the_cluster_or_chance() {
    let forbidden = [
        "lookup ",
        "rand",
        "uuidv4",
        "genCA",
        "genPrivateKey",
        "genSelfSigned",
        "now ",
        "Capabilities",
    ];
    for chart in charts() {
        for template in files(&chart.join("templates")) {
            for (number, line) in read(&template).lines().enumerate() {
                let calls = line.contains("{{") && !line.contains("--random");
                let word = forbidden.iter().find(|word| calls && line.contains(*word));
                assert!(word.is_none(), "{}:{}: {word:?}", template.display(), number + 1);
            }
        }
    }
}

/// Charts cannot share a file, so the shared ones are copies; a copy that drifts is found here.
#[test]
fn shared_templates_are_identical() {
    for name in ["_helpers.tpl", "_network.tpl", "_secrets-job.tpl"] {
        let copies: Vec<_> = charts()
            .into_iter()
            .map(|chart| chart.join("templates").join(name))
            .filter(|path| path.exists())
            .collect();
        for copy in &copies[1..] {
            assert_eq!(read(&copies[0]), read(copy), "{}", copy.display());
        }
    }
}

#[test]
fn every_chart_says_what_differs_from_upstream() {
    for chart in charts() {
        let readme = read(&chart.join("README.md"));
        assert!(readme.contains("## Differences from upstream"), "{}", chart.display());
    }
}

#[test]
fn a_mirror_takes_every_image() {
    let program = tool_or_skip!("helm", "helm");
    for chart in charts() {
        let mirrored =
            helm(&program, &chart, &["--set", "global.imageRegistry=mirror.example.test"])
                .unwrap_or_else(|e| panic!("{}: {e}", chart.display()));
        let images: Vec<&str> =
            mirrored.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
        assert!(!images.is_empty(), "{} runs nothing", chart.display());
        for image in images {
            assert!(
                image.trim_matches('"').starts_with("mirror.example.test/openova-io/"),
                "{image}"
            );
        }
        assert!(!mirrored.contains("ghcr.io"), "{} still names ghcr.io", chart.display());
    }
}

#[test]
fn a_digest_pins_the_image() {
    let program = tool_or_skip!("helm", "helm");
    let digest = format!("sha256:{}", "a".repeat(64));
    let chart = root().join("charts/bp-gitea");
    let pinned = helm(&program, &chart, &["--set", &format!("image.digest={digest}")]).unwrap();
    assert!(pinned.contains(&format!("gitea:{}@{digest}", env!("CARGO_PKG_VERSION"))));
    assert!(helm(&program, &chart, &["--set", "image.digest=latest"]).is_err());
}
