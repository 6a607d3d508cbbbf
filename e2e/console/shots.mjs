// Pictures of every page for people to look at: CONSOLE_URL (the fixture server) → shots/*.png.
import { mkdir } from "node:fs/promises";
import { closeBrowser, openBrowser, SLIM, WIDE } from "./browser.mjs";
import { settled } from "./checks.mjs";

const base = process.env.CONSOLE_URL ?? "http://127.0.0.1:7090";
const only = process.argv[2];
await mkdir(new URL("shots/", import.meta.url), { recursive: true });

const run = async (query) =>
  (await (await fetch(`${base}/dev/run?${query}`, { method: "POST" })).json())
    .id;
const ids = {
  infra: await run("kind=sandbox&name=sov1&skip=7.2&frozen=1"),
  kit: await run("kind=sandbox&name=sov2&skip=43&frozen=1"),
  ready: await run("kind=sandbox&name=sov3&skip=1000"),
  refused: await run("kind=image-refused&name=sov4&skip=36&frozen=1"),
  failed: await run("kind=image-refused&name=sov5&skip=1000"),
  tofu: await run("kind=tofu-fails&name=sov6&skip=1000"),
  silent: await run("kind=no-postback&name=sov7&skip=1000"),
  degraded: await run("kind=degraded&name=sov8&skip=1000"),
  full: await run("kind=full-failed&name=full&skip=115&frozen=1"),
};
const at = (id, rest = "overview") => `/sovereigns/${ids[id]}/${rest}`;
const pages = {
  login: "/login",
  sovereigns: "/",
  new: "/sovereigns/new",
  infra: at("infra"),
  kit: at("kit"),
  "kit-selected": at("kit", "overview?component=gitea"),
  ready: at("ready"),
  refused: at("refused"),
  failed: at("failed"),
  tofu: at("tofu"),
  silent: at("silent"),
  full: at("full"),
  degraded: at("degraded"),
  help: at("kit"),
  stale: at("kit"),
  nowhere: "/nowhere",
  components: at("failed", "components"),
  "components-full": at("full", "components"),
  jobs: at("ready", "jobs"),
  events: at("failed", "events"),
  event: at("failed", "events?seq=24"),
  access: at("ready", "access"),
};

for (const [size, viewport] of Object.entries({ wide: WIDE, slim: SLIM })) {
  for (const colorScheme of ["light", "dark"]) {
    const { page, complaints, close } = await openBrowser({
      viewport,
      colorScheme,
    });
    for (const [name, path] of Object.entries(pages)) {
      if (only && !`${name}-${size}-${colorScheme}`.includes(only)) continue;
      if (name === "login") await page.context().clearCookies();
      else if ((await page.context().cookies()).length === 0)
        await page.request.post(`${base}/api/v1/auth/login`, {
          data: { token: "shots" },
        });
      await page.goto(base + path);
      await settled(page);
      if (name === "help") await page.keyboard.press("?");
      if (name === "stale") {
        await fetch(`${base}/dev/offline?seconds=5`, { method: "POST" }).catch(
          () => {},
        );
        await page.waitForSelector(".link.away");
      }
      await page.screenshot({
        path: new URL(
          `shots/${name}-${size}-${colorScheme}.png`,
          import.meta.url,
        ).pathname,
      });
      if (size === "slim") {
        await page.mouse.wheel(0, viewport.height - 60);
        await settled(page);
        await page.screenshot({
          path: new URL(
            `shots/${name}-${size}-${colorScheme}-below.png`,
            import.meta.url,
          ).pathname,
        });
      }
      if (name === "stale") await page.waitForSelector(".link.live");
      const over = await page.evaluate(
        () => document.documentElement.scrollWidth - innerWidth,
      );
      if (over > 0) console.log(`${name} ${size}: ${over}px too wide`);
    }
    for (const c of new Set(complaints)) console.log(c);
    await close();
  }
}
await closeBrowser();
