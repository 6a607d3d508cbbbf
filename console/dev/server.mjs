// A stand-in for catalystd, for working on the console: real HTTP and real server-sent events, replaying recorded runs.
// It is a development tool only: nothing of it is in the product, and nothing here provisions anything.
//
//   node dev/server.mjs [--port 7090] [--speed 1] [--empty]
//
// Any token signs in. POST /dev/offline?seconds=8 plays an outage, POST /dev/speed?by=4 changes the pace,
// POST /dev/run?kind=image-refused&name=x starts a run and answers its id.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { firstState, stepsOf } from "./run.mjs";

const { values: options } = parseArgs({
  options: {
    port: { type: "string", default: "7090" },
    speed: { type: "string", default: "1" },
    empty: { type: "boolean", default: false },
  },
});
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const runs = new Map();
const sessions = new Set();
let speed = Number(options.speed);
let awayUntil = 0;
const open = new Set();

/** Starts a run. With `skip` it begins that many seconds in the past, already played. */
function start(kind, spec, { skip = 0, id = randomBytes(8).toString("hex"), frozen = false } = {}) {
  const began = Date.now() - skip * 1000;
  const run = { id, kind, events: [], listeners: new Set(), began, at: skip, frozen };
  run.state = firstState(
    id,
    { orgName: "Example Bank", sovereignFQDN: `${spec.name}.example.org`, ...spec },
    new Date(began).toISOString(),
  );
  run.steps = stepsOf(kind, run.state);
  runs.set(id, run);
  play(run, skip, (t) => new Date(began + t * 1000).toISOString());
  if (skip === Infinity) run.frozen = true;
  return run;
}

function play(run, until, timeOf) {
  while (run.steps.length > 0 && run.steps[0].t <= until) {
    const step = run.steps.shift();
    const now = timeOf(step.t);
    step.change(now);
    const event = { seq: run.events.length + 1, time: now, ...step.event };
    run.events.push(event);
    run.state.seq = event.seq;
    run.state.numEvents = event.seq;
    for (const listener of run.listeners) listener(event);
  }
}

setInterval(() => {
  for (const run of runs.values()) {
    if (run.frozen) continue;
    run.at += 0.1 * speed;
    play(run, run.at, () => new Date().toISOString());
  }
}, 100);

// Whose stream never ends: an unfinished run, and a Sovereign that is watched on after it was ready.
const ENDLESS = ["full", "huge", "flaps"];
const isDone = (run) => run.steps.length === 0 && !ENDLESS.includes(run.kind);

function seed() {
  const past = (name, kind, seconds, hoursAgo) => {
    const run = start(kind, { name }, { skip: 10_000 });
    const shift = 10_000_000 - hoursAgo * 3_600_000;
    const moved = (iso) => new Date(Date.parse(iso) + shift).toISOString();
    const walk = (value) => {
      for (const [key, v] of Object.entries(value)) {
        if (typeof v === "string" && /^\d{4}-\d\d-\d\dT/.test(v)) value[key] = moved(v);
        else if (v && typeof v === "object") walk(v);
      }
    };
    walk(run.state);
    for (const e of run.events) e.time = moved(e.time);
    return run;
  };
  past("alpha", "sandbox", 0, 26);
  past("bravo", "degraded", 0, 5);
  past("gamma", "image-refused", 0, 1.4);
  past("delta", "tofu-fails", 0, 0.7);
}
if (!options.empty) seed();

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, {
    "content-type": status >= 400 ? "application/problem+json" : "application/json",
    "cache-control": "no-store",
    ...headers,
  });
  res.end(JSON.stringify(body));
};
const problem = (res, status, code, title, error, detail, cause, fix) =>
  json(res, status, {
    type: `/docs/errors/CAT-${code}`,
    title,
    status,
    detail,
    code: `CAT-${code}`,
    cause,
    fix,
    error,
  });

async function bodyOf(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || "{}");
}

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
// The same policy as crates/http, so that a page that breaks it breaks here first.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

async function page(req, res, path) {
  const name = normalize(path).replace(/^[/.]+/, "");
  try {
    const file = await readFile(join(dist, name || "index.html"));
    res.writeHead(200, { "content-type": TYPES[extname(name)] ?? TYPES[".html"], "content-security-policy": POLICY });
    res.end(file);
  } catch {
    if (name.startsWith("assets/")) return void res.writeHead(404).end();
    const index = await readFile(join(dist, "index.html")).catch(() => "npm run build first");
    res.writeHead(200, { "content-type": TYPES[".html"], "content-security-policy": POLICY });
    res.end(index);
  }
}

