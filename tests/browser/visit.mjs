// Opens pages of the service in headless Chromium as a visitor would, and prints what happened as JSON.
// Input (stdin): {"chromium": path, "base": origin, "cookies": {name: text}, "pictures": folder or null,
//                 "visits": [{"name", "path", "width", "height", "scheme", "language", "keyboard"}]}
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const order = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: order.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const LONGEST_TOUR = 900, MOST_PARTS = 6, AT_ONCE = 3;

async function open({ path, width, height, scheme, language }, script) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: scheme, locale: language, javaScriptEnabled: script,
  });
  const cookies = { ...order.cookies, lang: language };
  await context.addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: order.base })));
  const page = await context.newPage();
  const messages = [], requests = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  page.on("dialog", (dialog) => { messages.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => requests.push(request.url()));
  const response = await page.goto(order.base + path, { waitUntil: "networkidle" });
  return { context, page, messages, requests, status: response.status() };
}

// What has to be scrolled sideways within the page; the tabs of a project are a list to swipe.
const sideways = (page) => page.evaluate(() => [...document.querySelectorAll("main *")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX === "auto")
  .map((each) => each.getAttribute("aria-label") || each.outerHTML.slice(0, 100)));

const widths = (page) => page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);

async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
  return found.violations.map(({ id, impact, nodes }) =>
    ({ id, impact, count: nodes.length, html: nodes[0].html.slice(0, 300), why: nodes[0].failureSummary }));
}

// The same on the widths between a phone and a desktop.
async function between(page, { width, height }) {
  const found = {};
  for (const each of [768, 1024]) {
    await page.setViewportSize({ width: each, height });
    const [wide, window] = await widths(page);
    const moved = await sideways(page);
    if (wide > window || moved.length) found[each] = moved;
  }
  await page.setViewportSize({ width, height });
  return found;
}

// Ids that several elements have: a label leads to the first of them alone.
const repeated = (page) => page.evaluate(() => {
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  return ids.filter((each, place) => ids.indexOf(each) !== place);
});

// Tabs through the page: what a keyboard cannot reach, and what shows no mark while it has the focus.
async function tour(page) {
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.className);
  const unmarked = [];
  let stays = 0; // the parts of a date are stops of one control
  for (let steps = 0; steps < LONGEST_TOUR; steps += 1) {
    const seen = await page.evaluate(() => {
      const focused = document.activeElement;
      if (!focused || focused === document.body) return null;
      if (focused.dataset.toured) return focused.type === "date" ? "stays" : null;
      focused.dataset.toured = "1";
      const style = getComputedStyle(focused);
      return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 ? "" : focused.outerHTML.slice(0, 200);
    });
    stays = seen === "stays" ? stays + 1 : 0;
    if (seen === null || stays > MOST_PARTS) break;
    if (seen && seen !== "stays") unmarked.push(seen);
    await page.keyboard.press("Tab");
  }
  const unreached = await page.evaluate(() =>
    [...document.querySelectorAll("a[href], button, select, input, textarea, summary, [tabindex='0']")]
      .filter((each) => each.checkVisibility() && !each.disabled && !each.dataset.toured && each.type !== "hidden")
      .map((each) => each.outerHTML.slice(0, 200)));
  await page.evaluate(() => document.querySelector(".skip").focus());
  await page.keyboard.press("Enter");
  const skipped = await page.evaluate(() => document.activeElement.id);
  return { first, unmarked, unreached, skipped };
}

async function visit(each) {
  const { context, page, messages, requests, status } = await open(each, true);
  const closed = await widths(page);
  const seen = await page.evaluate(() => ({
    title: document.title,
    language: document.documentElement.lang,
    text: document.querySelector("main").innerText,
    background: getComputedStyle(document.body).backgroundColor,
    styled: document.querySelectorAll("[style], style, script:not([src])").length,
    bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
      .reduce((sum, entry) => sum + entry.transferSize, 0),
  }));
  if (order.pictures) await page.screenshot({ path: `${order.pictures}/${each.name}.png`, fullPage: true });
  const paint = await page.evaluate(() => new Promise((done) => {
    new PerformanceObserver((list) => done(list.getEntries().at(-1).startTime)).observe(
      { type: "largest-contentful-paint", buffered: true });
    setTimeout(() => done(null), 500);
  }));
  const keyboard = each.keyboard ? await tour(page) : null;
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  const opened = await widths(page);
  const swiped = await sideways(page);
  const found = await violations(page);
  const ids = await repeated(page);
  const tablet = each.keyboard && each.width > 1024 ? await between(page, each) : {};
  await page.emulateMedia({ media: "print" });
  const printed = await page.evaluate(() => ({
    background: getComputedStyle(document.body).backgroundColor,
    controls: [...document.querySelectorAll("main button, main select, .tabs, .language, .account, .chips, .edit")]
      .filter((one) => one.checkVisibility()).length,
  }));
  await context.close();
  return { name: each.name, status, messages, outside: requests.filter((url) => !url.startsWith(order.base + "/")),
    closed, opened, swiped, ids, tablet, violations: found, keyboard, printed, paint, plain: each.keyboard ? await plain(each) : null, ...seen };
}

// The same page with script off.
async function plain(each) {
  const { context, page, messages } = await open(each, false);
  const text = await page.locator("main").innerText();
  await context.close();
  return { messages, text };
}

// A few at a time: while one waits for the service, another is looked at.
const visits = [], waiting = [...order.visits];
async function work() {
  for (let each = waiting.shift(); each; each = waiting.shift()) visits.push(await visit(each));
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
await browser.close();
console.log(JSON.stringify(visits));
