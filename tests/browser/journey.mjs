// Goes a way through the service in headless Chromium, and prints what was read on it as JSON.
// Input (stdin): {"chromium": path, "base": origin, "cookies": {name: text}, "language", "width", "script",
//                 "steps": [{"goto": path} | {"follow": selector} | {"choose": selector, "with": value} | {"click": selector}
//                           | {"focus": selector} | {"hover": selector} | {"fill": selector, "with": text} | {"press": key}
//                           | {"read": selector}]}
// `follow` and `choose` lead to another page, the other steps stay on it.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const order = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({
  executablePath: order.chromium, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
});
const context = await browser.newContext({
  viewport: { width: order.width ?? 1280, height: 900 }, locale: order.language, javaScriptEnabled: order.script ?? true,
});
const cookies = { ...order.cookies, lang: order.language };
await context.addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: order.base })));
const page = await context.newPage();
page.setDefaultTimeout(60_000);
const messages = [], read = [];
page.on("console", (message) => messages.push(message.text()));
page.on("pageerror", (error) => messages.push(String(error)));
const where = (selector) => page.locator(selector).first();
const leading = (act) => Promise.all([page.waitForNavigation({ waitUntil: "networkidle" }), act]);
for (const step of order.steps) {
  if ("goto" in step) await page.goto(order.base + step.goto, { waitUntil: "networkidle" });
  else if ("follow" in step) await leading(where(step.follow).click());
  else if ("choose" in step) await leading(where(step.choose).selectOption(step.with));
  else if ("click" in step) await where(step.click).click();
  else if ("focus" in step) await where(step.focus).focus();
  else if ("hover" in step) await where(step.hover).hover();
  else if ("fill" in step) await where(step.fill).fill(step.with);
  else if ("press" in step) await page.keyboard.press(step.press);
  else read.push({ path: page.url().slice(order.base.length), texts: await page.locator(step.read).allInnerTexts() });
}
await browser.close();
console.log(JSON.stringify({ messages, read }));
