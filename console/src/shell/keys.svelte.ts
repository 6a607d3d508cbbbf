// The keyboard. Pages register what they answer to while they are shown; `?` lists it.

export interface Binding {
  /** As shown in the help: "j", "g s", "Enter". */
  keys: string;
  what: string;
  run: () => void;
}

const SEQUENCE_MS = 1200;

class Keys {
  #layers: Binding[][] = [];
  #first = "";
  #firstAt = 0;
  helpOpen = $state(false);
  /** For the help dialog; follows the layers. */
  shown = $state.raw<Binding[]>([]);

  constructor() {
    addEventListener("keydown", (event) => this.#press(event));
  }

  /** Adds bindings on top; call the result to take them away again. For use in `$effect`. */
  layer(bindings: Binding[]): () => void {
    this.#layers.push(bindings);
    this.#show();
    return () => {
      this.#layers.splice(this.#layers.indexOf(bindings), 1);
      this.#show();
    };
  }

  #show() {
    const seen = new Map<string, Binding>();
    for (const layer of [...this.#layers].reverse()) for (const b of layer) if (!seen.has(b.keys)) seen.set(b.keys, b);
    this.shown = [...seen.values()];
  }

  #press(event: KeyboardEvent) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target as HTMLElement | null;
    const typing = target?.closest("input, textarea, select, [contenteditable]");
    if (typing) {
      if (event.key === "Escape") (typing as HTMLElement).blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && target?.closest("a, button, summary")) return;
    const pair = Date.now() - this.#firstAt < SEQUENCE_MS ? `${this.#first} ${event.key}` : "";
    const hit = this.shown.find((b) => b.keys === pair) ?? this.shown.find((b) => b.keys === event.key);
    this.#first = event.key;
    this.#firstAt = Date.now();
    if (!hit) return;
    event.preventDefault();
    this.#first = "";
    hit.run();
  }
}

export const keys = new Keys();
