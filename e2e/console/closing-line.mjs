// Ends a run of node's tests with one plain line ("12 passed, 0 failed"), as the console's own tests do.
export default async function* closingLine(source) {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const suite = data.details?.type === "suite";
    if (data.skip !== undefined && data.skip !== false) count.skipped += 1;
    // A suite fails by itself only when its own hooks do.
    else if (
      type === "test:fail" &&
      (!suite || data.details.error?.failureType === "hookFailed")
    )
      count.failed += 1;
    else if (type === "test:pass" && !suite) count.passed += 1;
  }
  yield `${count.passed} passed, ${count.failed} failed${count.skipped > 0 ? `, ${count.skipped} skipped` : ""}\n`;
}
