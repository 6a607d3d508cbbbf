import { describe, expect, test } from "vitest";
import { estimate, estimateText, Past } from "../src/time/estimate";
import { age, between, duration, elapsed } from "../src/time/format";
import { at, component, state } from "./sample";

const S = 1000;
const M = 60 * S;
const H = 60 * M;

describe("durations", () => {
  test("running times are whole units", () => {
    expect(
      [0, 999, 7.9 * S, 59.9 * S, M, 65 * S, 59 * M + 59 * S, H, 2 * H + 3 * M, 24 * H, 76 * H].map(elapsed),
    ).toEqual([
      "0 s",
      "0 s",
      "7 s",
      "59 s",
      "1 m 00 s",
      "1 m 05 s",
      "59 m 59 s",
      "1 h 00 m",
      "2 h 03 m",
      "1 d 0 h",
      "3 d 4 h",
    ]);
  });

  test("finished times have a tenth while it matters", () => {
    expect([0, 340, 3400, 9940, 9960, 12_400, 59_600, 65_000].map(duration)).toEqual([
      "< 0.1 s",
      "0.3 s",
      "3.4 s",
      "9.9 s",
      "10 s",
      "12 s",
      "1 m 00 s",
      "1 m 05 s",
    ]);
  });

  test("a clock that runs ahead gives no negative time", () => {
    expect(elapsed(-5000)).toBe("0 s");
    expect(between(at(10), at(5))).toBe(0);
  });

  test("ages are coarse", () => {
    expect([0, 1999, 12 * S, 16 * M + 30 * S, 5 * H, 50 * H].map(age)).toEqual([
      "just now",
      "just now",
      "12 s ago",
      "16 m ago",
      "5 h ago",
      "2 d ago",
    ]);
  });

  test("what is missing has no duration", () => {
    expect([between(null, at(1)), between(at(1), null), between("nonsense", at(1)), between(at(1), undefined)]).toEqual(
      [undefined, undefined, undefined, undefined],
    );
  });
});

describe("estimates", () => {
  test("the median of the last three, with their spread", () => {
    const e = estimate([40 * S, 31 * S, 52 * S, 500 * S])!;
    expect(estimateText(e)).toBe("about 40 s, last three: 31–52 s");
  });

  test("one sample says so, equal ones do not pretend a spread, none says nothing", () => {
    expect(estimateText(estimate([40 * S])!)).toBe("about 40 s last time");
    expect(estimateText(estimate([40 * S, 40 * S])!)).toBe("about 40 s, as the last two");
    expect(estimateText(estimate([61 * S, 90 * S])!)).toBe("about 1 m 15 s, last two: 1 m 01 s – 1 m 30 s");
    expect(estimate([undefined])).toBeUndefined();
  });

  test("what runs longer than it ever did is told so", () => {
    const e = estimate([40 * S, 31 * S, 52 * S])!;
    expect(estimateText(e, 60 * S)).toBe("about 40 s, last three: 31–52 s");
    expect(estimateText(e, 80 * S)).toBe("longer than the last three: 31–52 s");
    expect(estimateText(estimate([40 * S])!, 80 * S)).toBe("longer than last time: 40 s");
    expect(estimateText(estimate([40 * S, 40 * S])!, 80 * S)).toBe("longer than the last two: 40 s");
  });

  test("only other, finished runs of the same provider count", () => {
    const run = (id: string, took: number, more = {}) =>
      state({
        id,
        status: "ready",
        startedAt: at(0),
        finishedAt: at(took),
        components: [component("gitea", { state: "installed", startedAt: at(0), readyAt: at(took / 2) })],
        ...more,
      });
    const past = new Past(
      [run("a", 60), run("b", 1000, { provider: "hetzner" }), run("c", 5, { status: "failed" }), run("me", 1)],
      { id: "me", provider: "sandbox" },
    );
    expect(past.total()!.about).toBe(60 * S);
    expect(past.component("bp-gitea")!.samples).toBe(2);
    expect(past.resource("terraform_data.node")).toBeUndefined();
  });
});
