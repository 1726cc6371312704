// Drives Chromium for tests: each line on standard input is a piece of JavaScript, as JSON; its result is a line of JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, program] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu"] });
const Step = Object.getPrototypeOf(async () => {}).constructor;
let context, page;
const errors = [];

async function fresh(options = {}) {
  await context?.close();
  context = await browser.newContext({ bypassCSP: false, ...options });
  page = await context.newPage();
  errors.length = 0;
  page.on("pageerror", (why) => errors.push(String(why)));
  page.on("console", (line) => { if (line.type() === "error") errors.push(line.text()); });
}

// axe runs beside the page's own scripts, by the debugger: the policy of the page stays in force.
async function findings() {
  const session = await context.newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
      .then((found) => JSON.stringify(found.violations.map((each) => [each.id, each.nodes.map((node) => node.html.slice(0, 200))])))`,
    awaitPromise: true, returnByValue: true,
  });
  if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
  return JSON.parse(result.value);
}

await fresh();
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const step = new Step("page", "context", "fresh", "findings", "errors", JSON.parse(line));
    answer = { value: (await step(page, context, fresh, findings, errors)) ?? null };
  } catch (why) {
    answer = { error: String(why?.stack ?? why) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
