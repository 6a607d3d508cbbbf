// The console in a real browser against its fixture: every page, both colours, three sizes.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { closeBrowser, openBrowser, SLIM, WIDE } from "./browser.mjs";
import { assertAccessible, assertFits } from "./checks.mjs";
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
  ids.full = await run("kind=full-failed&name=full&skip=115&frozen=1");
});
after(async () => {
  await closeBrowser();
  await fixture.stop();
});

const at = (id, rest) => () => `/sovereigns/${ids[id]}/${rest}`;
const PAGES = {
  Sovereigns: () => "/",
  "New Sovereign": () => "/sovereigns/new",
  "the infrastructure coming up": at("infra", "overview"),
  "the kit installing": at("kit", "overview?component=gitea"),
  "a ready Sovereign": at("ready", "overview"),
  "a failed component": at("failed", "overview"),
  "a failed resource": at("tofu", "overview"),
  "a kit of 55": at("full", "overview"),
  Components: at("full", "components"),
  Jobs: at("ready", "jobs"),
  Events: at("failed", "events"),
  "an event": at("failed", "events?seq=24"),
  Access: at("ready", "access"),
  "a wrong address": () => "/nowhere",
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

      for (const [name, path] of Object.entries(PAGES)) {
        test(`${name} is accessible and fits`, async () => {
          await browser.page.goto(fixture.base + path());
          await browser.page.waitForSelector("h1");
          await browser.page.waitForTimeout(350);
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