function stream(req, res, run, url) {
  let after = Number(req.headers["last-event-id"] ?? url.searchParams.get("after") ?? 0);
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  res.write(": hello\n\n");
  const send = (event) => {
    if (event.seq <= after) return;
    after = event.seq;
    res.write(`id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`);
    if (isDone(run)) end();
  };
  const end = () => {
    res.write(`event: done\ndata: ${JSON.stringify(run.state)}\n\n`);
    res.end();
  };
  for (const event of run.events.slice(after)) {
    after = event.seq;
    res.write(`id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`);
  }
  if (isDone(run)) return end();
  run.listeners.add(send);
  const ping = setInterval(() => res.write(": ping\n\n"), 15_000);
  res.on("close", () => {
    run.listeners.delete(send);
    clearInterval(ping);
  });
}

async function create(req, res) {
  const spec = await bodyOf(req);
  for (const field of ["sovereignFQDN", "orgName", "orgEmail"])
    if (!spec[field])
      return problem(
        res,
        400,
        1003,
        "A required field is missing",
        "field-required",
        `\`${field}\` is required`,
        "The field is absent or blank.",
        "Fill in the field that the detail names.",
      );
  const name = spec.name ?? spec.sovereignFQDN.split(".")[0];
  if (spec.sovereignFQDN.endsWith(".invalid"))
    return problem(
      res,
      400,
      1004,
      "The Sovereign's domain name is not a domain name",
      "invalid-fqdn",
      `\`${spec.sovereignFQDN}\` is not a domain name`,
      "The last label is reserved.",
      "Give a name such as `sov1.example.org`.",
    );
  if ([...runs.values()].some((r) => r.state.sovereignFQDN === spec.sovereignFQDN || r.state.name === name))
    return problem(
      res,
      409,
      1204,
      "There is a Sovereign with this domain already",
      "fqdn-taken",
      `\`${spec.sovereignFQDN}\` is taken`,
      "A domain belongs to one Sovereign.",
      "Choose another domain name.",
    );
  const kind = name.startsWith("bad")
    ? "image-refused"
    : name.startsWith("tofu")
      ? "tofu-fails"
      : name.startsWith("silent")
        ? "no-postback"
        : name.startsWith("full")
          ? "full"
          : "sandbox";
  const run = start(kind, { ...spec, name });
  json(res, 201, { id: run.id, name, status: run.state.status, streamURL: `/api/v1/deployments/${run.id}/logs` });
}

function deployments(req, res, url, id, rest) {
  const run = runs.get(id);
  if (!run)
    return problem(
      res,
      404,
      1200,
      "There is no such deployment",
      "not-found",
      `deployment \`${id}\``,
      "The id is unknown here.",
      "List what there is: `catalyst sovereign list`.",
    );
  if (rest === "") return json(res, 200, run.state);
  if (rest === "events") {
    const after = Number(url.searchParams.get("after") ?? 0);
    return json(res, 200, { state: run.state, events: run.events.slice(after), done: isDone(run) });
  }
  if (rest === "logs") return stream(req, res, run, url);
  if (rest === "phases/infrastructure/retry" && req.method === "POST") {
    if (run.state.phases[0].state !== "failed")
      return problem(
        res,
        409,
        1215,
        "This cannot be tried again",
        "not-retryable",
        "",
        "Nothing has failed.",
        "Watch it.",
      );
    // What was told stays told: the new steps go on from the old events.
    const { startedAt, seq, numEvents } = run.state;
    run.state = { ...firstState(id, { ...run.state }, new Date().toISOString()), startedAt, seq, numEvents };
    Object.assign(run, { kind: "sandbox", steps: stepsOf("sandbox", run.state), at: 0, frozen: false });
    return json(res, 200, { id, status: run.state.status, phase: "infrastructure", streamURL: "", message: "" });
  }
  if (rest === "kubeconfig") {
    if (run.state.phases[1].state !== "done")
      return problem(
        res,
        409,
        1210,
        "The kubeconfig is not there yet",
        "not-implemented",
        "",
        "The node has not sent it.",
        "Wait for the phase Kubeconfig.",
      );
    res.writeHead(200, {
      "content-type": "application/yaml",
      "content-disposition": `attachment; filename="${run.state.sovereignFQDN}-kubeconfig.yaml"`,
    });
    return void res.end("apiVersion: v1\nkind: Config\n");
  }
  return problem(res, 404, 1015, "There is nothing at this address", "not-found", url.pathname, "", "");
}

