// Which events a search and a level leave. Pure.
import type { Event } from "../../api/types";

export const LEVELS = ["all", "warn", "error"] as const;
export type LevelFilter = (typeof LEVELS)[number];

/** Events that have every word of `query` somewhere, at `level` or graver. Without a filter: the same array, at no cost. */
export function matching(events: readonly Event[], query: string, level: LevelFilter): readonly Event[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0 && level === "all") return events;
  return events.filter((e) => {
    if (level === "error" && e.level !== "error") return false;
    if (level === "warn" && e.level === "info") return false;
    if (words.length === 0) return true;
    const text = `${e.message} ${e.component ?? ""} ${e.phase} ${e.kind} ${e.state ?? ""}`.toLowerCase();
    return words.every((w) => text.includes(w));
  });
}
