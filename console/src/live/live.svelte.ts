// One Sovereign, live: a snapshot, then every event after it, for as long as the page is open.
//
// The loop never ends by itself. Connection lost → `away`, what is shown is stale and its age is told; back → `catching-up`
// until everything the server knows is here; then `live`. A finished stream is `done`; the snapshot is still looked at now and then.
import { asProblem, getDeployment, getEvents, openStream, Refused } from "../api/client";
import type { Event, Problem, State } from "../api/types";
import { hiddenFor, whenSeen } from "../shell/seen";
import { emptyView, withEvents, withSnapshot, type View } from "./reduce";
import { SseParser } from "./sse";
import { isRunning } from "./words";

export type Link = "connecting" | "catching-up" | "live" | "done" | "away";

/** Silence longer than this is an outage: the server pings every 15 s. */
const SILENCE_MS = 35_000;
/** A stream that opened and says nothing for this long has nothing more from the past. */
const QUIET_MS = 1500;
/** At most one snapshot per this time while events arrive. */
const SNAPSHOT_EVERY_MS = 400;
/** How often a finished Sovereign is looked at again. */
const DONE_POLL_MS = 10_000;
/** A tab nobody has looked at for this long, of a Sovereign that has come to rest, lets go of its stream: a browser opens
 * six connections to a server, and each open tab would hold one. */
const UNSEEN_MS = 60_000;
/** How many events the first read asks for. */
const FIRST_EVENTS = 5000;

export class Live {
  view = $state.raw<View>(emptyView);
  link = $state<Link>("connecting");
  /** When the server was last heard, ms on this machine's clock. */
  heardAt = $state(Date.now());
  /** Set when the server refused for good (no such Sovereign, wrong tier). */
  refusal = $state.raw<Problem | null>(null);
  /** Events below this seq have not been read yet. */
  missingBelow = $state(0);

  readonly #id: string;
  readonly #stop = new AbortController();
  #snapshotTimer: ReturnType<typeof setTimeout> | undefined;
  #snapshotAt = 0;
  #wake = () => {};

  constructor(id: string) {
    this.#id = id;
  }

  /** Begins. An effect that starts this does not depend on what it reads. */
  start() {
    queueMicrotask(() => void this.#run());
  }

  /** Looks at once instead of when the next look is due: something was asked for. */
  lookNow() {
    this.#wake();
  }

  stop() {
    this.#stop.abort();
    clearTimeout(this.#snapshotTimer);
  }

  /** Reads the events from before the first read. */
  async loadEarlier() {
    const page = await getEvents(this.#id, 0);
    this.view = withEvents(this.view, page.events);
    this.missingBelow = 0;
  }

  async #run() {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        await whenSeen(this.#stop.signal, () => this.#isNeeded());
        const target = await this.#catchUp();
        failures = 0;
        await this.#follow(target);
        if (this.link === "done") await this.#watchDone();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof Refused && error.problem.status < 500) {
          this.refusal = asProblem(error);
          return;
        }
        this.link = "away";
        failures += 1;
        await this.#pause(Math.min(500 * 2 ** Math.min(failures - 1, 4), 5000));
      }
    }
  }

  /** Snapshot, then whatever was missed, before the stream is trusted as live. Gives the seq that must be reached. */
  async #catchUp(): Promise<number> {
    const first = this.view.state === null;
    const snapshot = await getDeployment(this.#id, this.#patience());
    this.#heard();
    if (!first) this.link = "catching-up";
    this.view = withSnapshot(this.view, snapshot);
    if (first) {
      const after = Math.max(0, snapshot.seq - FIRST_EVENTS);
      const page = await getEvents(this.#id, after);
      this.missingBelow = after;
      this.view = withSnapshot(withEvents(this.view, page.events), page.state);
      return page.state.seq;
    }
    return snapshot.seq;
  }

  async #follow(target: number) {
    const silence = new AbortController();
    const unseen = hiddenFor(UNSEEN_MS, () => !this.#isNeeded());
    const signal = AbortSignal.any([this.#stop.signal, silence.signal, unseen.signal]);
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    let quiet: ReturnType<typeof setTimeout> | undefined;
    try {
      const after = this.view.events.at(-1)?.seq ?? this.missingBelow;
      const response = await openStream(this.#id, after, signal);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new SseParser();
      this.#reached(target);
      // Numbers need not be dense: a quiet stream after an answer is up to date as well.
      quiet = setTimeout(() => this.#reached(0), QUIET_MS);
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        this.#heard();
        const events: Event[] = [];
        let final: State | null = null;
        for (const frame of parser.push(value)) {
          if (frame.event === "done") final = JSON.parse(frame.data) as State;
          else if (frame.event === "message") events.push(JSON.parse(frame.data) as Event);
        }
        this.#take(events, target);
        if (final) {
          this.view = withSnapshot(this.view, final);
          this.link = "done";
          void reader.cancel();
          return;
        }
      }
    } catch (error) {
      if (!unseen.signal.aborted) throw error;
      this.link = "catching-up";
      return;
    } finally {
      clearTimeout(timer);
      clearTimeout(quiet);
      unseen.forget();
    }
    if (!this.#stop.signal.aborted) throw new Error("the stream ended");
  }

  #take(events: Event[], target: number) {
    if (events.length === 0) return;
    this.view = withEvents(this.view, events);
    this.#reached(target);
    this.#wantSnapshot();
  }

  #reached(target: number) {
    if ((this.view.events.at(-1)?.seq ?? 0) >= target || target === 0) this.link = "live";
  }

  /** Events are folded at once; what only the server can say (headline, phases, workloads) follows with a snapshot soon. */
  #wantSnapshot() {
    if (this.#snapshotTimer !== undefined) return;
    const wait = Math.max(0, this.#snapshotAt + SNAPSHOT_EVERY_MS - Date.now());
    this.#snapshotTimer = setTimeout(async () => {
      this.#snapshotAt = Date.now();
      try {
        this.view = withSnapshot(this.view, await getDeployment(this.#id, this.#patience()));
      } catch {
        // The stream tells when the server is away; the next event or reconnect brings the snapshot.
      } finally {
        this.#snapshotTimer = undefined;
        const { seq, snapshotSeq } = this.view;
        if (seq > snapshotSeq && !this.#stop.signal.aborted && this.link === "live") this.#wantSnapshot();
      }
    }, wait);
  }

  /** After the end the record may still move (a retry, a degraded component): look now and then, re-attach when it did. */
  async #watchDone() {
    for (;;) {
      await this.#pause(DONE_POLL_MS);
      if (this.#stop.signal.aborted) return;
      const snapshot = await getDeployment(this.#id, this.#patience());
      this.#heard();
      if (snapshot.seq !== this.view.seq) return;
      this.link = "done";
    }
  }

  /** Whether events are wanted even while nobody looks: the tab's title tells how a run goes on. */
  #isNeeded(): boolean {
    return this.view.state === null || isRunning(this.view.state);
  }

  #heard() {
    this.heardAt = Date.now();
  }

  #patience(): AbortSignal {
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(10_000)]);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => (clearTimeout(timer), resolve());
      this.#stop.signal.addEventListener("abort", this.#wake, { once: true });
    });
  }
}
