// Every request the console makes. A refusal arrives as `Refused` with the server's problem+json,
// a server that does not answer as `Away`.
import type { Created, CreateRequest, EventsPage, Problem, Session, State, Version } from "./types";

/** How long one request may take before the server counts as away, in milliseconds. */
const PATIENCE_MS = 15_000;

/** The server answered and said no. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

/** The server did not answer at all. */
export class Away extends Error {}

let onServerTime: (serverMs: number) => void = () => {};
let onSignedOut: () => void = () => {};

/** Called with the server's clock (whole seconds, in ms) on each answer, so that ages are right on a skewed machine. */
export function listenForServerTime(listener: (serverMs: number) => void) {
  onServerTime = listener;
}

/** Called when the session is gone. */
export function listenForSignOut(listener: () => void) {
  onSignedOut = listener;
}

const nothingSaid: Problem = { type: "", title: "", status: 0, detail: "", code: "", cause: "", fix: "", error: "" };

/** What to say when nothing answers. */
export const awayProblem: Problem = {
  ...nothingSaid,
  title: "The server does not answer",
  cause: "No connection to catalystd could be made from this browser; the page tries again by itself.",
  fix: "Start it again with `make up`: it resumes where it was.",
};

/** Turns any thrown value into a problem that can be shown. */
export function asProblem(error: unknown): Problem {
  return error instanceof Refused ? error.problem : awayProblem;
}

async function problemOf(response: Response): Promise<Problem> {
  const title = response.statusText || `The server answered ${response.status}`;
  const fallback: Problem = { ...nothingSaid, title, status: response.status };
  try {
    const body = (await response.json()) as Partial<Problem>;
    return { ...fallback, ...body };
  } catch {
    return fallback;
  }
}

/** One request; resolves with the response when it is a success. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const signal = init.signal ?? AbortSignal.timeout(PATIENCE_MS);
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init, signal });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Away("no answer", { cause: error });
  }
  const date = response.headers.get("date");
  if (date) onServerTime(Date.parse(date));
  if (response.ok) return response;
  // A gateway in between that cannot reach the server is the server being away, not a refusal of ours.
  if (response.status === 502 || response.status === 504) throw new Away(`gateway answered ${response.status}`);
  const problem = await problemOf(response);
  if (response.status === 401 && !path.startsWith("/api/v1/auth/")) onSignedOut();
  throw new Refused(problem);
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await (await request(path, init)).json()) as T;
}

function post(body: unknown): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

const deployment = (id: string) => `/api/v1/deployments/${encodeURIComponent(id)}`;

export const session = () => json<Session>("/api/v1/auth/session");
export const login = (token: string) => request("/api/v1/auth/login", post({ token }));
export const logout = () => request("/api/v1/auth/logout", { method: "POST" });
export const version = () => json<Version>("/api/v1/version");

export async function listDeployments(): Promise<State[]> {
  return (await json<{ deployments: State[] }>("/api/v1/deployments")).deployments;
}

export const getDeployment = (id: string, signal?: AbortSignal) =>
  json<State>(deployment(id), signal ? { signal } : undefined);

export const getEvents = (id: string, after: number) => json<EventsPage>(`${deployment(id)}/events?after=${after}`);

export const createDeployment = (spec: CreateRequest, key: string) => {
  const init = post(spec);
  return json<Created>("/api/v1/deployments", { ...init, headers: { ...init.headers, "idempotency-key": key } });
};

/** Begins a failed infrastructure again; what stands is kept. */
export const retryInfrastructure = (id: string) =>
  request(`${deployment(id)}/phases/infrastructure/retry`, { method: "POST" });

/** Opens the event stream after `after`; the caller reads the body. */
export const openStream = (id: string, after: number, signal: AbortSignal) =>
  request(`${deployment(id)}/logs?after=${after}`, { signal, headers: { accept: "text/event-stream" } });

export const kubeconfigPath = (id: string) => `${deployment(id)}/kubeconfig`;

export async function fetchKubeconfig(id: string): Promise<Blob> {
  return (await request(kubeconfigPath(id))).blob();
}
