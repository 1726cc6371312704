// What changes while one looks: by /events. A list keeps its order; rows change where they stand.

import { fetched, released, say, watch } from "./page.js";

const MARKS = 12;
const GATHERED = 500; // ms
const SETTLED = 700; // ms after which a list looks for what came between its screen and the stream: when it is drawn
const DUES = 10000; // ms between looks for dues that have passed
const APART = 1000; // ms between two looks at the same screen
const TOGETHER = 1300; // ms for which the server may gather looks at it
const EARLY = 100; // ms by which the answer may be late, and what is heard not
let changes = new Set();
let queue = [];
let timer = null;
let looked = 0;
let lookTimer = null; // until the answer is there
let told = 0; // when something was heard of last that concerns this screen

function state(name) {
  const found = document.getElementById("states").content.querySelector(`[data-state="${CSS.escape(name)}"]`);
  return found ? found.firstElementChild.cloneNode(true) : document.createTextNode(name);
}

function bar() {
  let found = document.getElementById("changes");
  if (!changes.size) { found?.remove(); return; }
  if (!found) {
    found = document.createElement("p");
    found.id = "changes";
    found.append(document.createElement("button"));
    found.firstChild.addEventListener("click", () => location.reload());
    document.getElementById("main").append(found);
  }
  found.firstChild.textContent = `${changes.size} change${changes.size === 1 ? "" : "s"} - show`;
}

function span(seconds) {
  if (seconds === null) return "-";
  if (seconds < 10) return seconds < 0.05 && seconds ? `${Math.round(seconds * 1000)} ms` : `${+seconds.toFixed(1)} s`;
  const units = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
  const whole = Math.round(seconds);
  const unit = units.find(([size]) => whole >= size);
  if (!unit) return `${whole} s`;
  const rest = Math.floor((whole % unit[0]) / unit[2]);
  return `${Math.floor(whole / unit[0])} ${unit[1]}${rest ? ` ${rest} ${unit[3]}` : ""}`;
}

function put(cell, node) {
  if (cell.textContent.trim() !== node.textContent.trim()) cell.replaceChildren(node);
}

// A row of the list of jobs, after something has become of a run.
function jobRow(row, run) {
  const over = run.ended !== null;
  if (!over || ["failed", "timed_out", "lost", "missed"].includes(run.state)) put(row.cells[0], state(run.state));
  else put(row.cells[0], state(row.dataset.calm ?? "scheduled"));
  if (!over) return;
  row.cells[5].firstChild.textContent = span(run.duration);
  let marks = row.querySelector(".marks");
  if (marks?.querySelector(`[href$="${CSS.escape(run.id)}"]`)) return;
  if (!marks) {
    marks = document.createElement("span");
    marks.className = "marks";
    row.cells[4].replaceChildren(marks);
  }
  const look = state(run.state), mark = document.createElement("a");
  mark.className = `mark ${look.classList[1]}`;
  mark.href = `/ui/runs/${run.id}`;
  mark.title = look.textContent.trim();
  mark.ariaLabel = mark.title;
  mark.textContent = document.querySelector(`#states`).content.querySelector(`[data-state="${CSS.escape(run.state)}"]`).dataset.mark;
  // made anew, for marks that move along would be a shift of the layout
  marks.replaceChildren(...[...marks.children].slice(1 - MARKS).map((each) => each.cloneNode(true)), mark);
}

function runRow(row, run) {
  const at = row.querySelector("td a");
  put(at, state(run.state));
  for (const cell of row.cells) {
    if (cell.dataset.th === "Took") cell.textContent = span(run.duration);
    if (cell.dataset.th === "Reason") cell.textContent = run.reason || "-";
  }
}

function heard(kind, data) {
  const jobs = document.getElementById("jobs"), runs = document.getElementById("runs");
  const path = location.pathname;
  if (jobs && kind === "run") {
    const row = document.getElementById(`j-${data.job_id}`);
    if (row && data.state) jobRow(row, data);
  } else if (jobs && kind === "job") {
    const row = document.getElementById(`j-${data.id}`);
    if (row && data.state) {
      row.dataset.calm = data.state;
      if (!data.active) put(row.cells[0], state(data.overdue ? "overdue" : data.state));
      return;
    }
    changes.add(data.id);
  } else if (path === "/ui/runs" && runs && kind === "run") {
    const row = runs.querySelector(`[data-run="${CSS.escape(data.id)}"]`);
    if (row && data.state) runRow(row, data); else changes.add(data.id);
  } else if (path.startsWith("/ui/jobs/")) {
    if (decodeURIComponent(path.split("/")[3] ?? "") === (data.job_id ?? data.id)) look();
  } else if (path.startsWith("/ui/runs/")) {
    if (decodeURIComponent(path.split("/")[3] ?? "") === data.id) look();
  } else if (path === "/ui/" || path === "/ui" || path === "/ui/nodes") {
    look();
  }
  if (kind === "hold" || kind === "ready") look(true);
}

