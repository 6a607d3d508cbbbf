// The bars of the Jobs page: what ran when, on one time axis. Pure.
import type { Phase, State } from "../../api/types";
import { toneOf, type Tone } from "../../graph/relations";
import { resourceTone, restedAt } from "../../live/words";

export interface Bar {
  key: string;
  name: string;
  title: string;
  tone: Tone;
  word: string;
  /** Query of the overview that shows it. */
  query: Record<string, string>;
  /** ms since the start of the axis; undefined while it has not started. */
  from: number | undefined;
  /** undefined while it runs. */
  to: number | undefined;
  /** Since when it could have started, had it not waited. */
  waitedFrom: number | undefined;
}

export interface Lane {
  title: string;
  bars: Bar[];
}

const at = (iso: string | null | undefined, start: number) => (iso ? Date.parse(iso) - start : undefined);

/** Phase 0's resources, then the kit's components, in the order they started. */
export function lanesOf(state: State): Lane[] {
  const start = Date.parse(state.startedAt);
  const phase = (id: Phase["id"]) => state.phases.find((p) => p.id === id);
  const infrastructure = state.resources.map((r): Bar => ({
    key: r.address,
    name: r.name,
    title: r.address,
    tone: resourceTone(r.state),
    word: r.state,
    query: { resource: r.address },
    from: at(r.startedAt, start),
    to: at(r.finishedAt, start),
    waitedFrom: undefined,
  }));
  const between = (["kubeconfig", "flux"] as const)
    .map(phase)
    .filter((p): p is Phase => p !== undefined)
    .map((p): Bar => ({
      key: p.id,
      name: p.title,
      title: p.title,
      tone:
        p.state === "done" ? "ready" : p.state === "failed" ? "failed" : p.state === "working" ? "working" : "waiting",
      word: p.state,
      query: {},
      from: at(p.startedAt, start),
      to: at(p.finishedAt, start),
      waitedFrom: undefined,
    }));
  const kit = state.components.map((c): Bar => ({
    key: c.name,
    name: c.component,
    title: c.name,
    tone: toneOf(c.state),
    word: c.state,
    query: { component: c.component },
    from: c.state === "pending" ? undefined : at(c.startedAt, start),
    to: at(restedAt(c), start),
    waitedFrom: at(state.kit?.frozenAt, start),
  }));
  const byStart = (a: Bar, b: Bar) => (a.from ?? Infinity) - (b.from ?? Infinity);
  return [
    { title: "Infrastructure", bars: infrastructure },
    { title: "First boot", bars: between },
    { title: "Kit", bars: kit.sort((a, b) => byStart(a, b) || 0) },
  ].filter((lane) => lane.bars.length > 0);
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400].map((s) => s * 1000);

/** Round marks on an axis of `length` ms, at most `most` of them. */
export function ticksOf(length: number, most = 8): number[] {
  const step = STEPS.find((s) => length / s <= most) ?? Math.ceil(length / most / 86_400_000) * 86_400_000;
  const ticks: number[] = [];
  for (let t = 0; t <= length; t += step) ticks.push(t);
  return ticks;
}
