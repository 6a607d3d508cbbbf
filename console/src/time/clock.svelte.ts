// One clock for the whole page: the server's time, ticking once a second.

class Clock {
  /** The server's time in ms, moved once a second. */
  now = $state(Date.now());
  #offset = 0;

  constructor() {
    const tick = () => {
      this.now = this.read();
      setTimeout(tick, 1000 - (Date.now() % 1000));
    };
    tick();
  }

  /** The server's time right now, in ms. */
  read(): number {
    return Date.now() + this.#offset;
  }

  /** Learns the server's clock; small differences are the wire's and the header's whole seconds, and are ignored. */
  learn(serverMs: number) {
    const offset = serverMs - Date.now();
    if (Math.abs(offset - this.#offset) > 3000) {
      this.#offset = Math.abs(offset) > 3000 ? offset : 0;
      this.now = this.read();
    }
  }
}

export const clock = new Clock();
