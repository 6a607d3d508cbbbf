//! Our charts, packaged by the real Helm and pulled back from a real registry.

use catalyst_sandbox::charts::package_all;
use catalyst_sandbox::images::{Image, ImageSet, Realm};
use catalyst_sandbox::oci::Registry;
use catalyst_sandbox::process::Invocation;

use crate::support;

fn images() -> ImageSet {
    let names = ["catalyst-api", "gitea", "powerdns", "registry"];
    let image = |name: &str| Image {
        name: name.into(),
        repository: format!("ghcr.io/openova-io/{name}"),
        tag: "9.9.9".into(),
        realm: Realm::Private,
        digest: format!("sha256:{}", "a".repeat(64)),
        layout: "/nowhere".into(),
    };
    ImageSet::new(names.map(image).to_vec())
}

#[tokio::test]
async fn charts_have_the_same_digest_each_time_and_helm_pulls_them_back() {
    let tools_needed = ["helm", "registry"];
    let Some(first) = support::parts(&tools_needed).await else { return };
    let second = support::parts(&tools_needed).await.unwrap();
    let checkout = support::checkout();
    let charts = package_all(&first.scratch, checkout, &first.tools, &images()).await.unwrap();
    assert!(charts.len() >= 5);
    // Helm writes the time of packing in whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let again = package_all(&second.scratch, checkout, &second.tools, &images()).await.unwrap();
    let digests = |charts: &[catalyst_sandbox::charts::Chart]| -> Vec<_> {
        charts.iter().map(|chart| (chart.name.clone(), chart.digest.clone())).collect()
    };
    assert_eq!(digests(&charts), digests(&again));

    let (_daemon, port) = support::registry(&first, None).await;
    let registry = Registry::on_loopback(port, None).unwrap();
    for chart in &charts {
        assert!(!chart.push(&registry).await.unwrap().was_there);
        assert!(chart.push(&registry).await.unwrap().was_there);
    }
    let home = first.scratch.root().join("helm");
    let chart = format!("oci://127.0.0.1:{port}/openova-io/bp-gitea");
    let helm = Invocation::new(first.tools.bin("helm").unwrap())
        .args(["template", "--plain-http", "gitea", &chart, "--version", &charts[1].version])
        .env("HOME", home);
    let rendered = helm.run().await.unwrap().text();
    let pinned = format!("ghcr.io/openova-io/gitea:9.9.9@sha256:{}", "a".repeat(64));
    assert!(rendered.contains(&pinned), "{rendered}");
}