function tool(res, url) {
  const of = (key, otherwise) => url.searchParams.get(key) ?? otherwise;
  if (url.pathname === "/dev/offline") {
    awayUntil = Date.now() + Number(of("seconds", "5")) * 1000;
    for (const socket of open) socket.destroy();
    return;
  }
  if (url.pathname === "/dev/speed") speed = Number(of("by", "1"));
  if (url.pathname === "/dev/listeners") return json(res, 200, { count: runs.get(of("id", ""))?.listeners.size ?? 0 });
  if (url.pathname === "/dev/run") {
    const skip = Number(of("skip", "0"));
    const run = start(of("kind", "sandbox"), { name: of("name", "sov1") }, { skip, frozen: of("frozen", "") !== "" });
    const noise = Number(of("events", "0"));
    for (let i = 0; i < noise; i++) {
      const event = {
        seq: run.events.length + 1,
        time: new Date(run.began + i * 5).toISOString(),
        phase: "component",
        level: i % 97 === 0 ? "warn" : "info",
        component: `part-${i % 1000}`,
        message: `line ${i}: reconciliation finished, next run in 15m`,
        kind: "log",
      };
      run.events.push(event);
      run.state.seq = run.state.numEvents = event.seq;
    }
    return json(res, 200, { id: run.id });
  }
  json(res, 200, { speed });
}

const server = createServer(async (req, res) => {
  const url = new URL(req.url, "http://localhost");
  try {
    if (url.pathname.startsWith("/dev/")) return tool(res, url);
    if (!url.pathname.startsWith("/api/") && url.pathname !== "/auth/login") return await page(req, res, url.pathname);
    const signIn = () => {
      const id = randomBytes(8).toString("hex");
      sessions.add(id);
      return { "set-cookie": `catalyst_session=${id}; HttpOnly; SameSite=Strict; Path=/` };
    };
    if (url.pathname === "/auth/login") return void res.writeHead(303, { location: "/", ...signIn() }).end();
    const route = url.pathname.slice("/api/v1/".length);
    if (route === "auth/login") {
      const { token } = await bodyOf(req);
      if (token === "used")
        return problem(
          res,
          401,
          1103,
          "The login link was used already",
          "login-used",
          "",
          "A login link works once.",
          "Print another: `catalyst login --link`.",
        );
      return json(
        res,
        200,
        { subject: "operator", tier: "owner", expiresAt: new Date(Date.now() + 12 * 3_600_000).toISOString() },
        signIn(),
      );
    }
    const cookie = /catalyst_session=(\w+)/.exec(req.headers.cookie ?? "")?.[1];
    if (!sessions.has(cookie))
      return problem(
        res,
        401,
        1100,
        "You are not signed in",
        "unauthenticated",
        "",
        "The request carries no session.",
        "Open a login link.",
      );
    if (route === "auth/logout") {
      sessions.delete(cookie);
      return void res.writeHead(204).end();
    }
    if (route === "auth/session")
      return json(res, 200, {
        subject: "operator",
        tier: "owner",
        expiresAt: new Date(Date.now() + 12 * 3_600_000).toISOString(),
      });
    if (route === "version") return json(res, 200, { version: "0.1.0" });
    if (route === "deployments" && req.method === "POST") return await create(req, res);
    if (route === "deployments")
      return json(res, 200, {
        deployments: [...runs.values()].map((r) => r.state).sort((a, b) => b.startedAt.localeCompare(a.startedAt)),
      });
    const [, id, rest = ""] = /^deployments\/([^/]+)(?:\/(.*))?$/.exec(route) ?? [];
    if (id) return deployments(req, res, url, id, rest);
    problem(res, 404, 1015, "There is nothing at this address", "not-found", url.pathname, "", "");
  } catch (error) {
    if (!res.headersSent) problem(res, 500, 1999, "The fixture failed", "internal", String(error), "", "");
  }
});
server.on("connection", (socket) => {
  if (Date.now() < awayUntil) return void socket.destroy();
  open.add(socket);
  socket.on("close", () => open.delete(socket));
});
server.listen(Number(options.port), "127.0.0.1", () =>
  console.log(`console fixture on http://127.0.0.1:${server.address().port}`),
);
