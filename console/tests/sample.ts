// States and events to test with.
import type { Component, Event, State } from "../src/api/types";

export const T0 = "2026-11-21T14:00:00Z";
/** T0 plus seconds. */
export const at = (seconds: number) => new Date(Date.parse(T0) + seconds * 1000).toISOString();

export function component(name: string, more: Partial<Component> = {}): Component {
  return {
    name: `bp-${name}`,
    component: name,
    slot: "10",
    version: "1.0.0",
    dependsOn: [],
    state: "pending",
    since: T0,
    message: "",
    helmReady: false,
    workloads: { ready: 0, total: 0, items: [] },
    ...more,
  };
}

export function state(more: Partial<State> = {}): State {
  return {
    id: "0123456789abcdef",
    name: "sov1",
    provider: "sandbox",
    status: "phase1-watching",
    sovereignFQDN: "sov1.example.org",
    region: "local",
    orgName: "Example",
    startedAt: T0,
    finishedAt: null,
    seq: 0,
    numEvents: 0,
    answer: { headline: "Installing the kit", since: T0 },
    causes: [],
    phases: [],
    resources: [],
    components: [],
    componentStates: {},
    ...more,
  };
}

export function event(seq: number, more: Partial<Event> = {}): Event {
  return { seq, time: at(seq), phase: "component", level: "info", message: `event ${seq}`, kind: "progress", ...more };
}

/** What `work` costs in ms of processor time, the best of a few goes: a busy machine makes clocks lie, this less so. */
export function cost(work: () => void, goes = 2): number {
  const spent = Array.from({ length: goes }, () => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...spent);
}
