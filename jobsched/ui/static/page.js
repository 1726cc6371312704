// Scripts of the page. Whatever they add, the page can do without: they change what the server has made, by what the
// server makes.

import { dialogs } from "./dialog.js";
import { live } from "./live.js";
import { keys } from "./keys.js";
import { output } from "./output.js";

const root = document.documentElement;

export function say(text) {
  document.getElementById("status").textContent = text;
}

// The viewer's own zone goes into the cookie that the server reads; the first screen is asked for once more.
function zone() {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!own || (root.dataset.known === "yes" && root.dataset.zone === own)) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `jobsched_view=${root.dataset.times}.${root.dataset.theme}.${own}; Path=/ui; Max-Age=31536000; SameSite=Strict${secure}`;
  const kept = document.cookie.includes(own);
  if (kept && root.dataset.zone !== own && !document.querySelector("main form[method=post] :focus")) location.reload();
}

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export function relative(seconds) {
  const far = Math.abs(seconds);
  if (far < 1) return "now";
  const [size, unit] = UNITS.find(([each]) => far >= each);
  let text = `${Math.floor(far / size).toLocaleString("en")} ${unit}`;
  if (unit === "h" && far < 36000 && Math.floor((far % 3600) / 60)) text += ` ${Math.floor((far % 3600) / 60)} min`;
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}

// Relative times tick while they can be seen.
const seen = new Set();
const watcher = new IntersectionObserver((found) => {
  for (const each of found) each.isIntersecting ? seen.add(each.target) : seen.delete(each.target);
});

export function watch(within) {
  for (const each of within.querySelectorAll(".rel[data-at]")) watcher.observe(each);
}

function tick() {
  if (document.hidden) return;
  for (const each of seen) {
    if (!each.isConnected) { seen.delete(each); watcher.unobserve(each); continue; }
    const text = relative((Date.parse(each.dataset.at) - Date.now()) / 1000);
    if (each.textContent !== text) each.textContent = text;
  }
}

// Filters as one types: the list is the server's, asked for with what stands in the field.
function find() {
  const field = document.getElementById("q");
  if (!field || !document.getElementById("list")) return;
  let timer, last = field.value;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (field.value === last) return;
      last = field.value;
      const url = new URL(location.href);
      field.value.trim() ? url.searchParams.set("q", field.value.trim()) : url.searchParams.delete("q");
      url.searchParams.delete("after");
      const fresh = await fetched(url);
      if (!fresh || field.value !== last) return;
      const list = fresh.getElementById("list");
      if (!list) { say(fresh.querySelector("main p")?.textContent ?? ""); return; }
      document.getElementById("list").replaceWith(list);
      history.replaceState(null, "", url);
      watch(list);
      say(list.querySelector("caption, .empty")?.textContent ?? "");
    }, 200);
  });
}

const GIVEN_UP = 30000; // ms after which an answer counts as none: an old one must not keep others from being asked for

// A screen as the server makes it now; null if it does not answer. An error says not when it was made: `made` is 0 then.
export async function fetched(url, options = {}, gathered = null) {
  if (gathered !== null) options = { ...options, headers: { "jobsched-look": gathered } };
  try {
    const answer = await fetch(url, { credentials: "same-origin", signal: AbortSignal.timeout(GIVEN_UP), ...options });
    if (answer.redirected && new URL(answer.url).pathname === "/ui/sign-in") { location.reload(); return null; }
    const ago = answer.headers.get("jobsched-made"), at = Date.now();
    const made = new DOMParser().parseFromString(await answer.text(), "text/html");
    made.made = answer.status >= 500 ? 0 : at - Number(ago ?? 0); // 0: this is no screen
    return made;
  } catch {
    return null;
  }
}

// While a button is held down nothing is put in the place of what is under it: it would never come to a click.
const LONGEST = 10000; // ms of that: it may be let go outside of the window
let held = null;

function hold(...ends) {
  held ??= new Promise((told) => {
    const over = new AbortController(), { signal } = over;
    const letGo = (event) => {
      if (signal.aborted || (event?.type === "blur" && event.target !== window)) return; // the focus only goes elsewhere
      over.abort();
      setTimeout(() => { held = null; told(); }); // once the click was heard
    };
    for (const end of [...ends, "blur"]) addEventListener(end, letGo, { capture: true, signal });
    setTimeout(letGo, LONGEST);
  });
}

addEventListener("pointerdown", () => hold("pointerup", "pointercancel", "dragend", "contextmenu"), true);
addEventListener("keydown", (event) => { if (event.key === " ") hold("keyup"); }, true);

// Nor under what was just selected, for it would be selected no more, and could not be copied.
let selected = 0;

document.addEventListener("selectionchange", (event) => {
  if (event.target === document) selected = Date.now(); // else somebody types in a field
});

const isSelected = () => !getSelection().isCollapsed && Date.now() - selected < LONGEST;

// False: it took a while, and a screen that was fetched before may be older than what was heard since.
export async function released() {
  const free = !held && !isSelected();
  while (held || isSelected()) await (held ?? new Promise((told) => setTimeout(told, 200)));
  return free;
}

// The next dues, while a job is edited.
function preview() {
  const form = document.getElementById("job-form");
  if (!form) return;
  let timer;
  form.addEventListener("input", (event) => {
    if (!/^(kind|interval|cron|at|timezone|start|end|jitter)$/.test(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const sent = new URLSearchParams(new FormData(form));
      sent.set("do", "preview");
      const fresh = await fetched(form.action, { method: "POST", body: sent });
      const dues = fresh?.getElementById("preview");
      const wrong = fresh?.querySelector("#fault-interval, #fault-cron, #fault-at, #fault-timezone, #fault-start, #fault-end");
      if (dues) document.getElementById("preview").replaceChildren(...(wrong ? [wrong] : dues.childNodes));
    }, 350);
  });
}

// Browsers give the clipboard to HTTPS and localhost alone; elsewhere the old way is left.
async function copy(text) {
  if (navigator.clipboard) { await navigator.clipboard.writeText(text); return; }
  const field = document.createElement("textarea"), focused = document.activeElement;
  field.className = "hidden";
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  focused?.focus();
}

function copies() {
  for (const each of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = each.dataset.copy;
    button.addEventListener("click", async () => {
      await copy(each.textContent);
      say("Copied.");
    });
    each.before(button);
  }
}

// A link to what is seen, with its filters; of an output to the line that was chosen. And what stands elsewhere: without
// scripts, or where it cannot be copied, one is led there.
function links() {
  document.addEventListener("click", async (event) => {
    if (event.target.closest("[data-link]")) {
      await copy(location.href);
      say("The link was copied.");
    }
    const away = event.target.closest("a[data-copied]");
    if (!away || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const found = (await fetched(away.href))?.getElementById(away.hash.slice(1));
    try {
      await copy(found.textContent);
      say("Copied.");
    } catch {
      location.href = away.href;
    }
  });
}

function switches() {
  const form = document.querySelector(".switch");
  if (!form) return; // a wall has none
  form.addEventListener("change", () => form.requestSubmit());
  form.querySelector("button").hidden = true;
}

zone();
watch(document);
setInterval(tick, 1000);
find();
preview();
copies();
links();
dialogs();
switches();
live();
output();
keys();
