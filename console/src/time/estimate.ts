// What earlier runs say about how long a thing takes: the median of the last three, and their spread.
import type { State } from "../api/types";
import { between, elapsed } from "./format";

export interface Estimate {
  /** Median of the samples, in ms. */
  about: number;
  low: number;
  high: number;
  samples: number;
}

/** The newest three samples decide; none gives undefined. */
export function estimate(samples: readonly (number | undefined)[]): Estimate | undefined {
  const last = samples.filter((s): s is number => s !== undefined).slice(0, 3);
  if (last.length === 0) return undefined;
  const sorted = [...last].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const about = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { about, low: sorted[0]!, high: sorted[sorted.length - 1]!, samples: sorted.length };
}

/** From when on a thing takes longer than ever seen, beyond what a second more or less means: a fifth over the longest. */
const overdue = (e: Estimate) => e.high * 1.2 + 1000;

/** "about 40 s, last three: 31–52 s"; once it has run longer than they did: "longer than the last three: 31–52 s" */
export function estimateText(e: Estimate, ranMs = 0): string {
  const late = ranMs > overdue(e);
  const about = late ? "longer than" : `about ${elapsed(e.about)}`;
  if (e.samples === 1) return late ? `${about} last time: ${elapsed(e.about)}` : `${about} last time`;
  const last = e.samples === 2 ? "last two" : "last three";
  if (late) return `${about} the ${last}: ${spread(e)}`;
  if (elapsed(e.low) === elapsed(e.high)) return `${about}, as the ${last}`;
  return `${about}, ${last}: ${spread(e)}`;
}

function spread(e: Estimate): string {
  if (elapsed(e.low) === elapsed(e.high)) return elapsed(e.high);
  if (e.high >= 60_000) return `${elapsed(e.low)} – ${elapsed(e.high)}`;
  return `${Math.round(e.low / 1000)}–${Math.round(e.high / 1000)} s`;
}

/** Durations of earlier runs, newest run first, for each thing that can be estimated. */
export class Past {
  #runs: readonly State[];

  /** `runs`: any States; only other, finished Sovereigns of the same provider count. */
  constructor(runs: readonly State[], current?: Pick<State, "id" | "provider">) {
    this.#runs = runs
      .filter((r) => r.id !== current?.id && (!current || r.provider === current.provider))
      .sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  }

  total(): Estimate | undefined {
    return estimate(this.#runs.filter((r) => r.status === "ready").map((r) => between(r.startedAt, r.finishedAt)));
  }

  phase(id: string): Estimate | undefined {
    return estimate(
      this.#runs.map((r) => {
        const p = r.phases.find((x) => x.id === id);
        return p?.state === "done" ? between(p.startedAt, p.finishedAt) : undefined;
      }),
    );
  }

  component(name: string): Estimate | undefined {
    return estimate(
      this.#runs.map((r) => {
        const c = r.components.find((x) => x.name === name);
        return c?.state === "installed" ? between(c.startedAt, c.readyAt) : undefined;
      }),
    );
  }

  resource(address: string): Estimate | undefined {
    return estimate(
      this.#runs.map((r) => {
        const x = r.resources.find((y) => y.address === address);
        return x?.state === "created" ? between(x.startedAt, x.finishedAt) : undefined;
      }),
    );
  }
}
