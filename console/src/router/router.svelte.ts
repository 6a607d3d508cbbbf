// Every page and every selection is a URL. History API; plain <a href> links work, so do new tabs and the back button.

export const TABS = ["overview", "components", "jobs", "events", "access"] as const;
export type Tab = (typeof TABS)[number];

export type Route =
  | { page: "sovereigns" }
  | { page: "new" }
  | { page: "login" }
  | { page: "sovereign"; id: string; tab: Tab }
  | { page: "nowhere" };

/** The page a path names. */
export function parse(path: string): Route {
  const parts = path.split("/").filter(Boolean);
  if (parts.length === 0) return { page: "sovereigns" };
  if (parts[0] === "login" && parts.length === 1) return { page: "login" };
  if (parts[0] !== "sovereigns") return { page: "nowhere" };
  if (parts.length === 1) return { page: "sovereigns" };
  if (parts[1] === "new" && parts.length === 2) return { page: "new" };
  const tab = (parts[2] ?? "overview") as Tab;
  if (parts.length > 3 || !TABS.includes(tab)) return { page: "nowhere" };
  try {
    return { page: "sovereign", id: decodeURIComponent(parts[1]!), tab };
  } catch {
    return { page: "nowhere" };
  }
}

export const pathOf = (id: string, tab: Tab = "overview", query: Record<string, string | undefined> = {}) => {
  const search = new URLSearchParams(
    Object.entries(query).filter((e): e is [string, string] => Boolean(e[1])),
  ).toString();
  return `/sovereigns/${encodeURIComponent(id)}/${tab}${search && `?${search}`}`;
};

class Router {
  route = $state.raw<Route>(parse(location.pathname));
  query = $state.raw(new URLSearchParams(location.search));
  /** What was asked for when the session turned out to be gone. */
  wanted = "/";

  constructor() {
    addEventListener("popstate", () => this.#read());
    addEventListener("click", (event) => this.#intercept(event));
  }

  go(path: string, replace = false) {
    if (path === location.pathname + location.search) return;
    history[replace ? "replaceState" : "pushState"](null, "", path);
    const before = this.route;
    this.#read();
    if (JSON.stringify(before) !== JSON.stringify(this.route)) scrollTo(0, 0);
  }

  /** Changes the query in place; undefined takes a key away. */
  ask(changes: Record<string, string | undefined>) {
    const query = new URLSearchParams(location.search);
    for (const [key, value] of Object.entries(changes)) {
      if (value) query.set(key, value);
      else query.delete(key);
    }
    const search = query.toString();
    this.go(location.pathname + (search && `?${search}`), true);
  }

  #read() {
    this.route = parse(location.pathname);
    this.query = new URLSearchParams(location.search);
  }

  #intercept(event: MouseEvent) {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = (event.target as Element | null)?.closest?.("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname.startsWith("/api/") || link.pathname.startsWith("/auth/") || link.pathname.startsWith("/docs/"))
      return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

export const router = new Router();
