// The console in a real browser against its fixture: every page, both colours, three sizes.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { closeBrowser, openBrowser, SLIM, WIDE } from "./browser.mjs";
import { assertAccessible, assertFits, settled } from "./checks.mjs";
import { startFixture } from "./fixture.mjs";

let fixture;
const ids = {};

before(async () => {
  fixture = await startFixture();
  const run = async (query) => (await fixture.tool(`run?${query}`)).id;
  ids.infra = await run("kind=sandbox&name=infra&skip=7.2&frozen=1");
  ids.kit = await run("kind=sandbox&name=kit&skip=43&frozen=1");
  ids.ready = await run("kind=sandbox&name=ready&skip=1000");
  ids.failed = await run("kind=image-refused&name=failed&skip=1000");
  ids.tofu = await run("kind=tofu-fails&name=tofu&skip=1000");
  ids.degraded = await run("kind=degraded&name=degraded&skip=1000");
  ids.silent = await run("kind=no-postback&name=silent&skip=1000");
  ids.full = await run("kind=full-failed&name=full&skip=115&frozen=1");
});
after(async () => {
  await closeBrowser();
  await fixture.stop();
});

const at = (id, rest) => () => `/sovereigns/${ids[id]}/${rest}`;
/** What it is called, where it is, and what must be seen there. */
const PAGES = {
  Sovereigns: [() => "/", "tbody tr"],
  "New Sovereign": [() => "/sovereigns/new", "form"],
  "the infrastructure coming up": [at("infra", "overview"), ".phase ul li"],
  "the kit installing": [
    at("kit", "overview?component=gitea"),
    "aside h2:has-text('gitea')",
  ],
  "a ready Sovereign": [at("ready", "overview"), ".word:has-text('ready')"],
  "a degraded Sovereign": [
    at("degraded", "overview"),
    "h1:has-text('no longer answers')",
  ],
  "a failed component": [at("failed", "overview"), ".why"],
  "a failed resource": [at("tofu", "overview"), "aside h2:has-text('node')"],
  "a node that never reported": [at("silent", "overview"), ".why"],
  "a kit of 55": [at("full", "overview"), ".word"],
  Components: [at("full", "components"), ".slim, [role=row] a"],
  Jobs: [at("ready", "jobs"), ".track .bar"],
  Events: [at("failed", "events"), ".log .row"],
  "an event": [at("failed", "events?seq=24"), "aside .full"],
  Access: [at("ready", "access"), "text=Download kubeconfig"],
  "a wrong address": [() => "/nowhere", "text=/may be old/"],
};
// 1440 × 900 at 200 % zoom.
const ZOOMED = { width: 720, height: 450 };
const SIZES = { 1440: WIDE, "720 (200 % zoom)": ZOOMED, 390: SLIM };

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of viewport === ZOOMED
    ? ["light"]
    : ["light", "dark"]) {
    describe(`${size} ${colorScheme}`, () => {
      let browser;
      before(async () => {
        browser = await openBrowser({ viewport, colorScheme });
        await browser.page.goto(`${fixture.base}/login`);
        await browser.page.waitForSelector("#token");
      });
      after(() => browser.close());

      test("sign in is accessible and fits", async () => {
        await assertAccessible(browser.page, "sign in");
        await assertFits(browser.page, "sign in");
        await browser.page.fill("#token", "any");
        await browser.page.keyboard.press("Enter");
        await browser.page.waitForSelector("h1:has-text('need you')");
      });

      for (const [name, [path, sight]] of Object.entries(PAGES)) {
        test(`${name} is accessible and fits`, async () => {
          await browser.page.goto(fixture.base + path());
          await settled(browser.page, sight);
          await assertFits(browser.page, name);
          // Zoom changes room, not colour or structure: there the fit alone is the question.
          if (viewport !== ZOOMED) await assertAccessible(browser.page, name);
        });
      }

      test("the browser has nothing to complain of", () =>
        assert.deepEqual(browser.complaints, []));
    });
  }
}
