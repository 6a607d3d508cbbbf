use super::calls::{Call, Doings, Reach, Target, of_script};
use super::parse::parse;
use super::time::{Span, Timing, timing};
use super::word::{Env, OWN_NAMESPACE};

fn wait(text: &str) -> (Span, Span) {
    let Timing { total, .. } = timing(&parse(text), &Env::new());
    (total.quick, total.worst)
}

/// The loop of the mint hook: one try is a probe and a pause.
fn mint(probe: &str) -> String {
    format!(
        "set -eu\nITERATIONS=168\nINTERVAL=5\nfor i in $(seq 1 \"$ITERATIONS\"); do\n  if {probe} \\\n    \
         http://gitea-http.gitea.svc/api/v1/version; then\n    break\n  fi\n  echo \"waiting \
         ($i/$ITERATIONS)\"\n  sleep \"$INTERVAL\"\ndone\nTOKEN=$(kubectl get secret x -o \
         jsonpath='{{.data.token}}' | base64 -d)\nif [ -z \"$TOKEN\" ]; then exit 1; fi\n"
    )
}

#[test]
fn pauses_and_time_limits_are_summed_apart() {
    assert_eq!(wait(&mint("nslookup")), (Span::For(840), Span::For(840)));
    assert_eq!(
        wait(&mint("curl -sSf -o /dev/null --max-time 3")),
        (Span::For(840), Span::For(1344))
    );
}

#[test]
fn a_loop_that_nobody_checks_falls_through() {
    let falls = |text: &str| {
        let timing = timing(&parse(text), &Env::new());
        timing.loops.iter().map(|one| (one.line, one.falls_through)).collect::<Vec<_>>()
    };
    assert_eq!(falls(&mint("curl -m 3")), [(4, true)]);
    for checked in [
        "for i in $(seq 9); do curl x && break; sleep 1; if [ $i -eq 9 ]; then exit 1; fi; done",
        "for i in $(seq 9); do curl x && exit 0; sleep 1; done\necho late\nexit 1",
        "ok=\nfor i in $(seq 9); do if nc x 1; then ok=1; break; fi; sleep 1; done\n[ -n \"$ok\" ] || exit 1",
        "set -e\nfor i in 1 2 3; do curl -f x && break; sleep 1; done\ncurl -f x",
        "for part in a b c; do make $part; sleep 1; done",
    ] {
        assert!(falls(checked).iter().all(|(_, falls)| !falls), "{checked}");
    }
}

#[test]
fn the_usual_forms_of_waiting_are_read() {
    let times = |seconds| (Span::For(seconds), Span::For(seconds));
    let endless = (Span::Endless, Span::Endless);
    for (text, wanted) in [
        ("sleep 5", times(5)),
        ("sleep 2m", times(120)),
        ("i=0\nwhile [ $i -lt 60 ]; do sleep 5; i=$((i+1)); done", times(300)),
        ("i=0\nwhile [ \"$i\" -le 60 ]; do sleep 5; i=$((i + 1)); done", times(305)),
        ("n=30; until [ $n -eq 0 ]; do sleep 2; n=$((n-1)); done", times(60)),
        ("for ((i=0; i<10; i++)); do sleep 3; done", times(30)),
        ("for i in {1..10}; do sleep 3; done", times(30)),
        ("for i in 1 2 3; do sleep 3; done", times(9)),
        ("until pg; do sleep 5; done", endless),
        ("while true; do sleep 5; done", endless),
        ("while :; do n=$((n+1)); [ $n -ge 12 ] && exit 1; sleep 5; done", times(60)),
        (
            "n=0\nuntil pg; do n=$((n+1)); if [ $n -gt 12 ]; then exit 1; fi; sleep 5; done",
            times(60),
        ),
        (
            "end=$((SECONDS+600)); while [ $SECONDS -lt $end ]; do sleep 5; done",
            (Span::For(600), Span::For(605)),
        ),
        ("timeout 300 sh -c 'until pg; do sleep 5; done'", times(300)),
        ("kubectl wait --for=condition=Ready pod/x --timeout=5m", times(300)),
        ("kubectl -n x rollout status deploy/y", endless),
        ("kubectl rollout status deploy/y --timeout 90s", times(90)),
        ("curl --max-time 10 --retry 3 --retry-delay 5 http://x", (Span::For(0), Span::For(55))),
        ("curl -s http://x", times(0)),
        (
            "for i in 1 2; do curl -s http://x && break; sleep 3; done",
            (Span::For(6), Span::For(260)),
        ),
        ("w() { sleep 7; }\nw; w", times(14)),
        ("if a; then sleep 9; else sleep 4; fi", times(9)),
        ("while read -r line; do sleep 1; done < /tmp/x", times(0)),
        ("for i in $LIST; do sleep 9; done", times(0)),
        ("case $X in a) sleep 3 ;; *) sleep 4 ;; esac; sleep 1", times(5)),
    ] {
        assert_eq!(wait(text), wanted, "{text}");
    }
}

#[test]
fn no_text_stops_the_reader() {
    let deep = "$(".repeat(5_000);
    let nested = "if true; then ".repeat(5_000);
    let braces = "{ ".repeat(5_000);
    let functions = "f() ".repeat(5_000);
    for text in [
        "",
        ")",
        "done",
        "}",
        "fi fi",
        "for",
        "for i",
        "case",
        "case x",
        "case x in",
        "if",
        "while",
        "<<",
        "<<EOF",
        "<<EOF\nx",
        "'",
        "\"",
        "`",
        "$(",
        "${",
        "$((",
        "((",
        "a |",
        "a &&",
        ";;",
        "&",
        "x=(1 2 3)",
        "f() {",
        "case x in (a) b;; esac",
        "[[ a =~ (b|c) ]] && d",
        "echo $'\\n'",
        "\\",
        "a <(b) >(c)",
        "{a,b}",
        "until",
        "esac",
        "function",
        "for ((",
        ">",
        "2>",
        "<<<",
        &deep,
        &nested,
        &braces,
        &functions,
    ] {
        timing(&parse(text), &Env::new());
    }
}

