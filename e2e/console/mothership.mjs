// A mothership of this test's own: `catalyst up` without a Sovereign, in folders of its own; and its end.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../..", import.meta.url));

/** The program under test: what CATALYST_BIN names, else the one that `make build` made. */
function program() {
  if (process.env.CATALYST_BIN) return process.env.CATALYST_BIN;
  const target = process.env.CARGO_TARGET_DIR ?? "target";
  const folder = isAbsolute(target) ? target : join(source, target);
  return join(folder, "x86_64-unknown-linux-gnu/debug/catalyst");
}

/** Runs `catalyst <args>` to its end; gives all it said to people. */
async function catalyst(args, env) {
  const child = spawn(program(), args, {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => (said += chunk));
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  // The one-time link in it is nobody else's business.
  const told = said.replace(/token=\S+/g, "token=…");
  if (code !== 0)
    throw new Error(`catalyst ${args.join(" ")} ended with ${code}:\n${told}`);
  return said;
}

/** Brings a mothership up; `link` signs in once, `stop` takes everything down again, Sovereigns included. */
export async function startMothership() {
  if (!existsSync(program()))
    throw new Error(`${program()} is not there: run \`make build\``);
  const home = await mkdtemp(join(tmpdir(), "catalyst-console-"));
  const env = {
    ...process.env,
    CATALYST_HOME: home,
    CATALYST_SOURCE: source,
    NO_COLOR: "1",
  };
  const stop = async () => {
    await catalyst(["down", "--purge"], env);
    await rm(home, { recursive: true, force: true });
  };
  try {
    const said = await catalyst(["up", "--without-sovereign"], env);
    const link = /open\s+(http\S+)/.exec(said)?.[1];
    if (!link) throw new Error("`catalyst up` printed no link");
    return { base: new URL(link).origin, link, stop };
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
}
