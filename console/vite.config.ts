import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import ClosingLine from "./scripts/closing-line.ts";

const api = process.env.CATALYST_API ?? "http://127.0.0.1:7090";

export default defineConfig({
  plugins: [svelte()],
  build: { target: "es2022", cssTarget: ["chrome123", "firefox120", "safari17.5"], reportCompressedSize: false },
  server: { host: "127.0.0.1", port: 7091, proxy: { "/api": api, "/auth": api, "/healthz": api } },
  // All is pure: the time-out is for what hangs, not for a busy machine.
  test: { include: ["tests/**/*.test.ts"], testTimeout: 60_000, reporters: ["default", new ClosingLine()] },
});
