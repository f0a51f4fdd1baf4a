"use strict";
// The page's tables and pictures are whole without this script: it sorts, filters and moves through time.

const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

// Filtering: a row of the table takes its lines, pictures and runs with it.
const filters = all("[data-filter]");
const rows = all("#results tbody tr");
const partsOfRows = new Map();
for (const part of all("[data-row]")) {
  if (!partsOfRows.has(part.dataset.row)) partsOfRows.set(part.dataset.row, []);
  partsOfRows.get(part.dataset.row).push(part);
}

function matches(row) {
  return filters.every((filter) => {
    const asked = filter.value.trim();
    if (!asked) return true;
    if (filter.type === "search") {
      const text = row.dataset.text.toLowerCase();
      return asked.toLowerCase().split(/\s+/).every((word) => text.includes(word));
    }
    return row.querySelector(`[data-column="${filter.dataset.filter}"]`).dataset.value === asked;
  });
}

function filterRows() {
  let shown = 0;
  const leftOut = new Set();
  for (const row of rows) {
    const fits = matches(row);
    shown += fits;
    if (!fits) leftOut.add(Number(row.dataset.row));
    for (const part of partsOfRows.get(row.dataset.row)) part.classList.toggle("gone", !fits);
  }
  for (const count of all("[data-shown]")) {
    count.textContent = shown === rows.length ? `all ${rows.length} rows` : `${shown} of ${rows.length} rows, here and below`;
  }
  document.dispatchEvent(new CustomEvent("rows-left-out", { detail: leftOut }));
}

for (const filter of filters) filter.addEventListener("input", filterRows);
for (const button of all("[data-reset]")) {
  button.addEventListener("click", () => {
    for (const filter of filters) filter.value = "";
    filterRows();
  });
}

// Sorting: numbers as numbers, and what is missing always last.
function compare(a, b, numeric, direction) {
  if (a === "" || b === "") return (a === "") - (b === "");
  return direction * (numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
}

function sortBy(header) {
  const table = header.closest("table");
  const place = [...header.parentNode.children].indexOf(header);
  const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  const value = (row) => row.children[place].dataset.value;
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort((a, b) => compare(value(a), value(b), header.dataset.numeric !== undefined, direction)));
}

for (const button of all("th button")) button.addEventListener("click", () => sortBy(button.closest("th")));

// Time: every run shows its newest picture up to the chosen moment.
const slider = document.querySelector("#moment");

function showMoment() {
  const moment = Number(slider.dataset.moments.split(" ")[slider.value]);
  const text = `${moment.toLocaleString("en")} images seen`;
  document.querySelector("#moment-text").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  for (const frames of all(".frames")) {
    const pictures = [...frames.children];
    const newest = pictures.findLast((picture) => Number(picture.dataset.at) <= moment) ?? pictures[0];
    for (const picture of pictures) picture.classList.toggle("now", picture === newest);
    const caption = frames.parentNode.querySelector(".at");
    caption.textContent = Number(newest.dataset.at).toLocaleString("en");
  }
}

if (slider) slider.addEventListener("input", showMoment);

// Runs: links open what they lead to; commands are copied, or at least selected.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}

window.addEventListener("hashchange", openTarget);
openTarget();

for (const button of all("[data-open]")) {
  button.addEventListener("click", () => {
    for (const run of all("#runs details")) run.open = button.dataset.open === "true";
  });
}

for (const button of all(".command button")) {
  button.addEventListener("click", async () => {
    const command = button.parentNode.querySelector("code");
    getSelection().selectAllChildren(command);
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
  });
}
