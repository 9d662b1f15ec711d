// `node steered.mjs CLIENT OPTIONS [TIMES]`: orders are lines of JSON on standard input, what is told on standard output.

import { createInterface } from "node:readline";

import { drive, hurry } from "./driver.mjs";

const [client, options, times = "1"] = process.argv.slice(2);
if (Number(times) > 1) hurry(Number(times));
const obey = drive(await import(client), JSON.parse(options), (told) => process.stdout.write(`${JSON.stringify(told)}\n`));
for await (const line of createInterface({ input: process.stdin })) obey(JSON.parse(line));
process.exit();
