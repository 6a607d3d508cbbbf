export interface Row {
  name: string;
  component: string;
  slot: string;
  version: string;
  dependsOn: string[];
  seconds: number;
  workloads: { kind: string; namespace: string; name: string; desired: number }[];
}
export const sandboxKit: Row[];
export const fullKit: Row[];
export function hugeKit(n: number): Row[];
