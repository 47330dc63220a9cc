// Decodes a recording with the client compiled to WebAssembly, and prints what a tick of the quickest
// round cost. Arguments: the folder of the module, the recording, ticks to warm up, ticks of a round.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [folder, file, warmUp, round] = process.argv.slice(2);
const { Decoder } = createRequire(import.meta.url)(join(resolve(folder), "decode.js"));

// Parts with their length in front: the schema, then one snapshot a tick.
const bytes = readFileSync(file);
const parts = [];
for (let at = 0; at < bytes.length; ) {
  const length = bytes.readUInt32LE(at);
  parts.push(bytes.subarray(at + 4, at + 4 + length));
  at += 4 + length;
}
const [schema, ...snapshots] = parts;

const decoder = new Decoder(schema);
let best = Infinity;
for (let tick = 0; tick < snapshots.length; ) {
  const ticks = Math.min(tick === 0 ? Number(warmUp) : Number(round), snapshots.length - tick);
  const start = performance.now();
  for (const snapshot of snapshots.slice(tick, tick + ticks)) decoder.apply(snapshot);
  const ns = ((performance.now() - start) * 1e6) / ticks;
  if (tick > 0) best = Math.min(best, ns);
  tick += ticks;
}
console.log(JSON.stringify({ ns_per_tick: best, checksum: String(decoder.checksum()) }));
