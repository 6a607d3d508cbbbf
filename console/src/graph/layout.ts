// Where each component stands in the picture. Depends on names, slots and dependencies only, never on states, so that the
// picture stands still while everything in it moves.
import { graphlib, layout as dagre } from "@dagrejs/dagre";
import type { Component } from "../api/types";

export type Shape = Pick<Component, "name" | "slot" | "dependsOn">;

export interface Size {
  width: number;
  height: number;
  /** Between neighbours in one column. */
  gap: number;
  /** Between columns. */
  reach: number;
}

export interface Box {
  name: string;
  /** Upper left corner. */
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Edge {
  from: string;
  to: string;
  /** An SVG path. */
  path: string;
}

export interface Layout {
  width: number;
  height: number;
  boxes: ReadonlyMap<string, Box>;
  edges: readonly Edge[];
  /** Names from left to right, top to bottom: the order of the keyboard and of lists. */
  order: readonly string[];
}

export const ROOMY: Size = { width: 196, height: 52, gap: 18, reach: 64 };
export const SNUG: Size = { width: 150, height: 40, gap: 8, reach: 34 };
/** How small the picture may be drawn before it scrolls instead. */
export const SMALLEST = 0.86;
export const DENSE: Size = { width: 128, height: 26, gap: 7, reach: 22 };

/** The largest size in which the picture fits into the room (pixels): a matter of the shape, not of states. */
export function sizeFor(components: readonly Shape[], room: { width: number; height: number }): Size {
  const columns = new Map<number, number>();
  for (const depth of depths(components).values()) columns.set(depth, (columns.get(depth) ?? 0) + 1);
  const fullest = Math.max(1, ...columns.values());
  const fits = (s: Size) =>
    (fullest * (s.height + s.gap) - s.gap) * SMALLEST <= room.height &&
    (columns.size * (s.width + s.reach) - s.reach) * SMALLEST <= room.width;
  return [ROOMY, SNUG].find(fits) ?? DENSE;
}

/** How many steps of dependencies stand before each. */
function depths(components: readonly Shape[]): Map<string, number> {
  const byName = new Map(components.map((c) => [c.name, c]));
  const depth = new Map<string, number>();
  const depthOf = (name: string): number => {
    const known = depth.get(name);
    if (known !== undefined) return known;
    depth.set(name, 0);
    const needs = byName.get(name)?.dependsOn.filter((d) => byName.has(d)) ?? [];
    const own = needs.length === 0 ? 0 : 1 + Math.max(...needs.map(depthOf));
    depth.set(name, own);
    return own;
  };
  for (const c of components) depthOf(c.name);
  return depth;
}

/** What the layout depends on, as one string. */
export function shapeKey(components: readonly Shape[], size: Size): string {
  const parts = components.map((c) => `${c.slot}/${c.name}<${[...c.dependsOn].sort().join(",")}`).sort();
  return `${size.width}x${size.height}|${parts.join("|")}`;
}

const slots = new Intl.Collator("en", { numeric: true });

/** The order of the kit: by slot, then by name. */
export function bySlot(a: Pick<Shape, "slot" | "name">, b: Pick<Shape, "slot" | "name">): number {
  return slots.compare(a.slot, b.slot) || slots.compare(a.name, b.name);
}

/** The layout of a set of components. The same shape gives the same layout, in whatever order it is told. */
export function compute(components: readonly Shape[], size: Size): Layout {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: size.gap, ranksep: size.reach, edgesep: 6, marginx: 2, marginy: 2 });
  graph.setDefaultEdgeLabel(() => ({}));
  const sorted = [...components].sort(bySlot);
  const names = new Set(sorted.map((c) => c.name));
  for (const c of sorted) graph.setNode(c.name, { width: size.width, height: size.height });
  for (const [from, to] of drawnEdges(sorted, names)) graph.setEdge(from, to);
  dagre(graph);

  const boxes = new Map<string, Box>();
  for (const name of names) {
    const node = graph.node(name) as { x: number; y: number };
    boxes.set(name, {
      name,
      x: Math.round(node.x - size.width / 2),
      y: Math.round(node.y - size.height / 2),
      width: size.width,
      height: size.height,
    });
  }
  const edges = graph.edges().map((e): Edge => {
    const { points } = graph.edge(e) as { points: { x: number; y: number }[] };
    const a = boxes.get(e.v)!;
    const b = boxes.get(e.w)!;
    const inner = points.slice(1, -1);
    const start = { x: a.x + size.width, y: a.y + size.height / 2 };
    const end = { x: b.x, y: b.y + size.height / 2 };
    return {
      from: e.v,
      to: e.w,
      path: curve([start, ...inner.filter((p) => p.x > start.x + 1 && p.x < end.x - 1), end]),
    };
  });
  const order = [...boxes.values()].sort((a, b) => a.x - b.x || a.y - b.y).map((b) => b.name);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { width: Math.ceil(width), height: Math.ceil(height), boxes, edges, order };
}

