// What Wireshark makes of a capture: one JSON object a frame, with every line of its tree.
//
//   npm ci --prefix tests/e2_dissect
//   node tests/e2_dissect/dissect.mjs e2.pcap
//
// Checksums of SCTP and IP are verified, which Wireshark does not do by itself. It does not judge;
// tests do. Exit code 2: the capture could not be loaded.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const folder = join(dirname(require.resolve("@goodtools/wiregasm/package.json")), "dist");
const PREFERENCES = [["sctp", "checksum", "crc-32c"], ["ip", "check_checksum", "TRUE"]];

async function open() {
  const load = require(join(folder, "wiregasm.js"));
  const silent = () => {};
  const wireshark = await load({
    locateFile: (name, prefix) => (/\.(wasm|data)$/.test(name) ? join(folder, name) : prefix + name),
    handleStatus: silent, print: silent, printErr: silent,
  });
  wireshark.init();
  for (const [module, key, value] of PREFERENCES) {
    const { code, error } = wireshark.setPref(module, key, value);
    if (code !== 0) throw new Error(`${module}.${key} cannot be set: ${error || code}`);
  }
  wireshark.applyPreferences();
  return wireshark;
}

const list = (vector) => Array.from({ length: vector.size() }, (_, index) => vector.get(index));

function* lines(nodes, depth) {
  for (const node of list(nodes)) {
    yield [depth, node.label];
    if (node.tree) yield* lines(node.tree, depth + 1);
  }
}

async function main([capture]) {
  if (!capture) throw new Error("usage: node dissect.mjs CAPTURE");
  const wireshark = await open();
  const inside = join(wireshark.getUploadDirectory(), "capture");
  wireshark.FS.writeFile(inside, readFileSync(capture));
  const session = new wireshark.DissectSession(inside);
  const loaded = session.load();
  if (loaded.code !== 0) throw new Error(`${capture} cannot be loaded: ${loaded.error}`);
  const names = list(wireshark.getColumns());
  list(session.getFrames("", 0, 0).frames).forEach((frame, index) => {
    const columns = Object.fromEntries(list(frame.columns).map((text, at) => [names[at], text]));
    const tree = [...lines(session.getFrame(index + 1).tree, 0)];
    console.log(JSON.stringify({ number: index + 1, columns, tree }));
  });
}

main(process.argv.slice(2)).catch((error) => {
  console.error(String((error && error.message) || error));
  process.exitCode = 2;
});
