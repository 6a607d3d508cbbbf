// Starts the console's development fixture as a process of its own, and ends it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const server = fileURLToPath(
  new URL("../../console/dev/server.mjs", import.meta.url),
);
const built = fileURLToPath(
  new URL("../../console/dist/index.html", import.meta.url),
);

/** A fixture server on a port of its own; `tool` calls its /dev/… levers. */
export async function startFixture(...args) {
  if (!existsSync(built))
    throw new Error(
      "the console is not built: run `npm run build` in console/",
    );
  const child = spawn(process.execPath, [server, "--port", "0", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const base = await new Promise((resolve, reject) => {
    child.once("exit", (code) =>
      reject(new Error(`the fixture ended with ${code}`)),
    );
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const found = /(http:\/\/127\.0\.0\.1:\d+)/.exec(text);
      if (found) resolve(found[1]);
    });
  });
  const tool = async (path) =>
    (await fetch(`${base}/dev/${path}`, { method: "POST" })).json();
  const stop = () =>
    new Promise((done) => {
      child.removeAllListeners("exit");
      child.once("exit", done);
      child.kill();
    });
  return { base, tool, stop };
}