// Look at the same screen again, not too often, and put what differs in its place.
export function look(banners = false) {
  told = Date.now();
  if (lookTimer !== null) return;
  lookTimer = setTimeout(async () => {
    looked = Date.now();
    if (document.hidden) { later(banners); return; }
    const fresh = await fetched(location.href, {}, TOGETHER);
    if (!fresh?.made) { later(banners); return; } // it failed: what was heard is not seen yet
    await released();
    lookTimer = null;
    if (told > fresh.made - EARLY && told > looked) look(banners); // the screen was begun before that
    replace("banners", fresh);
    if (!banners || document.querySelector("[data-live]")) {
      for (const each of document.querySelectorAll("[data-live]")) replace(each.id, fresh);
    }
  }, Math.max(0, looked + APART - Date.now()));
}

function later(banners) {
  lookTimer = setTimeout(() => { lookTimer = null; look(banners); }, 5000);
}

function replace(id, fresh) {
  const old = document.getElementById(id), made = fresh.getElementById(id);
  if (!old || !made || old.innerHTML === made.innerHTML) return;
  if (old.contains(document.activeElement) || old.querySelector("tr:hover, details[open]")) {
    if (rows(old) !== rows(made)) { changes.add(id); bar(); return; }
  }
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const name = (each) => each.id || each.getAttribute("href") || each.textContent;
  old.replaceChildren(...made.childNodes);
  watch(old);
  if (focused) [...old.querySelectorAll(focused.tagName)].find((each) => name(each) === name(focused))?.focus({ preventScroll: true });
}

function rows(within) {
  return [...within.querySelectorAll("tr[data-job], tr[data-run]")].map((row) => row.dataset.job ?? row.dataset.run).join();
}

// Rows of a list as they are now, where they stand: what came between the screen and the stream, and dues that have
// passed, for runs tell of themselves and of no due to come.
async function patch(cell = null) {
  const fresh = await fetched(location.href, {}, cell === null ? GATHERED : DUES / 5);
  if (!await released()) return patch(cell);
  if (fresh && cell === null) replace("banners", fresh); // a hold that came before the stream
  for (const row of fresh ? document.querySelectorAll("#jobs tbody tr, #runs tbody tr") : []) {
    const made = row.id ? fresh.getElementById(row.id) : fresh.querySelector(`tr[data-run="${CSS.escape(row.dataset.run)}"]`);
    for (const old of made ? [...row.cells] : []) {
      const now = made.cells[old.cellIndex];
      if (!now || (cell ?? old.cellIndex) !== old.cellIndex || old.innerHTML === now.innerHTML || old.contains(document.activeElement)) continue;
      // beside a name stands what was wrong: with it the row would grow or shrink under the pointer
      if (row.dataset.job && old.scope === "row") continue;
      old.replaceChildren(...now.childNodes);
      watch(old);
    }
  }
}

function dues() {
  if (document.hidden || lostAt) return;
  const past = (row) => Date.parse(row.cells[3].querySelector("time")?.dateTime) < Date.now() - 1000;
  if ([...document.querySelectorAll("#jobs tbody tr")].some(past)) patch(3);
}

// The connection: when it is lost, a bar says so, and nothing looks fresh.
let wait = 1000, lostAt = null, retryAt = 0, source = null;

function lost() {
  source.close();
  lostAt ??= new Date();
  retryAt = Date.now() + wait;
  document.body.classList.add("stale");
  setTimeout(connect, wait);
  wait = Math.min(wait * 2, 16000);
  countdown();
}

function countdown() {
  const found = document.getElementById("lost");
  if (!lostAt) { found?.remove(); return; }
  let text = found;
  if (!text) {
    text = document.createElement("p");
    text.id = "lost";
    text.className = "banner bad";
    text.setAttribute("role", "alert");
    document.getElementById("banners").prepend(text);
  }
  const left = Math.max(Math.ceil((retryAt - Date.now()) / 1000), 0);
  text.textContent = `No answer since ${lostAt.toLocaleTimeString("en-GB")}. What you see is from then. Trying again in ${left} s.`;
  setTimeout(countdown, 1000);
}

function connect() {
  source = new EventSource("/events");
  source.onopen = () => {
    wait = 1000;
    if (lostAt) say("The connection is back.");
    lostAt = null;
    document.getElementById("lost")?.remove();
    document.body.classList.remove("stale");
    if (document.querySelector("[data-live]")) look();
    else if (document.querySelector("#jobs, #runs")) setTimeout(patch, SETTLED);
  };
  source.onerror = lost;
  for (const kind of ["run", "job", "node", "hold", "ready"]) {
    source.addEventListener(kind, (event) => {
      queue.push([kind, JSON.parse(event.data)]);
      timer ??= setTimeout(async () => {
        await released();
        const gathered = queue;
        queue = [];
        timer = null;
        for (const each of gathered) heard(...each);
        bar();
      }, document.querySelector("[data-live]") ? 0 : GATHERED); // looks are gathered by the server
    });
  }
  source.addEventListener("reset", () => look());
}

export function live() {
  if (document.getElementById("states")) connect();
  if (document.getElementById("jobs")) setInterval(dues, DUES);
  addEventListener("pagehide", () => source?.close());
}
