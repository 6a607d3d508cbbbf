// The console against a real run. CONSOLE_URL: where catalystd answers; CONSOLE_LINK_FILE: the file with a one-time login
// link, or CONSOLE_TOKEN: a bearer token; CONSOLE_SOVEREIGN: the name of a Sovereign that is coming up or has come up.
// CONSOLE_SHOTS: a folder for pictures. Without CONSOLE_URL there is nothing to look at and the tests are skipped.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { closeBrowser, openBrowser, SLIM, WIDE } from "./browser.mjs";
import { assertAccessible, assertFits, watchLayout } from "./checks.mjs";

const {
  CONSOLE_URL: base,
  CONSOLE_LINK_FILE: linkFile,
  CONSOLE_TOKEN: token,
  CONSOLE_SOVEREIGN: wanted,
  CONSOLE_SHOTS: shots,
} = process.env;
const MINUTES = 60_000;

describe(
  "a real run",
  { skip: base ? false : "CONSOLE_URL is not set" },
  () => {
    let browser;
    let page;
    let id;
    let cookies;

    const api = async (path) => {
      const answer = await page.request.get(`${base}/api/v1/${path}`);
      assert.equal(answer.status(), 200, `${path}: ${await answer.text()}`);
      return answer.json();
    };
    const truth = async () =>
      Object.fromEntries(
        (await api(`deployments/${id}`)).components.map((c) => [
          c.component,
          c.state,
        ]),
      );
    const shown = () =>
      page.$$eval(".node:not(.fold)", (all) =>
        Object.fromEntries(
          all.map((n) => [
            n.querySelector(".name").textContent,
            n.className.match(
              /\b(pending|installing|installed|degraded|failed|missing)\b/,
            )?.[0],
          ]),
        ),
      );
    const counted = async () =>
      Number(
        /Events\s+([\d,]+)/
          .exec(await page.textContent(".tabs"))[1]
          .replaceAll(",", ""),
      );
    const picture = async (name) => {
      if (!shots) return;
      await mkdir(shots, { recursive: true });
      await page.screenshot({ path: join(shots, `${name}.png`) });
    };

    before(async () => {
      browser = await openBrowser();
      page = browser.page;
      if (token)
        await page.setExtraHTTPHeaders({ authorization: `Bearer ${token}` });
      else if (linkFile) {
        await page.goto((await readFile(linkFile, "utf8")).trim());
        cookies = await page.context().cookies();
      }
      const { deployments } = await api("deployments");
      const found =
        deployments.find((d) => d.name === wanted) ?? deployments[0];
      assert.ok(found, "there is no Sovereign to look at");
      id = found.id;
    });
    after(async () => {
      assert.deepEqual(browser.complaints, []);
      await closeBrowser();
    });

    test("the page says what the API says", async () => {
      await page.goto(`${base}/sovereigns/${id}`);
      await page.waitForSelector("h1");
      const state = await api(`deployments/${id}`);
      await page.waitForFunction(
        (name) => document.querySelector(".crumbs").textContent.includes(name),
        state.name,
      );
      await picture("run-begin");
      await assertFits(page, "overview");
      await assertAccessible(page, "overview");
    });

    test(
      "resources and components appear by themselves",
      { timeout: 15 * MINUTES },
      async () => {
        await page.waitForFunction(
          () => document.querySelectorAll(".phase ul li").length > 0,
          undefined,
          { timeout: 5 * MINUTES },
        );
        await picture("run-infrastructure");
        const failed = page
          .waitForSelector("header.troubled", { timeout: 14 * MINUTES })
          .then(async () => {
            throw new Error(`the run failed: ${await page.textContent("h1")}`);
          });
        failed.catch(() => {});
        await Promise.race([
          failed,
          page.waitForSelector(".node", { timeout: 14 * MINUTES }),
        ]);
        await picture("run-kit");
      },
    );

    test("a reload in the middle loses nothing", async () => {
      const before = await counted();
      await page.reload();
      await page.waitForSelector(".node");
      const events = (await api(`deployments/${id}/events?after=0`)).events;
      events.forEach((e, i) =>
        assert.equal(e.seq, events[0].seq + i, "the log has a gap"),
      );
      await page.waitForFunction(
        (n) =>
          Number(
            /Events\s+([\d,]+)/
              .exec(document.querySelector(".tabs").textContent)[1]
              .replaceAll(",", ""),
          ) >= n,
        events.length,
      );
      assert.ok((await counted()) >= before);
      await page.click(".tabs >> text=Events");
      await page.waitForSelector(".log .row");
      const seqs = await page.$$eval(".log .seq", (all) =>
        all.map((s) => Number(s.textContent)),
      );
      seqs.forEach((s, i) =>
        assert.equal(s, seqs[0] + i, "the page has a gap"),
      );
      await page.click(".tabs >> text=Overview");
      await page.waitForSelector(".node");
    });

    test(
      "it becomes ready before one's eyes, and nothing jumps",
      { timeout: 20 * MINUTES },
      async () => {
        const at = () =>
          page.$$eval(".node", (all) =>
            all.map((n) =>
              [
                n.querySelector(".name").textContent,
                n.getBoundingClientRect().x,
                n.getBoundingClientRect().y,
              ].join(" "),
            ),
          );
        const place = await at();
        const shifts = await watchLayout(page);
        await page.waitForFunction(
          () =>
            /ready|failed|timed out|degraded|not reconciling/.test(
              document.querySelector("header.answer .word").textContent,
            ),
          undefined,
          { timeout: 19 * MINUTES },
        );
        await picture("run-end");
        assert.match(await page.textContent("header.answer .word"), /ready/);
        assert.deepEqual(await shown(), await truth());
        assert.deepEqual(await at(), place);
        assert.deepEqual(
          (await shifts()).filter((s) => s.value > 0.005),
          [],
        );
      },
    );

    test("the kubeconfig can be downloaded", async () => {
      await page.goto(`${base}/sovereigns/${id}/access`);
      const wait = page.waitForEvent("download");
      await page.click("text=Download kubeconfig");
      assert.match((await wait).suggestedFilename(), /\.kubeconfig$/);
    });

    test("every page fits and is accessible, in both colours and on a phone", async () => {
      for (const [size, viewport] of Object.entries({
        wide: WIDE,
        slim: SLIM,
      })) {
        for (const colorScheme of ["light", "dark"]) {
          const other = await openBrowser({ viewport, colorScheme });
          if (cookies) await other.context.addCookies(cookies);
          if (token)
            await other.page.setExtraHTTPHeaders({
              authorization: `Bearer ${token}`,
            });
          page = other.page;
          for (const path of [
            "/",
            "/sovereigns/new",
            ...["overview", "components", "jobs", "events", "access"].map(
              (t) => `/sovereigns/${id}/${t}`,
            ),
          ]) {
            await page.goto(base + path);
            await page.waitForSelector("h1");
            await page.waitForTimeout(400);
            await picture(
              `${path.split("/").at(-1) || "sovereigns"}-${size}-${colorScheme}`,
            );
            await assertFits(page, `${path} ${size} ${colorScheme}`);
            await assertAccessible(page, `${path} ${size} ${colorScheme}`);
          }
          assert.deepEqual(other.complaints, []);
          await other.close();
        }
      }
      page = browser.page;
    });
  },
);
