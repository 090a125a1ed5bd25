// What makes the pages better where scripts run. Without it they work the same, and are reloaded by hand.
"use strict";

// localTimes puts the reader's own time beside each time in UTC.
function localTimes() {
  const format = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
  if (new Date().getTimezoneOffset() === 0) return;
  for (const time of document.querySelectorAll("time:not([title])")) {
    time.title = new Date(time.dateTime).toLocaleString();
    const local = document.createElement("span");
    local.className = "local";
    local.textContent = " " + format.format(new Date(time.dateTime));
    time.after(local);
  }
}

// swap puts the parts of a newer page, by their ids, in the place of those that differ. A part that somebody uses stays.
const sources = new Map();
function swap(newer, selector) {
  for (const part of newer.querySelectorAll(selector)) {
    const old = document.getElementById(part.id);
    if (!old || old.contains(document.activeElement) || old.querySelector("details[open], input:checked")) continue;
    const source = part.outerHTML;
    if (sources.get(part.id) === source) continue;
    sources.set(part.id, source);
    old.replaceWith(part);
  }
  localTimes();
}

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

// refresh fetches the page anew and takes over what is marked as changing with a job's state.
async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.ok) swap(parse(await answer.text()), "[data-refresh]");
}

// refreshing keeps what is not told of as it moves: causes, charts, the list. A page that nobody sees waits.
function refreshing() {
  if (!document.querySelector("[data-live]")) return;
  setInterval(() => {
    if (!document.hidden) refresh().catch(() => {}); // the next one may reach the server
  }, 30000);
}

// ticking says how many entries are ticked, and lets the box in the head of the list tick them all.
function ticking() {
  document.addEventListener("change", (event) => {
    const boxes = [...document.querySelectorAll("input[name=ids][type=checkbox]")];
    if (event.target.id === "all") for (const box of boxes) box.checked = event.target.checked;
    const ticked = document.getElementById("ticked");
    if (ticked) ticked.textContent = " " + boxes.filter((box) => box.checked).length;
  });
}

// watch follows the counts and jobs. A job that begins or ends changes what there is to press.
function watch(url) {
  const states = new Map();
  for (const job of document.querySelectorAll("[data-state]")) states.set(job.id, job.dataset.state);
  const source = new EventSource(url);
  source.onmessage = (event) => {
    const newer = parse(event.data);
    let turned = false;
    for (const job of newer.querySelectorAll("[id$='-job']")) {
      if (!document.getElementById(job.id)) continue;
      turned = turned || states.get(job.id) !== job.dataset.state;
      states.set(job.id, job.dataset.state);
    }
    swap(newer, "[id]");
    if (turned) refresh().catch(() => {});
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(watch, 10000, url);
  };
}

// Keys: g and a letter leads to a page, / to the filter, ? shows them all.
function shortcuts() {
  const list = document.getElementById("keys");
  list.querySelector("button").onclick = () => list.close();
  document.documentElement.classList.add("scripts");
  let going = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const link = going && document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    going = event.key === "g" && !going;
    if (link) {
      link.click();
    } else if (event.key === "?") {
      list.showModal();
    } else if (event.key === "r") {
      location.reload();
    } else if (event.key === "j" || event.key === "k") {
      move(event.key === "j" ? 1 : -1);
    } else if (event.key === "/") {
      const field = document.querySelector("form.filter input:not([type=hidden])");
      if (!field) return;
      field.closest("details").open = true;
      field.focus();
      event.preventDefault();
    }
  });
}

// move leads the focus from row to row.
function move(step) {
  const links = [...document.querySelectorAll("tbody tr a:first-of-type")];
  const rows = [...new Map(links.map((link) => [link.closest("tr"), link]).reverse()).values()].reverse();
  const at = rows.findIndex((link) => link.closest("tr").contains(document.activeElement));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  if (next) next.focus();
}

localTimes();
shortcuts();
ticking();
refreshing();
for (const body of document.querySelectorAll("[data-live]")) watch(body.dataset.live);
