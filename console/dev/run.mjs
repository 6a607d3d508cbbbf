// A recorded run as a list of steps in time: [seconds, event, change of the state]. Pure; the server plays it.
import { fullKit, hugeKit, sandboxKit } from "./kit.mjs";

const RESOURCES = ["host", "link", "node", "control_plane"].map((name) => ({
  address: `terraform_data.${name}`,
  type: "terraform_data",
  name,
}));

const PHASES = [
  ["infrastructure", "Infrastructure"],
  ["kubeconfig", "Node reports in"],
  ["flux", "Flux"],
  ["kit", "Kit"],
  ["ready", "Ready"],
];

export function firstState(id, spec, at) {
  return {
    id,
    name: spec.name,
    provider: spec.provider ?? "sandbox",
    status: "provisioning",
    sovereignFQDN: spec.sovereignFQDN,
    region: "local",
    orgName: spec.orgName,
    startedAt: at,
    finishedAt: null,
    seq: 0,
    numEvents: 0,
    answer: { headline: `Preparing ${spec.name}`, since: at },
    causes: [],
    phases: PHASES.map(([pid, title]) => ({ id: pid, title, state: "waiting" })),
    resources: [],
    components: [],
    componentStates: {},
  };
}

/** Makes the steps of a run. `kind`: what happens in it. */
export function stepsOf(kind, state) {
  const steps = [];
  let t = 0;
  const say = (after, event, change = () => {}) => {
    t += after;
    steps.push({ t, event: { level: "info", kind: "progress", ...event }, change });
  };
  const at = (seconds, event, change = () => {}) =>
    steps.push({ t: seconds, event: { level: "info", kind: "progress", ...event }, change });
  const phase = (id) => state.phases.find((p) => p.id === id);
  const enter = (id, now) => Object.assign(phase(id), { state: "working", startedAt: now });
  const leave = (id, now) => Object.assign(phase(id), { state: "done", finishedAt: now });
  const answer = (headline, now, more = {}) => (state.answer = { headline, since: now, ...more });

  say(0, { phase: "create", message: `Sovereign ${state.name} accepted`, kind: "created" }, (now) => {
    enter("infrastructure", now);
    answer(`Preparing ${state.name}`, now);
  });
  say(
    0.3,
    { phase: "tofu-init", message: "OpenTofu reads the module infra/sandbox" },
    () => (state.status = "tofu-applying"),
  );
  say(
    1.4,
    { phase: "tofu-plan", message: `Plan: ${RESOURCES.length} to add, 0 to change, 0 to destroy`, kind: "planned" },
    (now) => {
      state.resources = RESOURCES.map((r) => ({ ...r, state: "planned" }));
      answer("Making the infrastructure: 0 of 4 resources", now);
    },
  );
  const took = [0.2, 1.1, 5.2, 4.6];
  for (const [i, r] of RESOURCES.entries()) {
    say(
      0.2,
      {
        phase: "tofu-apply",
        message: `${r.address}: creating…`,
        kind: "resource-creating",
        data: { address: r.address },
      },
      (now) => Object.assign(state.resources[i], { state: "creating", startedAt: now }),
    );
    if (kind === "tofu-fails" && r.name === "node") {
      const why =
        "containerd did not answer on its socket within 60 s: `failed to create shim task: cgroup path is busy`";
      say(
        6.5,
        {
          phase: "tofu-apply",
          level: "error",
          message: `${r.address}: local-exec provisioner error: ${why.replaceAll("`", "")}`,
          kind: "resource-failed",
          data: { address: r.address, exitCode: 1 },
        },
        (now) => {
          Object.assign(state.resources[i], { state: "failed", finishedAt: now, message: why });
          Object.assign(phase("infrastructure"), { state: "failed", finishedAt: now });
          state.status = "failed";
          state.finishedAt = now;
          state.error = {
            code: "CAT-2004",
            title: "A resource could not be created",
            cause: `\`${r.address}\` failed after 6.5 s: ${why}.`,
            fix: "Run `catalyst doctor` for what holds the cgroup, then retry: what was created is kept, and nothing is created twice.",
          };
          answer(`${r.address} could not be created`, now, {
            cause: state.error.cause,
            fix: state.error.fix,
            code: state.error.code,
          });
        },
      );
      return steps;
    }
    say(
      took[i],
      {
        phase: "tofu-apply",
        message: `${r.address}: created after ${took[i]} s`,
        kind: "resource-created",
        data: { address: r.address },
      },
      (now) => {
        Object.assign(state.resources[i], { state: "created", finishedAt: now });
        answer(`Making the infrastructure: ${i + 1} of 4 resources`, state.answer.since);
      },
    );
  }
  say(0.3, { phase: "tofu-output", message: "The API server will be at 10.210.0.2:6443" }, (now) => {
    leave("infrastructure", now);
    enter("kubeconfig", now);
    state.status = "awaiting-kubeconfig";
    answer(`Waiting for ${state.name}'s node to report in`, now, {
      cause: "the infrastructure stands; the node is starting its cluster",
    });
    state.result = {
      sovereignFQDN: state.sovereignFQDN,
      controlPlaneIP: "10.210.0.2",
      loadBalancerIP: "10.210.0.2",
      consoleURL: "http://catalyst-api.catalyst-system.svc.cluster.local:8080",
      gitopsRepoURL: "http://gitea-http.gitea.svc.cluster.local:3000",
      reach: "cluster",
    };
  });
  if (kind === "no-postback") {
    say(8, {
      phase: "kubeconfig",
      level: "warn",
      message: "No kubeconfig from the node after 5 m 00 s",
      kind: "kubeconfig-late",
    });
    say(
      6,
      {
        phase: "kubeconfig",
        level: "error",
        message: "No kubeconfig from the node after 10 m 00 s: the deadline has passed",
        kind: "deadline-passed",
      },
      (now) => {
        Object.assign(phase("kubeconfig"), { state: "failed", finishedAt: now });
        state.status = "timed-out";
        state.finishedAt = now;
        const more = {
          cause:
            "The node was created 10 minutes ago and has not posted its kubeconfig; its API server never answered `/readyz`.",
          fix: `Read the node's own log: \`catalyst sandbox logs ${state.name}\`.`,
          code: "CAT-2103",
        };
        state.error = { title: "The node never sent its kubeconfig", ...more };
        answer("The node never sent its kubeconfig", now, more);
      },
    );
    return steps;
  }
  say(
    2.1,
    { phase: "kubeconfig", message: "Kubeconfig received from the node (2,981 bytes)", kind: "kubeconfig-received" },
    (now) => {
      leave("kubeconfig", now);
      enter("flux", now);
      state.status = "phase1-watching";
      answer("Waiting for Flux to fetch the kit", now);
    },
  );
  say(3.2, { phase: "flux", message: "source-controller, kustomize-controller, helm-controller are available" });
  say(1.9, { phase: "flux", message: "GitRepository openova at main@sha1:4f1c2d9a", kind: "source-ready" });
  const kit =
    kind === "full" || kind === "full-failed" ? fullKit : kind.startsWith("huge") ? hugeKit(1000) : sandboxKit;
  say(
    0.8,
    {
      phase: "flux",
      message: `Expected set fixed: ${kit.length} components at 4f1c2d9a`,
      kind: "kit-frozen",
      data: { commit: "4f1c2d9a71", total: kit.length },
    },
    (now) => {
      leave("flux", now);
      enter("kit", now);
      state.kit = {
        commit: "main@sha1:4f1c2d9a710be3c5d8e2f9a4b6c7d8e9f0a1b2c3",
        frozenAt: now,
        total: kit.length,
        ready: 0,
      };
      state.components = kit.map((k) => ({
        name: k.name,
        component: k.component,
        slot: k.slot,
        version: k.version,
        dependsOn: k.dependsOn,
        state: "pending",
        since: now,
        message:
          k.dependsOn.length > 0 ? `dependency 'flux-system/${k.dependsOn[0]}' is not ready` : "waiting for its turn",
        helmReady: false,
        workloads: { ready: 0, total: 0, items: [] },
      }));
      answer(`Installing the kit: 0 of ${kit.length} components`, now);
    },
  );
  const frozen = t;
  playKit(kind, kit, state, frozen, at, answer, phase, leave, enter);
  return steps.sort((a, b) => a.t - b.t);
}

