// Output that grows: followed by windows that the server makes. However much is printed, the page keeps a part.

import { fetched, released, say, watch } from "./page.js";

const KEPT = 5000; // lines
const EVERY = 1000; // ms
const BUSY = 100;

export function output() {
  const heading = document.getElementById("output");
  if (!heading) return;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#log li > a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();  // the line is here: only the address changes, for a link to it
    location.hash = link.hash;
    history.replaceState(null, "", link.href);
  });
  const tools = document.createElement("p");
  tools.className = "actions";
  heading.after(tools);
  const wrap = toggle(tools, "Wrap", (on) => log()?.classList.toggle("wrap", on));
  toggle(tools, "Read aloud", (on) => log()?.setAttribute("aria-live", on ? "polite" : "off"));
  if (heading.dataset.active !== "yes") return wrap;
  let following = !new URLSearchParams(location.search).has("line"), missed = 0;
  const button = toggle(tools, "Follow", (on) => {
    following = on;
    missed = 0;
    say("");
    if (on) down();
  }, following);
  button.id = "follow";
  document.addEventListener("scroll", (event) => {
    const pane = log();
    if (event.target !== pane) return;
    const end = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 30;
    if (following !== end && (end || event.isTrusted)) {
      following = end;
      button.setAttribute("aria-pressed", String(end));
      if (end) { missed = 0; say(""); }
    }
  }, true);
  down();
  next(EVERY);

  function log() { return document.getElementById("log"); }

  function down() {
    const pane = log();
    if (pane) pane.scrollTop = pane.scrollHeight;
  }

  function next(ms) { setTimeout(() => document.hidden ? next(EVERY) : more(), ms); }

  async function more() {
    const list = log()?.querySelector("ol"), last = list?.lastElementChild;
    const line = last ? Number(last.id.slice(1)) : 1;
    const fresh = await fetched(`${location.pathname}?line=${line}`);
    if (!fresh) return next(5 * EVERY);
    await released();
    const pane = fresh.getElementById("log");
    let count = 0;
    if (following && pane && Number(pane.dataset.total) - line > KEPT) return leap();
    if (!list && pane) {
      document.querySelector("#printed").replaceChildren(...fresh.querySelector("#printed").childNodes);
      down();
    } else if (pane) {
      // what stood in the last line may go on; the window begins elsewhere only where the end was cut
      const found = [...pane.querySelectorAll("li")].filter((each) => Number(each.id.slice(1)) >= line);
      count = found.length - 1;
      if (found[0] && found[0].id === last.id && found[0].innerHTML !== last.innerHTML) last.replaceChildren(...found[0].childNodes);
      const now = new Date().toLocaleTimeString("en-GB");
      for (const each of found.slice(1)) each.firstElementChild.title = `seen at ${now}`;  // a line has no time of its own
      list.append(...found.slice(1));
      while (list.childElementCount > KEPT) list.firstElementChild.remove();
      if (following) down();
      else if (count > 0) say(`${(missed += count).toLocaleString("en")} new lines`);
      const text = document.getElementById("window"), made = fresh.getElementById("window");
      const at = document.getElementById("last"), fresher = fresh.getElementById("last");
      if (at && fresher && at.innerHTML !== fresher.innerHTML) { at.replaceChildren(...fresher.childNodes); watch(at); }
      if (text && made) text.textContent = `${list.firstElementChild.id.slice(1)} to ${list.lastElementChild.id.slice(1)}`;
    }
    if (fresh.getElementById("output").dataset.active === "yes" || count > 0) next(count > 1 ? BUSY : EVERY);
    else button.remove();
  }

  // More was printed than is kept: what lies between is not fetched, only the end.
  async function leap() {
    const fresh = await fetched(location.pathname);
    if (fresh?.getElementById("log")) {
      document.getElementById("printed").replaceChildren(...fresh.getElementById("printed").childNodes);
      down();
    }
    next(EVERY);
  }
}

function log() { return document.getElementById("log"); }

function toggle(within, label, act, on = false) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = label;
  button.setAttribute("aria-pressed", String(on));
  button.addEventListener("click", () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(now));
    act(now);
  });
  within.append(button);
  return button;
}
