//! The pull Secret decides: a tag the node never had comes with it and does not come without.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use catalyst_e2e::{Catalyst, Kubectl, setting, until};
use serde_json::{Value, json};

/// A namespace that the reflector gives the Secret to.
const NAMESPACE: &str = "gitea";
const SECRET: &str = "ghcr-pull";
const REPOSITORY: &str = "openova-io/catalyst-api";
const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

/// Gives an image of the private registry a new tag, then asks for it without and with the Secret.
pub(crate) fn decides(catalyst: &Catalyst, kubectl: &Kubectl) -> anyhow::Result<()> {
    let tag = format!("e2e-{}", std::process::id());
    give_tag(catalyst, kubectl, &tag)?;
    let image = format!("ghcr.io/{REPOSITORY}:{tag}");

    start(kubectl, "e2e-without", &image, &[])?;
    until(Duration::from_secs(60), || {
        let pod = kubectl.get(&["pod", "e2e-without", "-n", NAMESPACE])?;
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        let reason = waiting["reason"].as_str().unwrap_or_default();
        ensure!(matches!(reason, "ErrImagePull" | "ImagePullBackOff"), "{}", pod["status"]);
        let message = waiting["message"].as_str().unwrap_or_default();
        let refused = ["401", "authorization failed", "no basic auth"];
        ensure!(refused.iter().any(|word| message.contains(word)), "{message}");
        Ok(())
    })?;
    // The very same reference, so that it is the Secret that makes the difference.
    start(kubectl, "e2e-with", &image, &[SECRET])?;
    until(Duration::from_secs(60), || {
        let pod = kubectl.get(&["pod", "e2e-with", "-n", NAMESPACE])?;
        ensure!(pod["status"]["phase"] == "Succeeded", "{}", pod["status"]);
        Ok(())
    })?;
    kubectl
        .run(&["delete", "pod", "e2e-with", "e2e-without", "-n", NAMESPACE, "--now"], "")
        .map(drop)
}

fn start(kubectl: &Kubectl, name: &str, image: &str, secrets: &[&str]) -> anyhow::Result<()> {
    let secrets: Vec<Value> = secrets.iter().map(|name| json!({ "name": name })).collect();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "imagePullSecrets": secrets,
            "containers": [{
                "name": "main", "image": image, "command": ["/catalystd", "--version"],
            }],
        },
    });
    kubectl.run(&["apply", "-f", "-"], &pod.to_string()).map(drop)
}

/// Puts the manifest that the running Sovereign uses under another tag.
fn give_tag(catalyst: &Catalyst, kubectl: &Kubectl, tag: &str) -> anyhow::Result<()> {
    let port = catalyst.json(&["sandbox", "outside", "status"])?["ports"]["private"]
        .as_u64()
        .context("the private registry's port")?;
    let known = kubectl.get(&["pods", "-n", "catalyst-system"])?;
    let known = known["items"][0]["spec"]["containers"][0]["image"].as_str().context("an image")?;
    // A digest when it is pinned by one, else the tag.
    let known = match known.split_once('@') {
        Some((_, digest)) => digest,
        None => known.rsplit(':').next().context("its tag")?,
    };
    let file = setting("CATALYST_HOME")?.join("outside/credentials/ghcr-pull.json");
    let login: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let word = |field: &str| login[field].as_str().unwrap_or_default().to_owned();
    let settings = format!("user = \"{}:{}\"\n", word("username"), word("password"));
    let url = |tag: &str| format!("http://127.0.0.1:{port}/v2/{REPOSITORY}/manifests/{tag}");
    let (status, manifest) = curl(&["-H", &format!("Accept: {KIND}"), &url(known)], &settings)?;
    ensure!(status == "200", "the registry answered {status} for {known}");
    let kind = format!("Content-Type: {KIND}");
    let args = ["-X", "PUT", "-H", &kind, "--data-binary", &manifest, &url(tag)];
    let (status, said) = curl(&args, &settings)?;
    ensure!(status == "201", "the registry answered {status}: {said}");
    Ok(())
}

/// Status and body of a request; `settings`, which may hold a secret, goes by standard input.
pub(crate) fn curl(args: &[&str], settings: &str) -> anyhow::Result<(String, String)> {
    let mut child = Command::new("curl")
        .args(["-sS", "--max-time", "20", "-K", "-", "-w", "\n%{http_code}"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start curl")?;
    child.stdin.take().context("its input")?.write_all(settings.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "curl: {said}");
    let text = String::from_utf8(output.stdout)?;
    let (body, status) = text.rsplit_once('\n').context("a status")?;
    Ok((status.to_owned(), body.to_owned()))
}
