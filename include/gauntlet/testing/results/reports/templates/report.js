"use strict";
// The table of all cases. Rows are made as they come into view; everything is set as text, never as markup.
// A row: [id, status, milliseconds, shard, message, place, attempts, failure, details, properties]; what is
// missing at the end is empty. status is p, f, e or s, then y for flaky and n for not run.
(() => {
  const cases = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("table");
  if (!table) return;
  const [ID, STATUS, TIME, SHARD, MESSAGE, PLACE, ATTEMPTS, FAILURE, DETAILS, PROPERTIES] = Array.from({ length: 10 }, (_, i) => i);
  const WORDS = { p: "passed", f: "failed", e: "error", s: "skipped" };
  const ORDER = { f: 0, e: 1, p: 3, s: 4 };
  const PAGE = 150;
  const rows = document.getElementById("rows");
  const found = document.getElementById("found");
  const more = document.getElementById("more");
  const form = document.getElementById("controls");
  const search = document.getElementById("search");
  const shard = document.getElementById("shard");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const collator = new Intl.Collator(undefined, { numeric: true });
  let chosen = cases;
  let shown = 0;
  let sorted = { column: -1, down: false };
  let haystack = null;

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const time = (ms) =>
    !ms ? "" : ms < 1 ? "< 1 ms" : ms < 1000 ? `${Math.round(ms)} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s`
      : `${Math.floor(ms / 60000)} min ${String(Math.round(ms / 1000) % 60).padStart(2, "0")} s`;
  const number = (value) => value.toLocaleString("en").replaceAll(",", "\u202f");

  const line = (row) => {
    const status = row[STATUS];
    const tr = make("tr");
    const first = make("td");
    first.append(make("span", `badge ${WORDS[status[0]]}`, status.includes("n") ? "not run" : WORDS[status[0]]));
    if (status.includes("y")) first.append(" ", make("span", "badge flaky", "flaky"));
    const second = make("td");
    const button = make("button", "case", row[ID]);
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => toggle(tr, row, button));
    second.append(button);
    if (row[MESSAGE]) second.append(make("div", "message", row[MESSAGE]));
    tr.append(first, second, make("td", "figure", time(row[TIME])), make("td", "figure", row[SHARD] >= 0 ? String(row[SHARD]) : ""));
    return tr;
  };

  const toggle = (tr, row, button) => {
    const open = tr.classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
    if (!open) return tr.nextSibling.remove();
    const detail = make("tr", "detail");
    const cell = make("td");
    cell.colSpan = 3;
    const facts = [row[PLACE], row[ATTEMPTS] > 1 ? `${row[ATTEMPTS]} attempts` : "", row[SHARD] >= 0 ? `shard ${row[SHARD]}` : ""];
    cell.append(make("p", "", facts.filter(Boolean).join("  ·  ") || "nothing more is known"));
    if (row[FAILURE] >= 0) {
      const link = make("a", "", "Traceback and output");
      link.href = `#failure-${row[FAILURE]}`;
      link.addEventListener("click", () => { document.getElementById(`failure-${row[FAILURE]}`).open = true; });
      const paragraph = make("p");
      paragraph.append(link);
      cell.append(paragraph);
    }
    for (const text of [row[DETAILS] ? row[MESSAGE] : "", row[DETAILS], row[PROPERTIES]]) if (text) cell.append(make("pre", "", text));
    detail.append(make("td"), cell);
    tr.after(detail);
  };

  const extend = () => {
    const part = document.createDocumentFragment();
    for (const row of chosen.slice(shown, shown + PAGE)) part.append(line(row));
    shown = Math.min(chosen.length, shown + PAGE);
    rows.append(part);
    more.hidden = shown >= chosen.length;
  };

  const matches = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = boxes.filter((box) => box.checked).map((box) => box.value);
    const which = shard && shard.value !== "" ? Number(shard.value) : null;
    if (words.length && !haystack) haystack = cases.map((row) => `${row[ID]}\n${row[MESSAGE] || ""}`.toLowerCase());
    return cases.filter((row, index) =>
      (which === null || row[SHARD] === which)
      && (!wanted.length || wanted.some((letter) => row[STATUS].includes(letter)))
      && words.every((word) => haystack[index].includes(word)));
  };

  const rank = (row) => (row[STATUS].includes("y") ? 2 : ORDER[row[STATUS][0]]);
  const compare = (column) =>
    column === STATUS ? (a, b) => rank(a) - rank(b)
      : column === ID ? (a, b) => collator.compare(a[ID], b[ID])
        : (a, b) => (a[column] ?? -1) - (b[column] ?? -1);

  const show = () => {
    chosen = matches();
    if (sorted.column >= 0) {
      const order = compare(sorted.column);
      chosen = [...chosen].sort(sorted.down ? (a, b) => order(b, a) : order);
    }
    rows.replaceChildren();
    shown = 0;
    extend();
    found.textContent = chosen.length === cases.length ? "" : `${number(chosen.length)} of ${number(cases.length)} cases`;
  };

  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(show, 120); });
  form.addEventListener("change", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of table.querySelectorAll("thead button")) {
    button.addEventListener("click", () => {
      const column = Number(button.dataset.column);
      // Long before short is what one looks for.
      sorted = { column, down: sorted.column === column ? !sorted.down : column === TIME };
      for (const th of table.querySelectorAll("thead th")) th.setAttribute("aria-sort", "none");
      button.closest("th").setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      show();
    });
  }
  more.querySelector("button").addEventListener("click", extend);
  if ("IntersectionObserver" in window)
    new IntersectionObserver((entries) => { if (entries[0].isIntersecting && !more.hidden) extend(); }, { rootMargin: "600px" }).observe(more);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) { event.preventDefault(); search.focus(); }
  });
  addEventListener("beforeprint", () => { for (const element of document.querySelectorAll("#failures details")) element.open = true; });
  form.hidden = table.hidden = false;
  show();
})();
