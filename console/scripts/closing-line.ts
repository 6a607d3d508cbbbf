// A vitest reporter that ends with one plain line ("12 passed, 0 failed"), which CI logs can be searched for.
import type { Reporter, TestModule } from "vitest/node";

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>) {
    let passed = 0;
    let failed = 0;
    for (const module of modules) {
      if (module.errors().length > 0) failed += 1;
      for (const test of module.children.allTests()) {
        if (test.result().state === "failed") failed += 1;
        else if (test.result().state === "passed") passed += 1;
      }
    }
    console.log(`${passed} passed, ${failed} failed`);
  }
}
