// Goes a way through the service in headless Chromium, and prints what was read on it as JSON.
// Input (stdin): {"chromium": path, "base": origin, "cookies": {name: text}, "language", "width", "script",
//                 "steps": [{"goto": path} | {"follow": selector} | {"choose": selector, "with": value} | {"click": selector}
//                           | {"focus": selector} | {"hover": selector} | {"fill": selector, "with": text} | {"press": key}
//                           | {"twice": selector} | {"back": ""} | {"read": selector}]}
// `follow`, `choose`, `twice` (two clicks, of which the number of requests is read) and `back` lead to another page, the other steps stay on it.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const order = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({
  executablePath: order.chromium, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ignoreDefaultArgs: ["--disable-back-forward-cache"], // a reader's browser has one
});
const context = await browser.newContext({
  viewport: { width: order.width ?? 1280, height: 900 }, locale: order.language, javaScriptEnabled: order.script ?? true,
});
const cookies = { ...order.cookies, lang: order.language };
await context.addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: order.base })));
const page = await context.newPage();
page.setDefaultTimeout(60_000);
const messages = [], read = [];
// Chromium says as information that a sign-out has cleared its cache.
page.on("console", (message) => message.type() === "info" || messages.push(message.text()));
page.on("pageerror", (error) => messages.push(String(error)));
const where = (selector) => page.locator(selector).first();
const leading = (act) => Promise.all([page.waitForNavigation({ waitUntil: "networkidle" }), act]);
// On a slow connection the second click comes while the first request is under way.
async function twice(selector) {
  let requests = 0;
  await page.route("**", async (route) => {
    if (route.request().method() === "POST") requests += 1;
    await new Promise((done) => { setTimeout(done, 400); });
    await route.continue().catch(() => {}); // the browser gave it up
  });
  await leading(where(selector).evaluate((button) => {
    button.click();
    setTimeout(() => button.click(), 100);
  }));
  await page.unroute("**");
  read.push({ path: page.url().slice(order.base.length), texts: [String(requests)] });
}

// A page from the browser's own cache fires no event of loading.
async function back() {
  const left = page.url();
  await page.evaluate(() => history.back());
  await page.waitForURL((url) => url.href !== left, { waitUntil: "commit" });
  await page.waitForFunction(() => document.readyState === "complete" && document.visibilityState === "visible");
}

for (const step of order.steps) {
  if ("goto" in step) await page.goto(order.base + step.goto, { waitUntil: "networkidle" });
  else if ("follow" in step) await leading(where(step.follow).click());
  else if ("choose" in step) await leading(where(step.choose).selectOption(step.with));
  else if ("click" in step) await where(step.click).click();
  else if ("twice" in step) await twice(step.twice);
  else if ("back" in step) await back();
  else if ("focus" in step) await where(step.focus).focus();
  else if ("hover" in step) await where(step.hover).hover();
  else if ("fill" in step) await where(step.fill).fill(step.with);
  else if ("press" in step) await page.keyboard.press(step.press);
  else read.push({ path: page.url().slice(order.base.length), texts: await page.locator(step.read).allInnerTexts() });
}
await browser.close();
console.log(JSON.stringify({ messages, read }));
