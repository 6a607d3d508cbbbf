// What the create form knows: the rules that can be told while typing (the server's word is the last), which field a
// refusal concerns, and the command that does the same.
import type { CreateRequest, Problem, State } from "../api/types";

export type Field = "sovereignFQDN" | "name" | "orgName" | "orgEmail";

const LABEL = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
const NAME = /^[a-z][a-z0-9-]{0,14}$/;
const EMAIL = /^[^\s@]+@[^\s@]+$/;

/** What is wrong with each field, if anything. */
export function check(
  values: Record<Field, string>,
  existing: readonly Pick<State, "name" | "sovereignFQDN">[],
): Record<Field, string | undefined> {
  const fqdn = values.sovereignFQDN.trim().toLowerCase();
  const name = values.name.trim();
  const labels = fqdn.split(".");
  const taken = existing.find((s) => s.sovereignFQDN === fqdn);
  const wrong: Record<Field, string | undefined> = {
    sovereignFQDN: undefined,
    name: undefined,
    orgName: undefined,
    orgEmail: undefined,
  };
  if (fqdn === "") wrong.sovereignFQDN = "A domain name is needed, such as `sov1.example.org`.";
  else if (labels.length < 2 || !labels.every((l) => LABEL.test(l)))
    wrong.sovereignFQDN =
      "At least two labels of letters, digits and `-`, each beginning with a letter: `sov1.example.org`.";
  else if (taken) wrong.sovereignFQDN = `The Sovereign \`${taken.name}\` has this domain already.`;
  const called = name || labels[0]!;
  if (name !== "" && !NAME.test(name)) wrong.name = "A letter, then at most 14 letters, digits or `-`, all lower case.";
  else if (name === "" && !wrong.sovereignFQDN && !NAME.test(called))
    wrong.name = `The first label, \`${called}\`, is too long for a short name: give one of at most 15 characters.`;
  else if (!wrong.sovereignFQDN && existing.some((s) => s.name === called))
    wrong.name = `There is a Sovereign called \`${called}\` already.`;
  if (values.orgName.trim() === "") wrong.orgName = "An organisation is needed.";
  if (values.orgEmail.trim() === "") wrong.orgEmail = "An address is needed.";
  else if (!EMAIL.test(values.orgEmail.trim())) wrong.orgEmail = "An address such as `ops@example.org`.";
  return wrong;
}

/** The first of sov1, sov2, … that nothing is called yet, under the domain the command uses as well. */
export function firstFree(existing: readonly Pick<State, "name" | "sovereignFQDN">[]): string {
  let n = 1;
  while (existing.some((s) => s.name === `sov${n}` || s.sovereignFQDN === `sov${n}.catalyst.test`)) n += 1;
  return `sov${n}.catalyst.test`;
}

const BY_SLUG: Record<string, Field> = {
  "invalid-fqdn": "sovereignFQDN",
  "fqdn-taken": "sovereignFQDN",
  "invalid-name": "name",
  "name-taken": "name",
  "invalid-email": "orgEmail",
};
const FIELDS: readonly Field[] = ["sovereignFQDN", "name", "orgName", "orgEmail"];

/** The field a refusal is about: by its kind, else by the field its detail names. */
export function fieldOf(problem: Problem): Field | undefined {
  return BY_SLUG[problem.error] ?? FIELDS.find((f) => problem.detail.includes(`\`${f}\``));
}

/** A word as a POSIX shell takes it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The command that creates the same Sovereign. */
export function createCommand(spec: CreateRequest, name: string): string {
  const parts = ["catalyst sovereign create", shellWord(name || "sov1")];
  if (spec.sovereignFQDN) parts.push("--fqdn", shellWord(spec.sovereignFQDN));
  if (spec.orgName) parts.push("--org-name", shellWord(spec.orgName));
  if (spec.orgEmail) parts.push("--org-email", shellWord(spec.orgEmail));
  return parts.join(" ");
}