/** Names in the order a person walks through them: by depth, then by slot. */
export function walkOrder(components: readonly Shape[]): string[] {
  const depth = depths(components);
  return [...components].sort((a, b) => depth.get(a.name)! - depth.get(b.name)! || bySlot(a, b)).map((c) => c.name);
}

/** The name that stands for everything folded away. */
export const FOLDED = "·finished";

/** The shape with `folded` as one box at the start, and what needs any of them hanging from it. */
export function foldShape(components: readonly Shape[], folded: ReadonlySet<string>): Shape[] {
  if (folded.size === 0) return components.map((c) => ({ name: c.name, slot: c.slot, dependsOn: c.dependsOn }));
  const rest = components
    .filter((c) => !folded.has(c.name))
    .map((c) => ({
      name: c.name,
      slot: c.slot,
      dependsOn: [...new Set(c.dependsOn.map((d) => (folded.has(d) ? FOLDED : d)))],
    }));
  return [{ name: FOLDED, slot: "", dependsOn: [] }, ...rest];
}

/** Dependencies worth a line: one that another path already implies is left out (the panel still lists it). */
export function drawnEdges(components: readonly Shape[], names: ReadonlySet<string>): [string, string][] {
  const needs = new Map(components.map((c) => [c.name, c.dependsOn.filter((d) => names.has(d) && d !== c.name)]));
  const reach = new Map<string, Set<string>>();
  const reachOf = (name: string, open: Set<string>): Set<string> => {
    const known = reach.get(name);
    if (known) return known;
    const all = new Set<string>();
    if (open.has(name)) return all;
    open.add(name);
    for (const d of needs.get(name) ?? []) {
      all.add(d);
      for (const far of reachOf(d, open)) all.add(far);
    }
    open.delete(name);
    reach.set(name, all);
    return all;
  };
  const edges: [string, string][] = [];
  for (const c of components) {
    const direct = [...new Set(needs.get(c.name) ?? [])].sort();
    for (const d of direct) {
      const implied = direct.some((other) => other !== d && reachOf(other, new Set()).has(d));
      if (!implied) edges.push([d, c.name]);
    }
  }
  return edges;
}

/** A curve that leaves and enters each point horizontally. */
function curve(points: { x: number; y: number }[]): string {
  const r = (n: number) => Math.round(n * 10) / 10;
  let path = `M${r(points[0]!.x)},${r(points[0]!.y)}`;
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1]!;
    const b = points[i]!;
    const mid = r((a.x + b.x) / 2);
    path += ` C${mid},${r(a.y)} ${mid},${r(b.y)} ${r(b.x)},${r(b.y)}`;
  }
  return path;
}

/** The box one step from `from` in a direction: the nearest that lies more that way than to the side. */
export function neighbour(
  boxes: Iterable<Box>,
  from: Box,
  direction: "left" | "right" | "up" | "down",
): Box | undefined {
  const level = direction === "left" || direction === "right";
  const sign = direction === "left" || direction === "up" ? -1 : 1;
  let best: Box | undefined;
  let least = Infinity;
  for (const box of boxes) {
    const dx = box.x - from.x;
    const dy = box.y - from.y;
    const along = sign * (level ? dx : dy);
    const aside = Math.abs(level ? dy : dx);
    // Within a column only the column counts; between columns whatever is nearest.
    if (along <= 0 || (!level && aside >= box.width)) continue;
    const far = along + 2 * aside;
    if (far < least) [best, least] = [box, far];
  }
  return best;
}