fn read(text: &str) -> Doings {
    let env = Env::from([
        (OWN_NAMESPACE.to_owned(), "own".to_owned()),
        ("FROM_POD".to_owned(), "value".to_owned()),
    ]);
    of_script(&parse(text), &env)
}

fn told(call: &Call) -> String {
    let what = match &call.target {
        Target::Word(word) => word.clone(),
        Target::Api(group, resource) => format!("{group}/{resource}"),
        Target::Kind(group, kind) => format!("{group}:{kind}"),
    };
    let place = match &call.reach {
        Reach::In(namespace) => namespace.as_str(),
        Reach::Unknown => "?",
        Reach::All => "*",
    };
    format!("{} {what} {place}/{}", call.verb, call.name.as_deref().unwrap_or_default())
}

#[test]
fn requests_of_programs_are_read() {
    let long = "T=$(kubectl -n gitea get secret admin \\\n  -o jsonpath='{.data.x}' 2>/dev/null | base64 -d || true)";
    for (text, wanted) in [
        (long, "get secret gitea/admin"),
        ("kubectl get pods", "list pods own/"),
        ("kubectl get pod -A -w", "list pod */, watch pod */"),
        ("kubectl get secret/a cm/b", "get secret own/a, get cm own/b"),
        (
            "NS=there; kubectl --namespace=$NS get deploy,sts x",
            "get deploy there/x, get sts there/x",
        ),
        ("kubectl get secret \"$FROM_POD\" -n \"$1\"", "get secret ?/value"),
        ("kubectl patch secret a --type=merge -p '{}'", "get secret own/a, patch secret own/a"),
        ("kubectl delete job -l a=b", "list job own/, delete job own/"),
        ("kubectl create secret generic a --from-literal=b=c", "create secret own/"),
        ("kubectl create ns x --dry-run=client -o yaml", ""),
        (
            "kubectl scale deploy/a --replicas=0",
            "get deploy own/a, get deploy/scale own/a, update deploy/scale own/a",
        ),
        (
            "kubectl exec -n x deploy/a -- kubectl get nodes",
            "get pods x/, create pods/exec x/, get deploy x/a",
        ),
        (
            "if ! kubectl wait --for=condition=Ready pod/a; then exit 1; fi",
            "get pod own/a, list pod own/a, watch pod own/a",
        ),
        ("timeout 9 kubectl version", ""),
        (
            "ask() { curl -m 9 -o /dev/null \"$@\"; }\nask https://kubernetes.default.svc/api/v1/namespaces/n/secrets/a\ncode=$(ask -X POST -d x \"https://kubernetes.default.svc/api/v1/namespaces/n/secrets\")",
            "get /secrets n/a, create /secrets n/",
        ),
        ("oc get x.example.org y", "get x.example.org own/y"),
        (
            "kubectl apply -f - <<EOF\napiVersion: v1\nkind: Secret\nmetadata: {name: $FROM_POD, namespace: there}\nEOF",
            "get :Secret there/value, create :Secret there/, patch :Secret there/value",
        ),
        ("curl -sS http://gitea-http.gitea.svc:3000/api/v1/version", ""),
        (
            "curl -X DELETE https://kubernetes.default.svc/apis/apps/v1/namespaces/a/deployments/b?x=y",
            "delete apps/deployments a/b",
        ),
        (
            "curl -d '{}' $API/api/v1/namespaces/$(cat /run/secrets/kubernetes.io/serviceaccount/namespace)/secrets",
            "create /secrets own/",
        ),
        (
            "catalystd job ensure-secret --namespace=a --name b --random=k=hex:8",
            "get /secrets a/b, create /secrets a/, update /secrets a/b",
        ),
    ] {
        let calls: Vec<String> = read(text).calls.iter().map(told).collect();
        assert_eq!(calls.join(", "), wanted, "{text}");
    }
}

#[test]
fn what_programs_make_is_read_with_its_keys() {
    let keys = |text: &str| -> Vec<_> {
        let made = read(text).made.into_iter();
        made.map(|one| format!("{} {}", one.name, one.keys.unwrap_or_default().join(","))).collect()
    };
    for (text, wanted) in [
        (
            "kubectl create secret generic a --from-literal=b=c --from-file=d=/e --from-file=/f/g",
            "a b,d,g",
        ),
        ("kubectl create secret docker-registry a --docker-server x", "a .dockerconfigjson"),
        (
            "kubectl create cm a --from-literal b=c --dry-run=client -o yaml | kubectl apply -f -",
            "a b",
        ),
        (
            "cat <<EOF | kubectl create -f -\napiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  b: $C\nEOF\n",
            "a b",
        ),
        (
            "curl -X POST -d '{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"},\"data\":{\"b\":\"\"}}' https://kubernetes.default/api/v1/namespaces/n/secrets",
            "a b",
        ),
        ("kubectl annotate secret a x=y", "a "),
        (
            "catalystd job ensure-secret --name=a --literal=user=x --random=password=hex:8 --htpasswd=file=user:password --format=conf=p={password}",
            "a user,password,file,conf",
        ),
        ("kubectl create secret generic \"$UNKNOWN\" --from-literal=b=c", ""),
    ] {
        assert_eq!(keys(text).join("; "), wanted, "{text}");
    }
}
