import { describe, expect, test } from "vitest";
import {
  compute,
  DENSE,
  drawnEdges,
  FOLDED,
  foldShape,
  neighbour,
  ROOMY,
  shapeKey,
  sizeFor,
  SNUG,
  walkOrder,
} from "../src/graph/layout";
import { Relations } from "../src/graph/relations";
import { fullKit, hugeKit, sandboxKit } from "../dev/kit.mjs";
import { at, component, cost } from "./sample";

const kit = (rows: typeof sandboxKit) =>
  rows.map((r) => component(r.component, { slot: r.slot, dependsOn: r.dependsOn }));
const names = (...list: string[]) => list.map((n) => `bp-${n}`);

describe("layout", () => {
  test("states do not move it", () => {
    const before = kit(sandboxKit);
    const after = before.map((c, i) => ({
      ...c,
      state: (["installed", "failed", "installing"] as const)[i % 3]!,
      message: "x",
      since: at(i),
    }));
    expect(shapeKey(after, ROOMY)).toBe(shapeKey(before, ROOMY));
    expect(compute(after, ROOMY)).toEqual(compute(before, ROOMY));
    expect(sizeFor(after, { width: 770, height: 310 })).toBe(sizeFor(before, { width: 770, height: 310 }));
  });

  test("the order of the list does not move it", () => {
    const one = kit(fullKit);
    const other = [...one].reverse();
    const a = compute(one, DENSE);
    const b = compute(other, DENSE);
    expect([...b.boxes].sort()).toEqual([...a.boxes].sort());
    expect(b.order).toEqual(a.order);
  });

  test("no two boxes overlap, and dependencies run from left to right", () => {
    for (const [rows, size] of [
      [sandboxKit, ROOMY],
      [fullKit, DENSE],
    ] as const) {
      const { boxes, edges } = compute(kit(rows), size);
      const all = [...boxes.values()];
      for (const a of all)
        for (const b of all)
          if (a !== b)
            expect(Math.abs(a.x - b.x) >= size.width || Math.abs(a.y - b.y) >= size.height, `${a.name} ${b.name}`).toBe(
              true,
            );
      for (const e of edges) expect(boxes.get(e.from)!.x).toBeLessThan(boxes.get(e.to)!.x);
    }
  });

  test("a name that is not in the kit and a cycle are survived", () => {
    const odd = [component("a", { dependsOn: names("b", "nowhere") }), component("b", { dependsOn: names("a") })];
    expect(compute(odd, ROOMY).boxes.size).toBe(2);
    expect(new Relations(odd).ancestors("bp-a")).toEqual(new Set(names("b")));
    expect(walkOrder(odd).length).toBe(2);
  });

  test("an implied dependency is not drawn", () => {
    const three = [
      component("a"),
      component("b", { dependsOn: names("a") }),
      component("c", { dependsOn: names("a", "b") }),
    ];
    expect(drawnEdges(three, new Set(names("a", "b", "c")))).toEqual([names("a", "b"), names("b", "c")]);
  });

  test("the size follows the room", () => {
    expect(sizeFor(kit(sandboxKit), { width: 770, height: 310 })).toBe(ROOMY);
    expect(sizeFor(kit(sandboxKit), { width: 770, height: 130 })).toBe(SNUG);
    expect(sizeFor(kit(fullKit), { width: 770, height: 310 })).toBe(DENSE);
  });

  test("an arrow key goes to the nearest on that side, and nowhere past the edge", () => {
    const { boxes } = compute(kit(sandboxKit), ROOMY);
    const to = (from: string, way: "left" | "right" | "up" | "down") =>
      neighbour(boxes.values(), boxes.get(`bp-${from}`)!, way)?.name;
    const column = [...boxes.values()].filter((b) => b.x === boxes.get("bp-gitea")!.x).sort((a, b) => a.y - b.y);
    expect(column.length).toBe(3);
    expect(to("reflector", "left")).toBeUndefined();
    expect(to("reflector", "up")).toBeUndefined();
    expect(column.map((b) => b.name)).toContain(to("reflector", "right"));
    expect(neighbour(boxes.values(), column[0]!, "down")).toBe(column[1]);
    expect(neighbour(boxes.values(), column[2]!, "up")).toBe(column[1]);
    expect(neighbour(boxes.values(), column[0]!, "up")).toBeUndefined();
    expect(to("gitea", "right")).toBe("bp-catalyst-platform");
    expect(to("gitea", "left")).toBe("bp-reflector");
  });

  test("finished parts fold into one box that others hang from", () => {
    const folded = foldShape(kit(sandboxKit), new Set(names("reflector", "gitea")));
    expect(folded.map((c) => c.name)).toEqual([FOLDED, ...names("powerdns", "harbor", "catalyst-platform")]);
    expect(folded.at(-1)!.dependsOn).toEqual([FOLDED, "bp-harbor"]);
  });

  test("a person walks from the left", () => {
    expect(walkOrder(kit(sandboxKit))[0]).toBe("bp-reflector");
    expect(walkOrder(kit(sandboxKit)).at(-1)).toBe("bp-catalyst-platform");
  });
});

describe("relations", () => {
  const broken = kit(sandboxKit).map((c) => ({
    ...c,
    state:
      c.component === "gitea"
        ? ("failed" as const)
        : c.component === "catalyst-platform"
          ? ("pending" as const)
          : ("installed" as const),
  }));

  test("the blocker is the cause, not who waits for it", () => {
    const both = broken.map((c) => (c.component === "catalyst-platform" ? { ...c, state: "degraded" as const } : c));
    expect(new Relations(both).blockers().map((b) => b.component)).toEqual(["gitea"]);
  });

  test("two independent causes are both named", () => {
    const two = broken.map((c) => (c.component === "powerdns" ? { ...c, state: "failed" as const } : c));
    expect(new Relations(two).blockers().map((b) => b.component)).toEqual(["gitea", "powerdns"]);
  });

  test("what waits behind a failure is counted through the graph", () => {
    expect(new Relations(broken).waitingBehind("bp-gitea").map((c) => c.component)).toEqual(["catalyst-platform"]);
    expect(new Relations(broken).waitsFor("bp-catalyst-platform")).toEqual(["bp-gitea"]);
  });

  test("only what stands on finished ground is finished", () => {
    const odd = [
      component("a", { state: "degraded" }),
      component("b", { state: "installed", dependsOn: names("a") }),
      component("c", { state: "installed" }),
    ];
    expect(new Relations(odd).finished()).toEqual(new Set(names("c")));
  });

  test("the critical path goes back along the latest dependency", () => {
    const timed = kit(sandboxKit).map((c) => ({
      ...c,
      state: "installed" as const,
      readyAt: at({ reflector: 5, gitea: 22, powerdns: 17, harbor: 14, "catalyst-platform": 40 }[c.component]!),
    }));
    expect(new Relations(timed).criticalPath()).toEqual(new Set(names("catalyst-platform", "gitea", "reflector")));
  });

  test("a thousand components are related in a blink", () => {
    const many = kit(hugeKit(1000));
    const spent = cost(() => {
      const relations = new Relations(many);
      relations.blockers();
      relations.criticalPath();
    });
    expect(spent).toBeLessThan(50);
  });
});
