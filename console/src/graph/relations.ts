// What the dependency graph says: who waits for whom, what blocks, which chain took longest. Pure.
import type { Component } from "../api/types";

export type Tone = "ready" | "working" | "waiting" | "degraded" | "failed" | "unknown";

export class Relations {
  /** By release name. */
  readonly byName: ReadonlyMap<string, Component>;
  readonly #dependents = new Map<string, string[]>();

  constructor(components: readonly Component[]) {
    this.byName = new Map(components.map((c) => [c.name, c]));
    for (const c of components) {
      for (const d of c.dependsOn) {
        const list = this.#dependents.get(d);
        if (list) list.push(c.name);
        else this.#dependents.set(d, [c.name]);
      }
    }
  }

  dependentsOf(name: string): readonly string[] {
    return this.#dependents.get(name) ?? [];
  }

  /** Everything `name` needs, directly or not; a cycle ends the walk. */
  ancestors(name: string): Set<string> {
    return this.#walk(name, (n) => this.byName.get(n)?.dependsOn ?? []);
  }

  /** Everything that needs `name`, directly or not. */
  descendants(name: string): Set<string> {
    return this.#walk(name, (n) => this.dependentsOf(n));
  }

  #walk(from: string, next: (name: string) => readonly string[]): Set<string> {
    const seen = new Set<string>();
    const stack = [...next(from)];
    while (stack.length > 0) {
      const name = stack.pop()!;
      if (name === from || seen.has(name) || !this.byName.has(name)) continue;
      seen.add(name);
      stack.push(...next(name));
    }
    return seen;
  }

  /** Components in trouble that do not themselves wait for one in trouble: the causes, not the waiters. */
  blockers(): Component[] {
    const troubled = [...this.byName.values()].filter(
      (c) => c.state === "failed" || c.state === "degraded" || c.state === "missing",
    );
    return troubled.filter((c) => ![...this.ancestors(c.name)].some((a) => isTroubled(this.byName.get(a)!)));
  }

  /** Not installed and behind `name`: how far its trouble reaches. */
  waitingBehind(name: string): Component[] {
    return [...this.descendants(name)].map((n) => this.byName.get(n)!).filter((c) => c.state !== "installed");
  }

  /** Direct dependencies that are not installed yet; a name that is not in the kit counts, for it never will be. */
  waitsFor(name: string): string[] {
    return (this.byName.get(name)?.dependsOn ?? []).filter((d) => this.byName.get(d)?.state !== "installed");
  }

  /** Installed, and standing on nothing but what is installed: what can be folded away. */
  finished(): Set<string> {
    const installed = (name: string) => this.byName.get(name)?.state === "installed";
    return new Set([...this.byName.keys()].filter((n) => installed(n) && [...this.ancestors(n)].every(installed)));
  }

  /** The chain that decided (or decides) the end: back from what became ready last, or runs now, along the latest dependency. */
  criticalPath(): Set<string> {
    const path = new Set<string>();
    let at = latest([...this.byName.values()]);
    while (at && !path.has(at.name)) {
      path.add(at.name);
      at = latest(at.dependsOn.map((d) => this.byName.get(d)).filter((c): c is Component => c !== undefined));
    }
    return path.size > 1 ? path : new Set();
  }
}

function isTroubled(c: Component): boolean {
  return c.state === "failed" || c.state === "degraded" || c.state === "missing";
}

function latest(components: readonly Component[]): Component | undefined {
  let best: Component | undefined;
  for (const c of components) if (endOf(c) > (best ? endOf(best) : "")) best = c;
  return best;
}

/** Sort key of when a component ended: running ones are later than every finished one, waiting ones do not count. */
function endOf(c: Component): string {
  if (c.state === "installed") return c.readyAt ?? c.since;
  return c.state === "pending" || c.state === "missing" ? "" : `~${c.startedAt ?? c.since}`;
}

const TONES: Record<Component["state"], Tone> = {
  pending: "waiting",
  installing: "working",
  installed: "ready",
  degraded: "degraded",
  failed: "failed",
  missing: "unknown",
};

/** The tone (colour and icon) of a component's state. */
export function toneOf(state: string): Tone {
  return TONES[state as Component["state"]] ?? "unknown";
}
