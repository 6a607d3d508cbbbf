// Lays the picture out beside the page: a kit of 55 takes longer than a frame.
import { compute, type Shape, type Size } from "./layout";

onmessage = (event: MessageEvent<{ key: string; components: Shape[]; size: Size }>) => {
  const { key, components, size } = event.data;
  postMessage({ key, layout: compute(components, size) });
};
