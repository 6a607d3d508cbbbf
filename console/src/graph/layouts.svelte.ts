// The layouts asked for so far. Each shape is computed once, in a worker.
import { type Layout, type Shape, shapeKey, type Size } from "./layout";

const known = new Map<string, Layout>();
const waiting = new Map<string, ((layout: Layout) => void)[]>();
let worker: Worker | undefined;

function ask(key: string, components: readonly Shape[], size: Size) {
  if (!worker) {
    worker = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = (event: MessageEvent<{ key: string; layout: Layout }>) => {
      const { key, layout } = event.data;
      known.set(key, layout);
      for (const tell of waiting.get(key) ?? []) tell(layout);
      waiting.delete(key);
    };
  }
  // Only the shape crosses over: a worker has no use for states.
  worker.postMessage({
    key,
    size,
    components: components.map((c) => ({ name: c.name, slot: c.slot, dependsOn: [...c.dependsOn] })),
  });
}

/** The layout of these components in this size; the same object for the same shape. */
export function layoutFor(components: readonly Shape[], size: Size): Layout | Promise<Layout> {
  const key = shapeKey(components, size);
  const found = known.get(key);
  if (found) return found;
  return new Promise((tell) => {
    const others = waiting.get(key);
    if (others) others.push(tell);
    else {
      waiting.set(key, [tell]);
      ask(key, components, size);
    }
  });
}
