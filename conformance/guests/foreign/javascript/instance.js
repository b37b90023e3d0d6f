// The plugin of `conformance/guests/real/yoi`, in JavaScript: a tool that adds, one that fetches, and an ingress that counts.

import { request } from "yoi:host/request@1.0.0";

let events = 0;

export function start(configJson) {
  return JSON.stringify({ state: "ready", data: JSON.parse(configJson) });
}

export function handleTool(name, inputJson) {
  const input = JSON.parse(inputJson);
  switch (name) {
    // The input is a list of whole numbers.
    case "tool": {
      const sum = input.reduce((sum, number) => sum + number, 0);
      return JSON.stringify({ summary: "added", content: String(sum) });
    }
    // The input is a URL.
    case "other": {
      const answer = JSON.parse(request(JSON.stringify({ method: "GET", url: input })));
      return JSON.stringify({ summary: "error" in answer ? "refused" : "fetched" });
    }
    default:
      return JSON.stringify({ summary: "unknown tool" });
  }
}

export function handleIngress(_name, _eventJson) {
  events += 1;
  return JSON.stringify({ accepted: true });
}

export function status() {
  return JSON.stringify({ state: "running", data: { events } });
}

export function stop() {
  return JSON.stringify({ state: "stopped", data: { events } });
}
