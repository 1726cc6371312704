// Keys, listed by "?". They are off in fields, and can be switched off altogether.

import { ask } from "./dialog.js";
import { say } from "./page.js";

const GO = { o: "/ui/", j: "/ui/jobs", r: "/ui/runs", u: "/ui/upcoming", n: "/ui/nodes", a: "/ui/audit" };
const LIST = [
  ["/", "find"], ["g, then o j r u n a", "go to Overview, Jobs, Runs, Upcoming, Nodes, Audit"], ["j, k", "next row, row before"],
  ["Enter", "open the row"], ["x", "select the row"], ["r", "run now (asks)"], ["p", "pause"], ["c", "cancel the run (asks)"], ["f", "follow the output"],
  ["e", "edit the job"], ["t", "in whose time: local, the job's, UTC"], ["Esc", "back"], ["?", "this list"],
];
let going = false;

function rows() {
  return [...document.querySelectorAll("main tr[data-job], main tr[data-run]")];
}

function move(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  const to = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  all[at]?.classList.remove("at");
  to.classList.add("at");
  to.querySelector("th a, td a")?.focus();
  to.scrollIntoView({ block: "nearest" });
}

function press(label, asks) {
  const row = document.querySelector("tr.at") ?? document.querySelector("main");
  const found = [...row.querySelectorAll("button, a.button")].find((each) => each.textContent.trim() === label);
  if (!found) return;
  if (asks && !confirm(`${label}?`)) return;
  found.click();
}

function open(job) {
  const row = document.querySelector("tr.at");
  const link = row?.querySelector(job ? "a[href^='/ui/jobs/']" : "th a, td a") ?? null;
  return link?.getAttribute("href");
}

function help() {
  const back = document.activeElement;
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", "Keys");
  const title = document.createElement("h2");
  title.textContent = "Keys";
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [key, what] of LIST) {
    const term = document.createElement("dt"), said = document.createElement("dd");
    term.textContent = key;
    said.textContent = what;
    list.append(term, said);
  }
  const off = document.createElement("button"), close = document.createElement("button");
  off.textContent = localStorage.getItem("keys") === "off" ? "Switch keys on" : "Switch keys off";
  close.textContent = "Close";
  off.addEventListener("click", () => {
    localStorage.setItem("keys", localStorage.getItem("keys") === "off" ? "on" : "off");
    dialog.close();
    say(`Keys are ${localStorage.getItem("keys")}.`);
  });
  close.addEventListener("click", () => dialog.close());
  dialog.append(title, list, close, off);
  dialog.addEventListener("close", () => { dialog.remove(); back?.focus(); });
  document.body.append(dialog);
  dialog.showModal();
}

function act(key) {
  if (going) {
    going = false;
    if (GO[key]) location.href = GO[key];
    return true;
  }
  const job = () => open(true) ?? (location.pathname.startsWith("/ui/jobs/") ? location.pathname.split("/").slice(0, 4).join("/") : null);
  const to = (path) => { if (path) location.href = path; };
  const asks = (path) => { if (path) ask(path); };
  const does = {
    "/": () => (document.getElementById("q") ?? document.getElementById("find"))?.focus(),
    g: () => { going = true; setTimeout(() => { going = false; }, 1500); },
    j: () => move(1),
    k: () => move(-1),
    x: () => document.querySelector("tr.at [type=checkbox]")?.click(),
    r: () => document.querySelector("tr.at") && !document.querySelector("tr.at button") ? asks(job() && `${job()}/run`) : press("Run now", true),
    p: () => asks(job() && `${job()}/pause`),
    c: () => press("Cancel", true),
    f: () => document.getElementById("follow")?.click(),
    e: () => to(job() && `${job()}/edit`),
    t: () => {
      const times = document.querySelector(".switch [name=times]");
      if (!times) return;
      times.selectedIndex = (times.selectedIndex + 1) % times.length;
      times.form.requestSubmit();
    },
    Escape: () => history.back(),
  };
  does[key]?.();
  return key in does;
}

export function keys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "?") { event.preventDefault(); help(); return; }
    if (localStorage.getItem("keys") === "off") return;
    if (act(event.key)) event.preventDefault();
  });
}
