// The system's Chromium, started so that it asks nobody outside this machine.
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

let shared;

/** One browser for all tests of a file. */
async function chrome() {
  shared ??= chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
  });
  return shared;
}

/** Ends the browser. */
export async function closeBrowser() {
  await (await shared)?.close();
  shared = undefined;
}

/** A context of its own, as for another person: no cookie, no storage. */
export async function openBrowser({
  viewport = WIDE,
  colorScheme = "light",
  reducedMotion = "no-preference",
  deviceScaleFactor = 1,
} = {}) {
  const browser = await chrome();
  const context = await browser.newContext({
    viewport,
    colorScheme,
    reducedMotion,
    deviceScaleFactor,
    hasTouch: viewport.width < 600,
  });
  context.setDefaultTimeout(45_000);
  const page = await context.newPage();
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
  return { context, page, complaints, close: () => context.close() };
}
