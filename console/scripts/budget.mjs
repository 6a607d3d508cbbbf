// Fails the build when the script a first visit loads is over its budget (150 KB gzip).
import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const BUDGET = 150 * 1024;
const folder = new URL("../dist/", import.meta.url);
const html = await readFile(new URL("index.html", folder), "utf8");
const first = new Set([...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((m) => m[1]));

let script = 0;
let lazy = 0;
let style = 0;
for (const name of await readdir(new URL("assets/", folder))) {
  const size = gzipSync(await readFile(new URL(`assets/${name}`, folder)), { level: 9 }).length;
  if (name.endsWith(".css")) style += size;
  else if (name.endsWith(".js") && first.has(`assets/${name}`)) script += size;
  else if (name.endsWith(".js")) lazy += size;
}
const kb = (n) => `${(n / 1024).toFixed(1)} KB`;
console.log(`first load: script ${kb(script)} gzip of ${kb(BUDGET)}; style ${kb(style)}; loaded later ${kb(lazy)}`);
if (script > BUDGET) {
  console.error("console: the first load is over its budget; load something later or drop it");
  process.exit(1);
}