function playKit(kind, kit, state, frozen, at, answer, phase, leave, enter) {
  const victim =
    kind === "image-refused"
      ? "gitea"
      : kind === "full-failed"
        ? "keycloak"
        : kind === "degraded"
          ? "powerdns"
          : undefined;
  const c = (name) => state.components.find((x) => x.name === name);
  const endOf = new Map();
  const move = (item, to, message, now) => {
    Object.assign(c(item.name), { state: to, message, since: now });
    state.componentStates[item.component] = to;
  };
  let last = frozen;
  const remaining = [...kit];
  while (remaining.length > 0) {
    const i = remaining.findIndex((k) => k.dependsOn.every((d) => endOf.has(d)));
    const item = remaining.splice(Math.max(0, i), 1)[0];
    const start =
      Math.max(frozen, ...item.dependsOn.map((d) => endOf.get(d) ?? 0)) +
      0.5 +
      (item.slot.charCodeAt(item.slot.length - 1) % 5) / 4;
    endOf.set(item.name, Infinity);
    if (start === Infinity || item.dependsOn.some((d) => endOf.get(d) === Infinity && d !== item.name)) continue;
    const who = { phase: "component", component: item.component, kind: "component-changed" };
    at(start, { ...who, state: "installing", message: "Running 'install' action with timeout of 5m0s" }, (now) => {
      move(item, "installing", "Running 'install' action with timeout of 5m0s", now);
      c(item.name).startedAt = now;
    });
    at(
      start + item.seconds * 0.3,
      {
        phase: "component",
        component: item.component,
        message: `Chart ${item.name}-${item.version} pulled, ${item.workloads.length} workloads created`,
        kind: "workloads-seen",
      },
      () => {
        c(item.name).workloads = {
          ready: 0,
          total: item.workloads.length,
          items: item.workloads.map((w) => ({ ...w, ready: 0 })),
        };
      },
    );
    if (item.component === victim && kind !== "degraded") {
      fail(kind, item, start, state, at, who, c, move, answer, phase);
      continue;
    }
    const end = start + item.seconds;
    if (item.workloads.length > 1)
      at(
        start + item.seconds * 0.7,
        {
          phase: "component",
          component: item.component,
          message: `${item.workloads[0].kind} ${item.workloads[0].namespace}/${item.workloads[0].name} is available`,
          kind: "workload-available",
        },
        () => {
          const w = c(item.name).workloads;
          w.items[0].ready = w.items[0].desired;
          w.ready = 1;
        },
      );
    at(
      end,
      {
        ...who,
        state: "installed",
        message: `Helm install succeeded for release ${item.workloads[0].namespace}/${item.component} with chart ${item.name}@${item.version}`,
      },
      (now) => {
        move(item, "installed", `Helm install succeeded with chart ${item.name}@${item.version}`, now);
        const mine = c(item.name);
        mine.readyAt = now;
        mine.helmReady = true;
        for (const w of mine.workloads.items) w.ready = w.desired;
        mine.workloads.ready = mine.workloads.total;
        state.kit.ready += 1;
        if (state.status === "phase1-watching" && !state.answer.code)
          answer(`Installing the kit: ${state.kit.ready} of ${state.kit.total} components`, state.answer.since);
      },
    );
    endOf.set(item.name, end);
    last = Math.max(last, end);
  }
  if (victim && kind !== "degraded") return;
  if (kind === "full" || kind.startsWith("huge")) return;
  at(
    last + 0.6,
    {
      phase: "ready",
      message: `${state.name} is ready: ${kit.length} of ${kit.length} components installed, all workloads available`,
      kind: "ready",
    },
    (now) => {
      leave("kit", now);
      enter("ready", now);
      leave("ready", now);
      state.status = "ready";
      state.finishedAt = now;
      state.phase1FinishedAt = now;
      state.phase1Outcome = "ready";
      answer(`${state.name} is ready`, now);
    },
  );
  if (kind === "degraded" || kind === "flaps")
    at(
      last + 6,
      {
        phase: "component",
        component: "powerdns",
        state: "degraded",
        level: "warn",
        kind: "component-changed",
        message:
          "StatefulSet powerdns/powerdns: 0 of 1 available: readiness probe failed: connection refused on port 8081",
      },
      (now) => {
        const mine = c("bp-powerdns");
        Object.assign(mine, {
          state: "degraded",
          since: now,
          message: "StatefulSet `powerdns/powerdns`: 0 of 1 available",
        });
        mine.workloads.ready = 0;
        Object.assign(mine.workloads.items[0], {
          ready: 0,
          message: "readiness probe failed: connection refused on port 8081",
        });
        state.status = "degraded";
        state.kit.ready -= 1;
        answer("powerdns no longer answers", now, {
          cause:
            "StatefulSet `powerdns/powerdns` has 0 of 1 replicas available: its readiness probe is refused on port 8081.",
          fix: "See its last lines: `kubectl -n powerdns logs statefulset/powerdns --previous`.",
          code: "CAT-2114",
        });
      },
    );
  if (kind === "flaps")
    at(
      last + 120,
      {
        phase: "component",
        component: "powerdns",
        state: "installed",
        message: "installed and available",
        kind: "component-changed",
      },
      (now) => {
        const mine = c("bp-powerdns");
        Object.assign(mine, { state: "installed", since: now, message: "installed and available" });
        mine.workloads.ready = 1;
        Object.assign(mine.workloads.items[0], { ready: 1, message: undefined });
        state.status = "ready";
        state.kit.ready += 1;
        answer(`${state.name} is ready`, now, { cause: "all 5 components are healthy" });
      },
    );
}

