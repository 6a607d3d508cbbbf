// The console of a real run: a mothership of this test's own, a Sovereign asked for in the form, watched until it is ready.
//
// CONSOLE_URL with CONSOLE_LINK_FILE (a file with a one-time login link) or CONSOLE_TOKEN (a bearer token) looks at one that
// runs already, CONSOLE_SOVEREIGN names the Sovereign then. CONSOLE_SHOTS: a folder for pictures.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { closeBrowser, openBrowser, SLIM, WIDE } from "./browser.mjs";
import {
  assertAccessible,
  assertFits,
  settled,
  watchLayout,
} from "./checks.mjs";
import { startMothership } from "./mothership.mjs";

const {
  CONSOLE_LINK_FILE: linkFile,
  CONSOLE_TOKEN: token,
  CONSOLE_SOVEREIGN: wanted,
  CONSOLE_SHOTS: shots,
} = process.env;
const MINUTES = 60_000;
const ENDED = /^(ready|failed|timed out|degraded|Flux not reconciling)$/;

describe("a real run", () => {
  let base = process.env.CONSOLE_URL;
  let mothership;
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
  /** How many events the page says there are. */
  const counted = () =>
    page.$eval(".tabs", (tabs) =>
      Number(/Events\s+([\d,]+)/.exec(tabs.textContent)[1].replaceAll(",", "")),
    );
  const picture = async (name) => {
    if (!shots) return;
    await mkdir(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `${name}.png`) });
  };
  /** Waits for a part of the page, or tells that the run has failed before it came. */
  const waitFor = async (selector) => {
    const found = await page.waitForFunction(
      (sel) => {
        if (document.querySelector(sel)) return "there";
        const word = document
          .querySelector("header.answer .word")
          ?.textContent.trim();
        const lost = /^(failed|timed out|Flux not reconciling)$/.test(word);
        return lost && document.querySelector("header.answer").innerText;
      },
      selector,
      { timeout: 14 * MINUTES, polling: 100 },
    );
    assert.equal(await found.jsonValue(), "there", "the run failed");
  };

  before(
    async () => {
      if (!base) {
        mothership = await startMothership();
        base = mothership.base;
      }
      browser = await openBrowser({ deviceScaleFactor: shots ? 2 : 1 });
      page = browser.page;
      if (token)
        await page.setExtraHTTPHeaders({ authorization: `Bearer ${token}` });
      else if (linkFile) {
        await page.goto((await readFile(linkFile, "utf8")).trim());
        await page.waitForURL((url) => url.pathname === "/");
      }
    },
    { timeout: 20 * MINUTES },
  );
  after(
    async () => {
      await closeBrowser();
      await mothership?.stop();
    },
    { timeout: 5 * MINUTES },
  );

  test("the printed link signs in, once", { skip: !!base }, async () => {
    await page.goto(mothership.link);
    await page.waitForSelector("h1:has-text('No Sovereign yet')");
    assert.equal(new URL(page.url()).pathname, "/");
    await picture("empty");
    const other = await openBrowser();
    await other.page.goto(mothership.link);
    await other.page.waitForURL("**/login**");
    await other.page.waitForSelector("text=did not sign you in");
    await other.close();
  });

  test(
    "the form creates a Sovereign and opens its page",
    { skip: !!base },
    async () => {
      await page.click("a:has-text('New Sovereign')");
      await page.fill("#orgName", "Example Bank");
      await page.fill("#orgEmail", "ops@example.org");
      // Not the name that `make up` gives, for both may stand at once.
      await page.fill("#sovereignFQDN", "seen.catalyst.test");
      await picture("create");
      await page.click("button:has-text('Create seen')");
      await page.waitForURL("**/overview");
    },
  );

  test("the page says what the API says", async () => {
    cookies = await page.context().cookies();
    const { deployments } = await api("deployments");
    const found = deployments.find((d) => d.name === wanted) ?? deployments[0];
    assert.ok(found, "there is no Sovereign to look at");
    id = found.id;
    await page.goto(`${base}/sovereigns/${id}`);
    await page.waitForSelector(`.crumbs:has-text('${found.name}')`);
    await picture("run-begin");
    await assertFits(page, "overview");
    await assertAccessible(page, "overview");
  });

  test(
    "resources and components appear by themselves",
    { timeout: 15 * MINUTES },
    async () => {
      await waitFor(".phase ul li");
      await picture("run-infrastructure");
      await waitFor(".node");
      await picture("run-kit");
    },
  );

  test("a reload in the middle loses nothing", async () => {
    const before = await counted();
    await page.reload();
    await page.waitForSelector(".node");
    const { events } = await api(`deployments/${id}/events?after=0`);
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
    seqs.forEach((s, i) => assert.equal(s, seqs[0] + i, "the page has a gap"));
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
              n.getBoundingClientRect().width,
            ].join(" "),
          ),
        );
      await waitFor(".node.installed");
      await picture("run-mid");
      const place = await at();
      const shifts = await watchLayout(page);
      const end = await page.waitForFunction(
        (ended) => {
          const word = document
            .querySelector("header.answer .word")
            .textContent.trim();
          return new RegExp(ended).test(word) && word;
        },
        ENDED.source,
        { timeout: 19 * MINUTES, polling: 100 },
      );
      assert.equal(
        await end.jsonValue(),
        "ready",
        await page.innerText("header.answer"),
      );
      await page.waitForFunction(
        () => document.querySelectorAll(".node:not(.installed)").length === 0,
      );
      await picture("run-end");
      assert.deepEqual(await shown(), await truth());
      assert.deepEqual(await at(), place);
      assert.deepEqual(
        (await shifts()).filter((s) => s.value > 0.005),
        [],
      );
    },
  );

  test("a chosen component shows what it is made of", async () => {
    const { components } = await api(`deployments/${id}`);
    const { component, workloads } = components.reduce((a, b) =>
      b.workloads.total > a.workloads.total ? b : a,
    );
    await page.click(`.node:has-text('${component}')`);
    await page.waitForSelector(`aside h2:has-text('${component}')`);
    assert.equal(
      await page.$$eval("aside .workloads .what", (all) => all.length),
      workloads.items.length,
    );
    assert.ok(workloads.items.length > 0, `${component} has no workloads`);
    await picture("run-selected");
  });

  test("the kubeconfig can be downloaded", async () => {
    await page.goto(`${base}/sovereigns/${id}/access`);
    const wait = page.waitForEvent("download");
    await page.click("text=Download kubeconfig");
    assert.match((await wait).suggestedFilename(), /\.kubeconfig$/);
  });

  for (const [size, viewport] of Object.entries({ wide: WIDE, slim: SLIM })) {
    for (const colorScheme of ["light", "dark"]) {
      test(`every page fits and is accessible: ${size} ${colorScheme}`, async () => {
        const other = await openBrowser({ viewport, colorScheme });
        if (cookies) await other.context.addCookies(cookies);
        if (token)
          await other.page.setExtraHTTPHeaders({
            authorization: `Bearer ${token}`,
          });
        page = other.page;
        try {
          for (const path of [
            "/",
            "/sovereigns/new",
            ...["overview", "components", "jobs", "events", "access"].map(
              (t) => `/sovereigns/${id}/${t}`,
            ),
          ]) {
            await page.goto(base + path);
            await settled(page);
            await picture(
              `${path.split("/").at(-1) || "sovereigns"}-${size}-${colorScheme}`,
            );
            await assertFits(page, `${path} ${size} ${colorScheme}`);
            await assertAccessible(page, `${path} ${size} ${colorScheme}`);
          }
          assert.deepEqual(other.complaints, []);
        } finally {
          page = browser.page;
          await other.close();
        }
      });
    }
  }

  test("the browser has nothing to complain of", () =>
    assert.deepEqual(browser.complaints, []));
});
