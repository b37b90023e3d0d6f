// Makes a component of a JavaScript module: `node build.mjs MODULE WIT WORLD COMPONENT`. It imports what the world imports and
// nothing else: every feature that would bring WASI is switched off.

import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [sourcePath, witPath, worldName, output] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath,
  witPath,
  worldName,
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile(output, component);
