// Screens that ask before something is done, shown as dialogs over the screen from which one comes. They are the
// server's own: without scripts, or where there is no answer, one is led to them.

import { say } from "./page.js";

const GIVEN_UP = 30000; // ms

// What the server says: its main part. A redirection is followed: that was done. Undefined: it does not answer.
async function answered(url, options = {}) {
  try {
    const answer = await fetch(url, { credentials: "same-origin", signal: AbortSignal.timeout(GIVEN_UP), ...options });
    if (answer.redirected) { location.href = answer.url; return null; }
    return new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  } catch {
    return undefined;
  }
}

function sent(form, submitter) {
  // not `form.action`: fields have that name
  return answered(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form, submitter)) });
}

// The dialog with this content; `back`: what has the focus again afterwards.
function show(dialog, main, back) {
  const title = main.querySelector("h1"), heading = document.createElement("h2");
  heading.id = "dialog-title";
  heading.tabIndex = -1;
  heading.replaceChildren(...(title?.childNodes ?? []));
  title?.replaceWith(heading);
  dialog.replaceChildren(...main.childNodes);
  if (!dialog.querySelector("[data-back]")) {
    const close = document.createElement("button");
    close.textContent = "Close";
    close.dataset.back = "";
    dialog.append(close);
  }
  if (!dialog.open) {
    document.body.append(dialog);
    dialog.showModal();
    dialog.addEventListener("close", () => { dialog.remove(); focused(back); });
  }
  const field = dialog.querySelector("input:not([type=hidden]), select, textarea");
  (dialog.querySelector("#plan ins") || !field ? heading : field).focus();
}

// What had the focus may have been made anew meanwhile.
function focused(back) {
  const same = back.isConnected ? back : [...document.querySelectorAll("main a, main button")].find(
    (each) => each.textContent === back.textContent && each.getAttribute("href") === back.getAttribute("href"),
  );
  (same ?? document.getElementById("main")).focus();
}

function opened(main, back, done = () => {}) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.addEventListener("click", (event) => {
    if (!event.target.closest("[data-back]") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.querySelector("[name=format]")) { setTimeout(() => dialog.close()); return; } // a file, which the browser keeps
    event.preventDefault();
    const buttons = [...dialog.querySelectorAll("button")].filter((each) => !each.dataset.back);
    const coming = sent(form, event.submitter);
    for (const each of buttons) each.disabled = true;
    const then = await coming;
    for (const each of buttons) each.disabled = false;
    if (then) {
      show(dialog, then, back);
      if (!dialog.querySelector(".sheet")) done();
    } else if (then === undefined) {
      say("No answer. It is not known whether it was done.");
    }
  });
  show(dialog, main, back);
}

// Ask what the screen at `url` asks.
export async function ask(url, back = document.activeElement) {
  const main = await answered(url);
  if (main) opened(main, back);
  else if (main === undefined) location.href = url;
}

export function dialogs() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    ask(link.href, link);
  });
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-dialog]")) return;
    event.preventDefault();
    const main = await sent(form, event.submitter);
    const chosen = () => { for (const each of form.querySelectorAll("[type=checkbox]")) each.checked = false; };
    if (main) opened(main, event.submitter, chosen);
    else if (main === undefined) say("No answer. Nothing was done.");
  });
}
