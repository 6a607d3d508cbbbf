// Who is signed in.
import { listenForSignOut, logout, session as readSession } from "../api/client";
import type { Session } from "../api/types";
import { router } from "../router/router.svelte";

const TIERS = ["viewer", "developer", "operator", "admin", "owner"];

class Who {
  /** undefined: not known yet; null: nobody. */
  session = $state.raw<Session | null | undefined>(undefined);

  constructor() {
    listenForSignOut(() => this.gone());
  }

  async load() {
    this.session = await readSession();
  }

  gone() {
    this.session = null;
    if (location.pathname !== "/login") {
      router.wanted = location.pathname + location.search;
      router.go("/login", true);
    }
  }

  async signOut() {
    await logout();
    this.session = null;
    router.wanted = "/";
    router.go("/login");
  }

  /** Whether the tier reaches `tier`; the server decides, this only spares a useless click. */
  may(tier: string): boolean {
    return this.session ? TIERS.indexOf(this.session.tier) >= TIERS.indexOf(tier) : false;
  }
}

export const who = new Who();
