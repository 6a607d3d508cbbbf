// One word for one thing: how statuses and states are called on the page, and which tone they have.
import type { Component, Phase, Resource, State, Status } from "../api/types";
import type { Tone } from "../graph/relations";

const STATUS: Record<Status, { tone: Tone; word: string }> = {
  provisioning: { tone: "working", word: "preparing" },
  "tofu-applying": { tone: "working", word: "applying" },
  "awaiting-kubeconfig": { tone: "working", word: "awaiting kubeconfig" },
  "phase1-watching": { tone: "working", word: "installing kit" },
  ready: { tone: "ready", word: "ready" },
  degraded: { tone: "degraded", word: "degraded" },
  failed: { tone: "failed", word: "failed" },
  "timed-out": { tone: "failed", word: "timed out" },
  "flux-not-reconciling": { tone: "failed", word: "Flux not reconciling" },
  destroying: { tone: "working", word: "destroying" },
  destroyed: { tone: "unknown", word: "destroyed" },
};

export function statusOf(status: string): { tone: Tone; word: string } {
  return STATUS[status as Status] ?? { tone: "unknown", word: status };
}

/** Whether time is still running for it. */
export function isRunning(state: Pick<State, "status">): boolean {
  return statusOf(state.status).tone === "working";
}

const PHASE: Record<Phase["state"], Tone> = { waiting: "waiting", working: "working", done: "ready", failed: "failed" };
export const phaseTone = (state: Phase["state"]): Tone => PHASE[state] ?? "unknown";

const RESOURCE: Record<Resource["state"], Tone> = {
  planned: "waiting",
  creating: "working",
  created: "ready",
  failed: "failed",
  destroying: "working",
  destroyed: "unknown",
};
export const resourceTone = (state: Resource["state"]): Tone => RESOURCE[state] ?? "unknown";

const TONE_RANK: Record<Tone, number> = { failed: 0, degraded: 1, unknown: 2, working: 3, waiting: 4, ready: 5 };

/** Trouble first, finished last. */
export const byUrgency = (a: Tone, b: Tone): number => TONE_RANK[a] - TONE_RANK[b];

/** The words of a failing component's fix, evidence and the like are the server's; this is only the plural of counts. */
export const count = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** When a component's running time ended: installed or failed; undefined while it still runs. */
export function restedAt(c: Pick<Component, "state" | "readyAt" | "since">): string | undefined {
  if (c.state === "installed" || c.state === "degraded") return c.readyAt ?? c.since;
  return c.state === "failed" || c.state === "missing" ? c.since : undefined;
}

/** A sentence of the server without its marks for code, for a single line. */
export const plain = (text: string): string => (text.includes("\n") ? tellingLine(text) : text).replaceAll("`", "");

/** Of a program's lines the one that says what is wrong: the first with "Error:", else the last. */
export function tellingLine(text: string): string {
  const lines = text
    .split("\n")
    .map((line) => line.replace(/^[│╷╵\s]+/, "").trim())
    .filter(Boolean);
  const error = lines.find((line) => /^error\b/i.test(line)) ?? lines.find((line) => /\berror:/i.test(line));
  return error ?? lines.at(-1) ?? "";
}

/** Where a code is explained. */
export const errorPage = (code: string): string =>
  `https://github.com/openova-io/openova/blob/main/docs/errors/${code}.md`;

/** The first seven digits of a commit, as git shows it. */
export const shortCommit = (commit: string): string => commit.replace(/^.*sha1:/, "").slice(0, 7);
