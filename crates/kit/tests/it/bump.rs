//! New tags reach every image of a group, in the rendering, or nothing is written.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use catalyst_kit::bump::{NewTag, Order, Plan, Refused, plan};
use catalyst_kit::{Options, Tree, images};
use tempfile::TempDir;

use crate::renderer::{facts, renderer};

const OLD: &str = "83ec889";
const SERVICES: [&str; 8] =
    ["auth", "billing", "catalog", "domain", "gateway", "metering", "notification", "tenant"];

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn read(folder: &Path, path: &str) -> String {
    std::fs::read_to_string(folder.join(path)).unwrap()
}

/// A chart with eight services: one names its tag itself, seven take it from `images.smeTag`.
fn platform() -> TempDir {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    write(
        at,
        "charts/bp-platform/Chart.yaml",
        "apiVersion: v2\nname: bp-platform\nversion: 1.1.13 # of the chart\n",
    );
    let values = format!(
        "images:\n  registry: ghcr.io\n  # One tag for all services.\n  smeTag: \"{OLD}\" # of the services\n  api:\n    tag: \"{OLD}\"\n"
    );
    write(at, "charts/bp-platform/values.yaml", &values);
    for service in SERVICES {
        let image = match service {
            "auth" => format!("ghcr.io/example/services-auth:{OLD}"),
            _ => format!(
                "\"{{{{ .Values.images.registry }}}}/example/services-{service}:{{{{ .Values.images.smeTag }}}}\""
            ),
        };
        deployment(at, service, &image);
    }
    deployment(
        at,
        "api",
        "\"{{ .Values.images.registry }}/example/api:{{ .Values.images.api.tag }}\"",
    );
    write(at, "13-platform.yaml", &release("1.1.13", ""));
    folder
}

fn deployment(at: &Path, name: &str, image: &str) {
    let text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  \
         template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n        - name: main\n          image: {image}\n"
    );
    write(at, &format!("charts/bp-platform/templates/{name}.yaml"), &text);
}

fn release(version: &str, values: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: bp-platform, namespace: flux-system}}\n\
         spec:\n  interval: 15m\n  chart:\n    spec:\n      chart: bp-platform\n      version: {version}\n      \
         sourceRef: {{kind: HelmRepository, name: p}}\n{values}"
    )
}

fn order(images: &[&str], charts: bool) -> Order {
    Order { images: images.iter().map(|one| one.parse::<NewTag>().unwrap()).collect(), charts }
}

async fn planned(folder: &TempDir, order: &Order) -> Result<Plan, Refused> {
    let tree = Arc::new(Tree::open(folder.path()).unwrap());
    plan(&tree, &Options::default(), order, &renderer().await).await
}

async fn bump(folder: &TempDir, order: &Order) -> Plan {
    let plan = planned(folder, order).await.unwrap();
    plan.write(&Tree::open(folder.path()).unwrap()).unwrap();
    plan
}