function fail(kind, item, start, state, at, who, c, move, answer, phase) {
  const image = `ghcr.io/openova-io/${item.component}:${item.version}`;
  const ns = item.workloads[0].namespace;
  const evidence = `Failed to pull image "${image}": failed to authorize: 401 Unauthorized: no pull secret in namespace ${ns}`;
  for (const [k, s] of [3, 5, 9].entries())
    at(start + s, {
      phase: "component",
      component: item.component,
      level: "warn",
      message: `Pod ${item.component}-7c9f8d6b5-x2x${k}q: ${evidence}`,
      kind: "pod-event",
      data: { reason: "Failed", pod: `${item.component}-7c9f8d6b5-x2x${k}q`, image, count: k + 1 },
    });
  const cause = `The registry refuses \`${image}\` (401): namespace \`${ns}\` has no pull secret.`;
  const fix = `Let the reflector bring \`ghcr-pull\` into \`${ns}\`: add it to the secret's namespace list in \`clusters/_template\`.`;
  at(
    start + 6,
    {
      phase: "cause",
      component: item.component,
      level: "error",
      message: evidence,
      kind: "cause-found",
      data: { code: "CAT-2110", image, namespace: ns, status: 401 },
    },
    (now) => {
      c(item.name).workloads.items[0].message = `ImagePullBackOff: 401 from ghcr.io`;
      answer(`${item.component} cannot pull its image`, now, { cause, fix, code: "CAT-2110" });
      Object.assign(c(item.name), { message: cause });
    },
  );
  at(
    start + 11,
    {
      ...who,
      state: "failed",
      level: "error",
      message: `Helm install failed: context deadline exceeded (attempt 1 of 4): ${image} not pulled`,
    },
    (now) => {
      move(item, "failed", cause, now);
      c(item.name).attempts = 1;
    },
  );
  at(
    start + 24,
    {
      phase: "ready",
      level: "error",
      message: `${state.name} did not become ready: ${item.component} failed`,
      kind: "failed",
    },
    (now) => {
      Object.assign(phase("kit"), { state: "failed", finishedAt: now, detail: `${item.component} failed` });
      state.status = "failed";
      state.finishedAt = now;
      state.error = { code: "CAT-2110", title: `${item.component} cannot pull its image`, cause, fix };
      answer(`${item.component} cannot pull its image`, state.answer.since, { cause, fix, code: "CAT-2110" });
    },
  );
}
