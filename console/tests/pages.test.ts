import { describe, expect, test } from "vitest";
import type { Problem } from "../src/api/types";
import { check, createCommand, fieldOf, firstFree, shellWord } from "../src/pages/create";
import { matching } from "../src/pages/sovereign/eventfilter";
import { tellingLine } from "../src/live/words";
import { lanesOf, ticksOf } from "../src/pages/sovereign/waterfall";
import { at, component, event, state } from "./sample";

const good = { sovereignFQDN: "sov1.example.org", name: "", orgName: "Example", orgEmail: "ops@example.org" };
const problem = (error: string, detail: string): Problem => ({
  type: "",
  title: "",
  status: 400,
  code: "",
  cause: "",
  fix: "",
  error,
  detail,
});

describe("the create form", () => {
  test("what the server would take has no complaint", () => {
    expect(Object.values(check(good, [])).filter(Boolean)).toEqual([]);
    expect(check({ ...good, sovereignFQDN: " SOV1.Example.org " }, []).sovereignFQDN).toBeUndefined();
  });

  test("each rule complains at its own field", () => {
    const wrong = (change: Partial<typeof good>) =>
      Object.entries(check({ ...good, ...change }, [state()]))
        .filter(([, w]) => w)
        .map(([f]) => f);
    expect(wrong({ sovereignFQDN: "sov2.example.org" })).toEqual([]);
    expect(wrong({ sovereignFQDN: "" })).toEqual(["sovereignFQDN"]);
    expect(wrong({ sovereignFQDN: "sov2" })).toEqual(["sovereignFQDN"]);
    expect(wrong({ sovereignFQDN: "../x.y" })).toEqual(["sovereignFQDN"]);
    expect(wrong({ sovereignFQDN: "sov1.example.org" })).toEqual(["sovereignFQDN"]);
    expect(wrong({ sovereignFQDN: "sov1.other.org" })).toEqual(["name"]);
    expect(wrong({ sovereignFQDN: "averyverylongname.example.org" })).toEqual(["name"]);
    expect(wrong({ sovereignFQDN: "sov2.example.org", name: "Not Good" })).toEqual(["name"]);
    expect(wrong({ sovereignFQDN: "sov2.example.org", orgName: " ", orgEmail: "nobody" })).toEqual([
      "orgName",
      "orgEmail",
    ]);
  });

  test("the first free name is offered", () => {
    expect(firstFree([])).toBe("sov1.catalyst.test");
    expect(firstFree([state(), state({ name: "x", sovereignFQDN: "sov2.catalyst.test" })])).toBe("sov3.catalyst.test");
  });

  test("a refusal finds its field by its kind or by the name in its detail", () => {
    expect(fieldOf(problem("invalid-fqdn", ""))).toBe("sovereignFQDN");
    expect(fieldOf(problem("field-required", "`orgEmail` is required"))).toBe("orgEmail");
    expect(fieldOf(problem("disk-full", "no room"))).toBeUndefined();
  });

  test("the command is safe to paste", () => {
    expect(shellWord("sov1.example.org")).toBe("sov1.example.org");
    expect(shellWord("Bank & Söhne's")).toBe(`'Bank & Söhne'\\''s'`);
    expect(createCommand({ provider: "sandbox", orgName: "A B", orgEmail: "", sovereignFQDN: "s.e" }, "s")).toBe(
      "catalyst sovereign create s --fqdn s.e --org-name 'A B'",
    );
  });
});

describe("the event log", () => {
  const events = [
    event(1),
    event(2, { level: "warn", message: "Pull failed" }),
    event(3, { level: "error", component: "gitea", message: "pull failed" }),
  ];
  test("without a filter it is the same list", () => expect(matching(events, "  ", "all")).toBe(events));
  test("words match anywhere, all of them", () =>
    expect(matching(events, "gitea PULL", "all").map((e) => e.seq)).toEqual([3]));
  test("a level takes the graver ones along", () =>
    expect(matching(events, "", "warn").map((e) => e.seq)).toEqual([2, 3]));
});

describe("the waterfall", () => {
  test("a bar runs from start to rest, an open one has no end", () => {
    const lanes = lanesOf(
      state({
        resources: [
          { address: "t.node", type: "t", name: "node", state: "created", startedAt: at(1), finishedAt: at(4) },
        ],
        components: [component("a", { state: "installing", startedAt: at(9) }), component("b")],
      }),
    );
    expect(lanes.map((l) => l.title)).toEqual(["Infrastructure", "Kit"]);
    expect(lanes[0]!.bars[0]).toMatchObject({ from: 1000, to: 4000 });
    expect(lanes[1]!.bars.map((b) => [b.name, b.from, b.to])).toEqual([
      ["a", 9000, undefined],
      ["b", undefined, undefined],
    ]);
  });

  test("the axis has round marks, never too many", () => {
    expect(ticksOf(62_000)).toEqual([0, 10, 20, 30, 40, 50, 60].map((s) => s * 1000));
    for (const length of [1, 999, 5000, 3_600_000, 10 ** 9]) expect(ticksOf(length).length).toBeLessThanOrEqual(10);
  });
});

describe("a program's lines", () => {
  test("the one that says what is wrong comes first", () => {
    expect(tellingLine("Initializing the backend...\n\nError: Argument definition required\n  on main.tf line 3")).toBe(
      "Error: Argument definition required",
    );
    expect(tellingLine("\u2577\n\u2502 Error: no\n\u2575")).toBe("Error: no");
    expect(tellingLine("one\ntwo\n")).toBe("two");
  });
});
