// A reader of server-sent events over fetch. Unlike EventSource it tells a ping from silence and a refusal from an outage.

export interface Frame {
  id?: string;
  event: string;
  data: string;
}

/** Feeds on chunks of text, gives whole frames. Comments (pings) give none, but the caller sees that a chunk came. */
export class SseParser {
  #rest = "";

  push(chunk: string): Frame[] {
    const text = this.#rest + chunk;
    const blocks = text.split(/\r?\n\r?\n/);
    this.#rest = blocks.pop() ?? "";
    const frames: Frame[] = [];
    for (const block of blocks) {
      const frame = parseBlock(block);
      if (frame) frames.push(frame);
    }
    return frames;
  }
}

function parseBlock(block: string): Frame | null {
  const data: string[] = [];
  const frame: Frame = { event: "message", data: "" };
  for (const line of block.split(/\r?\n/)) {
    if (line === "" || line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "event") frame.event = value;
    else if (field === "id") frame.id = value;
  }
  if (data.length === 0) return null;
  frame.data = data.join("\n");
  return frame;
}
