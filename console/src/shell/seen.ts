// Whether anybody looks at this tab.

const hidden = () => document.visibilityState === "hidden";

/** A signal that aborts once the tab was hidden for `ms` and `idle` says that nothing is lost by it. Call `forget` when done. */
export function hiddenFor(ms: number, idle: () => boolean): { signal: AbortSignal; forget: () => void } {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (hidden()) timer = setTimeout(() => (idle() ? abort.abort() : look()), ms);
  };
  document.addEventListener("visibilitychange", look);
  look();
  const forget = () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
  return { signal: abort.signal, forget };
}

/** Waits until the tab is looked at, unless `needed` says that it matters all the same. */
export function whenSeen(stop: AbortSignal, needed: () => boolean): Promise<void> {
  if (!hidden() || needed() || stop.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (hidden() && !stop.aborted) return;
      document.removeEventListener("visibilitychange", look);
      stop.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    stop.addEventListener("abort", look);
  });
}
