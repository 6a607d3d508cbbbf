// All Sovereigns, looked at again every few seconds while a page shows them. Also the memory that estimates are made from.
import { asProblem, listDeployments, Refused } from "../api/client";
import type { Problem, State } from "../api/types";

const EVERY_MS = 3000;

class SovereignList {
  all = $state.raw<readonly State[] | null>(null);
  away = $state(false);
  heardAt = $state(Date.now());
  refusal = $state.raw<Problem | null>(null);
  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Keeps the list fresh until the result is called. */
  watch(): () => void {
    this.#watchers += 1;
    if (this.#watchers === 1) queueMicrotask(() => void this.#loop());
    return () => {
      this.#watchers -= 1;
      if (this.#watchers === 0) clearTimeout(this.#timer);
    };
  }

  /** One look. */
  async refresh() {
    try {
      this.all = await listDeployments();
      this.heardAt = Date.now();
      this.away = false;
      this.refusal = null;
    } catch (error) {
      if (error instanceof Refused && error.problem.status < 500) this.refusal = asProblem(error);
      else this.away = true;
    }
  }

  async #loop() {
    clearTimeout(this.#timer);
    await this.refresh();
    if (this.#watchers > 0) this.#timer = setTimeout(() => void this.#loop(), EVERY_MS);
  }
}

export const sovereigns = new SovereignList();
