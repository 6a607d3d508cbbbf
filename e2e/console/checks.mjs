// What every page must hold to.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axeSource = await readFile(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

/** No finding of axe at WCAG 2.2 A and AA. */
export async function assertAccessible(page, where) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: [
        "wcag2a",
        "wcag2aa",
        "wcag21a",
        "wcag21aa",
        "wcag22aa",
        "best-practice",
      ],
    }),
  );
  const lines = found.violations.flatMap((v) =>
    v.nodes.map(
      (n) =>
        `${v.id}: ${n.target.join(" ")} (${n.failureSummary?.split("\n")[1]?.trim()})`,
    ),
  );
  assert.deepEqual(lines, [], where);
}

/** Nothing sticks out of the page sideways, and no text is cut without an ellipsis. */
export async function assertFits(page, where) {
  const over = await page.evaluate(() => {
    const out = [];
    const wide = document.documentElement.scrollWidth - innerWidth;
    if (wide > 0) out.push(`the page is ${wide}px too wide`);
    const scrolls = (el) => {
      for (let at = el.parentElement; at; at = at.parentElement) {
        const { overflowX } = getComputedStyle(at);
        if (
          overflowX === "auto" ||
          overflowX === "scroll" ||
          overflowX === "hidden"
        )
          return true;
      }
      return false;
    };
    for (const el of document.querySelectorAll(
      "h1, h2, h3, p, a, button, dd, dt, span, code, th, td",
    )) {
      const style = getComputedStyle(el);
      const box = el.getBoundingClientRect();
      if (box.width === 0 || el.closest(".hidden, .skip, svg")) continue;
      if (box.right > innerWidth + 1 && !scrolls(el))
        out.push(
          `${el.tagName} “${el.textContent.trim().slice(0, 40)}” sticks out`,
        );
      const cut =
        el.scrollWidth > el.clientWidth + 1 &&
        style.overflowX === "hidden" &&
        style.display !== "inline";
      if (cut && style.textOverflow !== "ellipsis" && !style.webkitLineClamp)
        out.push(
          `${el.tagName} “${el.textContent.trim().slice(0, 40)}” is cut`,
        );
    }
    return out;
  });
  assert.deepEqual(over, [], where);
}

/** Waits until a page stands: its first line and its picture are there, and what moved once has come to rest. */
export async function settled(page, sight = "h1") {
  await page.waitForSelector("h1");
  await page.waitForSelector(sight);
  await page.waitForFunction(() => {
    const pane = document.querySelector(".pane");
    return !pane || pane.querySelector(".node") !== null;
  });
  await page.evaluate(async () => {
    await document.fonts.ready;
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const look = () =>
      `${document.querySelectorAll("*").length} ${document.documentElement.scrollHeight}`;
    const late = performance.now() + 10_000;
    for (
      let still = 0, before = "";
      still < 3 && performance.now() < late;
      before = look()
    ) {
      await frame();
      still = look() === before ? still + 1 : 0;
    }
    const finite = document
      .getAnimations()
      .filter((a) => a.effect.getComputedTiming().iterations !== Infinity);
    await Promise.race([
      Promise.allSettled(finite.map((a) => a.finished)),
      new Promise((done) => setTimeout(done, 2000)),
    ]);
  });
}

/** Starts to note moves of things that should stand still; call the result for what was noted. */
export async function watchLayout(page) {
  await page.evaluate(() => {
    globalThis.shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (entry.hadRecentInput) continue;
        globalThis.shifts.push({
          value: entry.value,
          what: entry.sources.map(
            (s) => s.node?.className ?? s.node?.nodeName ?? "?",
          ),
        });
      }
    }).observe({ type: "layout-shift", buffered: false });
  });
  return () => page.evaluate(() => globalThis.shifts);
}
