// The system's Chromium, started so that it asks nobody outside this machine.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const WIDE = { width: 1440, height: 900 };
export const SLIM = { width: 390, height: 844 };

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A browser context of its own; `close` ends the browser and removes its folder. */
export async function openBrowser({
  viewport = WIDE,
  colorScheme = "light",
  reducedMotion = "no-preference",
  deviceScaleFactor = 1,
} = {}) {
  const profile = await mkdtemp(join(tmpdir(), "console-e2e-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
    viewport,
    colorScheme,
    reducedMotion,
    deviceScaleFactor,
    hasTouch: viewport.width < 600,
  });
  context.setDefaultTimeout(15_000);
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints = [];
  page.on("pageerror", (error) =>
    complaints.push(`page error: ${error.message}`),
  );
  page.on("console", (message) => {
    // A request that fails is an outage or a refusal, which the page itself must tell; everything else is a fault.
    if (
      message.type() === "error" &&
      !message.text().startsWith("Failed to load resource")
    )
      complaints.push(message.text());
  });
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { context, page, complaints, close };
}
