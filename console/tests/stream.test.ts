import { expect, test } from "vitest";
import { SseParser } from "../src/live/sse";

test("frames arrive whole however the bytes are cut", () => {
  const text = 'id: 4\ndata: {"seq":4}\n\n: ping\n\nevent: done\ndata: {"a":\ndata: 1}\n\n';
  const whole = new SseParser().push(text);
  expect(whole).toEqual([
    { id: "4", event: "message", data: '{"seq":4}' },
    { event: "done", data: '{"a":\n1}' },
  ]);
  for (let cut = 1; cut < text.length; cut++) {
    const parser = new SseParser();
    expect([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))]).toEqual(whole);
  }
});

test("carriage returns are line ends too, and pings are no frames", () => {
  const parser = new SseParser();
  expect(parser.push(": ping\r\n\r\n")).toEqual([]);
  expect(parser.push("data:x\r\n\r\n")).toEqual([{ event: "message", data: "x" }]);
});
