import { describe, expect, test } from "vitest";
import type { Event } from "../src/api/types";
import { emptyView, firstAfter, historyOf, withEvents, withSnapshot } from "../src/live/reduce";
import { at, component, cost, event, state } from "./sample";

const gitea = (seq: number, to: Event["state"], message = "") => event(seq, { component: "gitea", state: to, message });
const begin = () => withSnapshot(emptyView, state({ seq: 3, components: [component("gitea"), component("harbor")] }));

describe("events", () => {
  test("a component's event shows at once, before any snapshot", () => {
    const view = withEvents(begin(), [gitea(4, "installing", "Running install")]);
    const c = view.state!.components[0]!;
    expect([c.state, c.since, c.startedAt, c.message]).toEqual(["installing", at(4), at(4), "Running install"]);
    expect(view.state!.components[1]!.state).toBe("pending");
    expect(view.seq).toBe(4);
  });

  test("both names of a component are the component", () => {
    const view = withEvents(begin(), [event(4, { component: "bp-gitea", state: "failed" })]);
    expect(view.state!.components[0]!.state).toBe("failed");
  });

  test("a repeated event changes nothing", () => {
    const once = withEvents(begin(), [gitea(4, "installing"), gitea(5, "installed")]);
    const again = withEvents(once, [gitea(4, "installing"), gitea(5, "installed")]);
    expect(again.events.map((e) => e.seq)).toEqual([4, 5]);
    expect(again.state!.components[0]!.state).toBe("installed");
  });

  test("any batching gives the same view", () => {
    const all = [gitea(4, "installing"), event(5), gitea(6, "degraded"), gitea(7, "installed"), event(8)];
    const whole = withEvents(begin(), all);
    const single = all.reduce((view, e) => withEvents(view, [e]), begin());
    const shuffled = withEvents(begin(), [all[3]!, all[0]!, all[4]!, all[1]!, all[2]!]);
    expect(single).toEqual(whole);
    expect(shuffled).toEqual(whole);
  });

  test("older events fill what is missing and move no state", () => {
    const late = withEvents(withEvents(begin(), [gitea(9, "installed")]), [gitea(7, "installing"), event(8), event(2)]);
    expect(late.events.map((e) => e.seq)).toEqual([2, 7, 8, 9]);
    expect(late.state!.components[0]!.state).toBe("installed");
  });

  test("a state nobody knows is not taken for a component's state", () => {
    const view = withEvents(begin(), [event(4, { component: "gitea", state: "sideways" as Event["state"] })]);
    expect(view.state!.components[0]!.state).toBe("pending");
  });
});

describe("snapshots", () => {
  test("a newer snapshot replaces what was folded", () => {
    const view = withEvents(begin(), [gitea(4, "installing")]);
    const fresh = withSnapshot(
      view,
      state({ seq: 4, components: [component("gitea", { state: "installing", attempts: 2 })] }),
    );
    expect(fresh.state!.components[0]!.attempts).toBe(2);
    expect(fresh.snapshotSeq).toBe(4);
  });

  test("events newer than the snapshot are folded on top of it", () => {
    const view = withEvents(begin(), [gitea(4, "installing"), gitea(5, "installed")]);
    const late = withSnapshot(view, state({ seq: 4, components: [component("gitea", { state: "installing" })] }));
    expect(late.state!.components[0]!.state).toBe("installed");
    expect(late.state!.seq).toBe(5);
  });

  test("a snapshot that arrives late does not turn time back", () => {
    const view = withSnapshot(begin(), state({ seq: 8, status: "ready" }));
    expect(withSnapshot(view, state({ seq: 5 }))).toBe(view);
  });

  test("a reload in the middle gives what the open page had", () => {
    const events = [gitea(4, "installing"), gitea(5, "failed", "no pull secret"), event(6)];
    const open = withEvents(begin(), events);
    const snapshot = state({ seq: 6, components: open.state!.components, numEvents: 6 });
    const reloaded = withEvents(withSnapshot(emptyView, snapshot), events);
    expect(reloaded.state!.components).toEqual(open.state!.components);
    expect(reloaded.events).toEqual(open.events);
  });
});

test("history names each state once, with its time", () => {
  const events = [gitea(1, "pending"), gitea(2, "installing"), gitea(3, "installing"), event(4), gitea(5, "installed")];
  expect(historyOf(events, component("gitea")).map((h) => `${h.state}@${h.seq}`)).toEqual([
    "pending@1",
    "installing@2",
    "installed@5",
  ]);
});

test("the place after a seq is found in gaps too", () => {
  const events = [event(2), event(4), event(9)];
  expect([0, 2, 3, 4, 8, 9].map((s) => firstAfter(events, s))).toEqual([0, 1, 1, 2, 2, 3]);
});

test("a hundred thousand events are taken in small steps without growing slow", () => {
  const thousands = Array.from({ length: 100 }, (_, i) =>
    Array.from({ length: 1000 }, (_, j) => event(4 + i * 1000 + j)),
  );
  let view = begin();
  const spent = cost(() => {
    view = thousands.reduce(withEvents, begin());
  });
  expect(view.events.length).toBe(100_000);
  expect(spent).toBeLessThan(2000);
});
