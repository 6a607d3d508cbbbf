// Events and snapshots become what the page shows. Pure: the same inputs in any batching give the same view.
//
// The server's snapshot (`State`, true up to `seq`) is the truth; events newer than it are folded on top so that a change is
// visible at once, and the next snapshot replaces the guess. An event is shown once, however often it arrives.
import type { Component, Event, State } from "../api/types";

export interface View {
  /** The last snapshot with newer events folded in; null before the first. */
  readonly state: State | null;
  /** All known events, ascending by seq, without gaps inside what was read. */
  readonly events: readonly Event[];
  /** Everything up to here is in this view. */
  readonly seq: number;
  /** The seq of the server's own snapshot under `state`. */
  readonly snapshotSeq: number;
}

export const emptyView: View = { state: null, events: [], seq: 0, snapshotSeq: -1 };

/** Whether an event belongs to a component, by either of its names. */
export function concerns(event: Event, component: Pick<Component, "name" | "component">): boolean {
  return event.component === component.component || event.component === component.name;
}

const COMPONENT_STATES = new Set<string>(["pending", "installing", "installed", "degraded", "failed", "missing"]);

function foldComponent(c: Component, event: Event): Component {
  const state = event.state as Component["state"];
  const next: Component = { ...c, state, message: event.message };
  if (c.state !== state) {
    next.since = event.time;
    if (state === "installing") next.startedAt ??= event.time;
    if (state === "installed") next.readyAt = event.time;
  }
  return next;
}

function fold(state: State, event: Event): State {
  const moved = { ...state, seq: event.seq, numEvents: Math.max(state.numEvents, event.seq) };
  if (!event.component || !event.state || !COMPONENT_STATES.has(event.state)) return moved;
  moved.components = state.components.map((c) => (concerns(event, c) ? foldComponent(c, event) : c));
  return moved;
}

/** Takes a snapshot in. An older one than the one held changes nothing. */
export function withSnapshot(view: View, snapshot: State): View {
  if (view.state && snapshot.seq < view.snapshotSeq) return view;
  let state = snapshot;
  for (let i = firstAfter(view.events, snapshot.seq); i < view.events.length; i++) state = fold(state, view.events[i]!);
  return { ...view, state, snapshotSeq: snapshot.seq, seq: Math.max(view.seq, state.seq) };
}

/** Takes events in, in any order and with repeats: newer ones are appended and folded, older ones fill what is missing. */
export function withEvents(view: View, incoming: readonly Event[]): View {
  const last = view.events.at(-1)?.seq ?? 0;
  const sorted = [...incoming].sort((a, b) => a.seq - b.seq);
  const newer: Event[] = [];
  const older: Event[] = [];
  for (const event of sorted) {
    if (event.seq > (newer.at(-1)?.seq ?? last)) newer.push(event);
    else if (event.seq < last) older.push(event);
  }
  if (newer.length === 0 && older.length === 0) return view;
  let state = view.state;
  if (state) for (const event of newer) if (event.seq > state.seq) state = fold(state, event);
  const events = older.length > 0 ? merge(older, view.events).concat(newer) : view.events.concat(newer);
  return { ...view, state, events, seq: Math.max(view.seq, events.at(-1)?.seq ?? 0) };
}

/** Two ascending lists into one, each seq once. */
function merge(a: readonly Event[], b: readonly Event[]): Event[] {
  const all: Event[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const take = j >= b.length || (i < a.length && a[i]!.seq <= b[j]!.seq) ? a[i++]! : b[j++]!;
    if (all.at(-1)?.seq !== take.seq) all.push(take);
  }
  return all;
}

/** Index of the first event with a seq above `seq` in an ascending list. */
export function firstAfter(events: readonly Event[], seq: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (events[mid]!.seq <= seq) low = mid + 1;
    else high = mid;
  }
  return low;
}

export interface StateChange {
  state: string;
  at: string;
  message: string;
  seq: number;
}

/** The states a component went through, oldest first; repeats of the same state are one entry. */
export function historyOf(events: readonly Event[], component: Pick<Component, "name" | "component">): StateChange[] {
  const changes: StateChange[] = [];
  for (const event of events) {
    if (!event.state || !concerns(event, component) || changes.at(-1)?.state === event.state) continue;
    changes.push({ state: event.state, at: event.time, message: event.message, seq: event.seq });
  }
  return changes;
}
