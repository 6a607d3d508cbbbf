// Durations and instants as text. Everything here is pure; `elapsed` never changes width by more than a digit per step.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const two = (n: number) => String(n).padStart(2, "0");

/** A running time, in whole seconds: "7 s", "1 m 05 s", "2 h 03 m", "3 d 4 h". */
export function elapsed(ms: number): string {
  const t = Math.max(0, Math.floor(ms / SECOND)) * SECOND;
  if (t < MINUTE) return `${t / SECOND} s`;
  if (t < HOUR) return `${Math.floor(t / MINUTE)} m ${two((t % MINUTE) / SECOND)} s`;
  if (t < DAY) return `${Math.floor(t / HOUR)} h ${two(Math.floor((t % HOUR) / MINUTE))} m`;
  return `${Math.floor(t / DAY)} d ${Math.floor((t % DAY) / HOUR)} h`;
}

/** A finished time: like `elapsed`, with a tenth below ten seconds ("3.4 s"). */
export function duration(ms: number): string {
  if (ms < 50) return "< 0.1 s";
  if (ms < 9_950) return `${(Math.max(0, ms) / SECOND).toFixed(1)} s`;
  return elapsed(Math.round(ms / SECOND) * SECOND);
}

/** How old something is, in its largest unit: "just now", "12 s ago", "16 m ago", "5 h ago". */
export function age(ms: number): string {
  if (ms < 2 * SECOND) return "just now";
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} m ago`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ago`;
  return `${Math.floor(ms / DAY)} d ago`;
}

/** Milliseconds from `from` to `to`; undefined when either is missing or not a time. */
export function between(from: string | null | undefined, to: string | number | null | undefined): number | undefined {
  if (!from || to === null || to === undefined || to === "") return undefined;
  const ms = (typeof to === "number" ? to : Date.parse(to)) - Date.parse(from);
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** The wall clock in the reader's zone: "14:03:22". */
export function clockTime(iso: string): string {
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return "–";
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Date and time in the reader's zone: "21 Nov 2026, 14:03:22". */
export function stamp(iso: string): string {
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return "–";
  return `${d.getDate()} ${MONTHS[d.getMonth()]} ${d.getFullYear()}, ${clockTime(iso)}`;
}
