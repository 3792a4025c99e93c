// Opens pages in headless Chromium as a reader would, and prints what happened as JSON.
// Input (stdin): {"chromium": path, "pages": [{"file", "width", "height", "scheme", "name"}], "pictures": folder or null}
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const order = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: order.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

async function look({ file, width, height, scheme, name }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
  const page = await context.newPage();
  const messages = [], requests = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  page.on("dialog", (dialog) => { messages.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  const closed = await measure(page);
  if (order.pictures) {
    const clip = { x: 0, y: 0, width, height: Math.min(closed.height, 4000) };
    await page.screenshot({ path: `${order.pictures}/${name}.png`, fullPage: true, clip, timeout: 120000 });
  }
  await page.emulateMedia({ media: "print" });
  const printed = await page.evaluate(() => ({
    answers: [...document.querySelectorAll(".answer .text")].map((each) => each.checkVisibility() && each.offsetHeight > 0),
    hints: [...document.querySelectorAll(".on-screen, .unprinted")].filter((each) => each.checkVisibility()).length,
    marker: getComputedStyle(document.querySelector(".prompts summary"), "::before").display,
  }));
  await page.emulateMedia({ media: "screen" });
  const directions = await page.evaluate(() => ({
    prompts: [...document.querySelectorAll(".prompts q")].map((each) => each.matches(":dir(rtl)") ? "rtl" : "ltr"),
    page: document.documentElement.matches(":dir(rtl)") ? "rtl" : "ltr",
  }));
  await page.evaluate(() => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  const opened = await measure(page);
  const between = await swiped(page, { width, height });
  const seen = await page.evaluate(() => ({
    title: document.title,
    language: document.documentElement.lang,
    text: document.querySelector("main").innerText,
    background: getComputedStyle(document.body).backgroundColor,
    elements: [...new Set([...document.querySelectorAll("*")].map((each) => each.localName))].sort(),
    links: [...document.querySelectorAll("a[href]")].map((each) => [each.protocol, each.rel]),
    handlers: [...document.querySelectorAll("*")].flatMap((each) => each.getAttributeNames())
      .filter((attribute) => attribute.startsWith("on")),
  }));
  const outside = requests.filter((url) => !url.startsWith("file://"));
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
  const violations = found.violations.map(({ id, impact, nodes }) =>
    ({ id, impact, count: nodes.length, html: nodes[0].html.slice(0, 300), why: nodes[0].failureSummary }));
  await context.close();
  return { name, messages, requests: outside, files: requests.length - outside.length, closed, opened, between, printed, directions, violations,
    ...seen };
}

// On a desktop and a tablet no table has to be moved sideways; on a phone not that of the competitors.
async function swiped(page, { width, height }) {
  const found = [];
  for (const each of width > 500 ? [width, 768] : [width]) {
    await page.setViewportSize({ width: each, height });
    const tables = each > 500 ? ".scroll" : "#rivals .scroll:first-of-type";
    found.push(...await page.evaluate((selector) => [...document.querySelectorAll(selector)]
      .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.getAttribute("aria-label")), tables));
  }
  await page.setViewportSize({ width, height });
  return found;
}

const measure = (page) => page.evaluate(() => ({
  width: document.documentElement.scrollWidth, window: innerWidth, height: document.documentElement.scrollHeight,
}));

const looks = [];
for (const each of order.pages) looks.push(await look(each));
await browser.close();
console.log(JSON.stringify(looks));