async fn tags(folder: &TempDir, name: &str) -> Vec<String> {
    let facts = facts(folder.path(), &renderer().await).await;
    let names = images(&facts).into_iter().map(|image| image.name);
    names
        .filter(|image| image.contains(name))
        .map(|image| image.rsplit(':').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn all_eight_services_get_the_tag_and_not_only_the_one_that_names_it() {
    let folder = platform();
    let plan = bump(&folder, &order(&["services-*=b5181ec"], false)).await;
    assert_eq!(plan.images, 8);
    let paths: Vec<&str> = plan.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["charts/bp-platform/templates/auth.yaml", "charts/bp-platform/values.yaml"]);
    assert_eq!(tags(&folder, "services-").await, ["b5181ec"; 8]);
    assert_eq!(tags(&folder, "/api").await, [OLD]);
    let values = read(folder.path(), "charts/bp-platform/values.yaml");
    assert!(
        values.contains("  # One tag for all services.\n  smeTag: \"b5181ec\" # of the services\n"),
        "{values}"
    );

    // What was half done before is finished as well, and a second run has nothing to do.
    let plan = bump(&folder, &order(&["services-auth=aaaaaaa"], false)).await;
    assert_eq!(plan.files.len(), 1);
    bump(&folder, &order(&["services-*=ccccccc"], false)).await;
    assert_eq!(tags(&folder, "services-").await, ["ccccccc"; 8]);
    assert!(bump(&folder, &order(&["services-*=ccccccc"], true)).await.is_empty());
}

#[tokio::test]
async fn a_chart_and_the_releases_that_pin_it_move_together() {
    let folder = platform();
    let plan = bump(&folder, &order(&["services-*=b5181ec", "api=b5181ec"], true)).await;
    let moved = ("bp-platform".to_owned(), "1.1.13".to_owned(), "1.1.14".to_owned());
    assert_eq!(plan.charts, [moved]);
    assert!(
        read(folder.path(), "charts/bp-platform/Chart.yaml")
            .contains("version: 1.1.14 # of the chart\n")
    );
    assert_eq!(read(folder.path(), "13-platform.yaml"), release("1.1.14", ""));
    assert!(bump(&folder, &order(&["services-*=b5181ec", "api=b5181ec"], true)).await.is_empty());

    // A pin that was left behind is brought to its chart.
    write(folder.path(), "13-platform.yaml", &release("1.1.12", ""));
    let plan = bump(&folder, &order(&[], true)).await;
    assert!(plan.charts.is_empty());
    assert_eq!(read(folder.path(), "13-platform.yaml"), release("1.1.14", ""));
}

#[tokio::test]
async fn the_value_that_wins_is_changed_and_the_one_below_it_is_not() {
    let folder = platform();
    let own = format!("  values:\n    images:\n      smeTag: {OLD}\n");
    write(folder.path(), "13-platform.yaml", &release("1.1.13", &own));
    // Without quotes YAML would read this tag as a number.
    bump(&folder, &order(&["services-*=1234567"], false)).await;
    let after = read(folder.path(), "13-platform.yaml");
    assert!(after.ends_with("      smeTag: \"1234567\"\n"), "{after}");
    assert!(
        read(folder.path(), "charts/bp-platform/values.yaml")
            .contains(&format!("smeTag: \"{OLD}\""))
    );
    assert_eq!(tags(&folder, "services-").await, ["1234567"; 8]);
}

#[tokio::test]
async fn a_tag_below_a_helper_is_found_by_what_it_renders_to() {
    let folder = platform();
    let at = folder.path();
    write(
        at,
        "charts/bp-platform/templates/_helpers.tpl",
        "{{- define \"image\" -}}\n{{ printf \"%s/example/%s:%s\" .root.registry .name (.root.tags.sme | default .root.smeTag) }}\n{{- end -}}\n",
    );
    write(
        at,
        "charts/bp-platform/values.yaml",
        &format!(
            "images:\n  registry: ghcr.io\n  tags: {{api: x, sme: {OLD}}}\n  smeTag: {OLD}\n  api: {{tag: v1}}\n"
        ),
    );
    deployment(
        at,
        "catalog",
        "{{ include \"image\" (dict \"root\" .Values.images \"name\" \"services-catalog\") }}",
    );
    bump(&folder, &order(&["services-*=b5181ec"], false)).await;
    assert_eq!(tags(&folder, "services-").await, ["b5181ec"; 8]);
    let values = read(at, "charts/bp-platform/values.yaml");
    assert!(values.contains("  tags: {api: x, sme: b5181ec}\n  smeTag: b5181ec\n"), "{values}");
}

#[tokio::test]
async fn what_cannot_be_changed_in_full_is_refused_and_nothing_is_written() {
    let values = "charts/bp-platform/values.yaml";
    let template = "charts/bp-platform/templates/catalog.yaml";
    let cases: [(&str, &str, &str, &str); 9] = [
        // file, what stands in it, what stands there instead, words of the refusal
        (
            values,
            "smeTag: \"83ec889\" # of the services",
            "smeTag: >-\n    83ec889",
            "values.yaml:5: this line does not have the expected shape",
        ),
        (values, "smeTag: \"83ec889\"", "smeTags: \"83ec889\"", "has no tag that could be changed"),
        (values, "smeTag: \"83ec889\"", "smeTag: 8388889", "gets its tag from no line"),
        (values, "smeTag: \"83ec889\"", "smeTag: \"83ec889", "stay behind"),
        (
            template,
            "{{ .Values.images.smeTag }}",
            "{{ print \"83ec\" \"889\" }}",
            "gets its tag from no line",
        ),
        (
            template,
            "{{ .Values.images.smeTag }}",
            "{{ .Values.images.api.tag }}",
            "also the tag of `ghcr.io/example/api:83ec889`",
        ),
        (
            template,
            "{{ .Values.images.smeTag }}",
            "{{ .Values.images.smeTag }}@sha256:00",
            "is pinned by its digest",
        ),
        ("13-platform.yaml", "chart: bp-platform", "chart: bp-other", "is not on this machine"),
        (
            "13-platform.yaml",
            "version: 1.1.13",
            "version: \">=1.0.0\"",
            "does not name one version",
        ),
    ];
    for (path, old, new, words) in cases {
        let folder = platform();
        let before = read(folder.path(), path);
        assert!(before.contains(old), "{path}: {old}");
        write(folder.path(), path, &before.replace(old, new));
        let files = snapshot(folder.path());
        let refused = planned(&folder, &order(&["services-*=b5181ec"], true)).await;
        let told = refused.map(|plan| plan.diff()).unwrap_err().to_string();
        assert!(told.contains(words), "{new}: {told}");
        assert_eq!(snapshot(folder.path()), files, "{new}");
    }
    let refused = planned(&platform(), &order(&["service=b5181ec"], false)).await.unwrap_err();
    assert!(
        refused.to_string().contains("there are `ghcr.io/example/api`, `ghcr.io/example/"),
        "{refused}"
    );
    let refused =
        planned(&platform(), &order(&["services-catalog=b5181ec"], false)).await.unwrap_err();
    assert!(refused.to_string().contains("services-tenant:83ec889`; name them too"), "{refused}");
}

/// Every file of a folder with its content.
fn snapshot(folder: &Path) -> BTreeSet<(String, String)> {
    let tree = Tree::open(folder).unwrap();
    let files = tree.list("").unwrap().files.into_iter();
    files.map(|path| (path.clone(), read(folder, &path))).collect()
}

#[tokio::test]
async fn plain_manifests_kustomize_images_and_arguments_are_changed_too() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let digest = |c: char| format!("sha256:{}", c.to_string().repeat(64));
    let pinned = |tag: &str, c: char| format!("registry.example.test/web:{tag}@{}", digest(c));
    let pod = |image: &str, other: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: n}}\nspec:\n  containers:\n    - name: web\n      image: {image}\n      \
             args: [--next, {image}]\n    - name: other\n      image: {other}\n"
        )
    };
    write(at, "pod.yaml", &pod(&pinned("v1", 'a'), "registry.example.test/other"));
    let kustomization = |tag: &str| {
        format!(
            "resources: [pod.yaml]\nimages:\n  # kept\n  - name: registry.example.test/other\n    newTag: {tag}\n"
        )
    };
    write(at, "kustomization.yaml", &kustomization("v7"));
    let web = format!("web=v2@{}", digest('b'));
    let plan = bump(&folder, &order(&[&web, "other=v8"], false)).await;
    assert_eq!(read(at, "pod.yaml"), pod(&pinned("v2", 'b'), "registry.example.test/other"));
    assert_eq!(read(at, "kustomization.yaml"), kustomization("v8"));
    assert!(plan.diff().contains("-    newTag: v7\n+    newTag: v8\n"), "{}", plan.diff());
    assert!(bump(&folder, &order(&[&web, "other=v8"], false)).await.is_empty());

    // An image that is named by its digest alone stays so.
    let bare = |c: char| format!("registry.example.test/web@{}", digest(c));
    write(at, "pod.yaml", &pod(&bare('a'), "registry.example.test/other"));
    bump(&folder, &order(&[&web], false)).await;
    assert_eq!(read(at, "pod.yaml"), pod(&bare('b'), "registry.example.test/other"));
}

#[test]
fn an_order_is_a_name_and_a_tag() {
    for (text, wanted) in [
        ("api", "`api` is not of the form `name=tag`"),
        ("=1", "`=1` is not of the form `name=tag`"),
        ("a b=1", "`a b=1` is not of the form `name=tag`"),
        ("api=", "`` is no tag"),
        ("api=a:b", "`a:b` is no tag"),
        ("api=-1", "`-1` is no tag"),
        ("api=1@sha256:0", "`sha256:0` is no digest"),
    ] {
        let told = text.parse::<NewTag>().unwrap_err().to_string();
        assert!(told.starts_with(wanted), "{text}: {told}");
    }
}
