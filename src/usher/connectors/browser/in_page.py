"""The few lines of script that run inside the page: read tables as a person does, and guard the writing click."""

from __future__ import annotations

TABLES = r"""
() => {
  const clean = (text) => (text || "").replace(/\s+/g, " ").trim();
  const shown = (el) => el.checkVisibility({visibilityProperty: true, opacityProperty: true});
  const words = (el) => {
    const text = clean(el.innerText);
    if (text) return text;
    const named = [...el.querySelectorAll("[aria-label],img[alt],[title]")].filter(shown);
    return clean(named.map((n) => n.getAttribute("aria-label") || n.alt || n.title).join(" "));
  };
  const header = (el) => words(el).replace(/[\s\u2190-\u21ff\u25b2-\u25bf]+$/u, "");
  const name = (table) => {
    const ids = (table.getAttribute("aria-labelledby") || "").split(/\s+/).filter(Boolean);
    const by = ids.map((id) => document.getElementById(id)).filter(Boolean).map((n) => clean(n.textContent)).join(" ");
    return by || clean(table.getAttribute("aria-label")) || clean(table.querySelector("caption")?.innerText);
  };
  window.__usherRows ||= 0;
  const cell = "td,th,[role=cell],[role=gridcell],[role=rowheader],[role=columnheader]";
  const cellsOf = (row) => [...row.querySelectorAll(cell)]
    .filter((cell) => cell.closest("tr,[role=row]") === row);
  const read = (table) => {
    const own = (el) => el.closest("table,[role=table],[role=grid],[role=treegrid]") === table;
    const rows = [...table.querySelectorAll("tr,[role=row]")].filter(own);
    const isHead = (r) => r.closest("thead") || cellsOf(r).some((c) => c.matches("[role=columnheader]"));
    const heads = rows.filter(isHead);
    const head = heads.find((r) => cellsOf(r).length) || rows.find((r) => cellsOf(r).every((c) => c.matches("th")));
    const headers = [];
    for (const cell of head ? cellsOf(head) : []) {
      headers.push(header(cell));
      for (let more = 1; more < (cell.colSpan || 1); more++) headers.push("");
    }
    const body = [];
    for (const row of rows) {
      if (row === head || heads.includes(row) || !shown(row)) continue;
      const cells = cellsOf(row);
      if (cells.length < 2) continue;
      if (!row.dataset.usherRow) row.dataset.usherRow = String(++window.__usherRows);
      body.push({mark: row.dataset.usherRow, cells: cells.map(words)});
    }
    return {name: name(table), headers, rows: body};
  };
  return [...document.querySelectorAll("table,[role=table],[role=grid],[role=treegrid]")]
    .filter(shown).map(read);
}
"""
"""Every visible table: its name, its headers, and its rows with a mark that stays on the same element."""

ROW = r"""
(mark) => {
  const clean = (text) => (text || "").replace(/\s+/g, " ").trim();
  const row = document.querySelector(`[data-usher-row="${mark}"]`);
  if (!row) return null;
  return [...row.querySelectorAll("td,th,[role=cell],[role=gridcell],[role=rowheader]")]
    .filter((cell) => cell.closest("tr,[role=row]") === row).map((cell) => clean(cell.textContent));
}
"""
"""The text of the cells of one marked row, hidden texts included; null when the element is gone."""

GUARD = r"""
(target, {mark, at, texts}) => {
  const clean = (text) => (text || "").replace(/\s+/g, " ").trim();
  const same = () => {
    if (mark === null) return true;
    const row = document.querySelector(`[data-usher-row="${mark}"]`);
    const cells = row && [...row.querySelectorAll("td,th,[role=cell],[role=gridcell],[role=rowheader]")]
      .filter((cell) => cell.closest("tr,[role=row]") === row);
    return Boolean(cells) && at.every((place, i) => cells[place] && clean(cells[place].textContent) === texts[i]);
  };
  const state = window.__usherGuard = {reached: false, blocked: ""};
  const check = (event) => {
    const inside = event.composedPath().includes(target);
    if (inside && !state.blocked && same()) {
      if (event.type === "click") { state.reached = true; rest(); }
      return;
    }
    state.blocked = inside ? "the row changed at the last moment" : "something else was in the way";
    event.stopImmediatePropagation();
    event.preventDefault();
  };
  const kinds = ["pointerdown", "mousedown", "pointerup", "mouseup", "click"];
  const rest = () => kinds.forEach((kind) => window.removeEventListener(kind, check, {capture: true}));
  for (const kind of kinds) window.addEventListener(kind, check, {capture: true});
}
"""
"""Makes the next press do nothing where it meets another element or its row names another account."""

GUARD_STATE = "() => window.__usherGuard || null"

NAMES_ACCOUNT = r"""
(wanted) => {
  const clean = (text) => (text || "").replace(/\s+/g, " ").trim().toLowerCase();
  const shown = (el) => el.checkVisibility({visibilityProperty: true});
  const fields = [...document.querySelectorAll("input,textarea")].filter(shown);
  if (fields.some((field) => clean(field.value) === clean(wanted))) return true;
  const letter = /[\p{L}\p{N}@._%+-]/u;
  const text = clean(document.body.innerText);
  for (let at = text.indexOf(clean(wanted)); at >= 0; at = text.indexOf(clean(wanted), at + 1)) {
    const before = text[at - 1] || " ", after = text[at + clean(wanted).length] || " ";
    if (!letter.test(before) && !letter.test(after)) return true;
  }
  return false;
}
"""
"""Whether a text stands on the page as a whole word, or in a field."""

OUTLINE = r"""
() => {
  const clean = (text) => (text || "").replace(/\s+/g, " ").trim().slice(0, 60);
  const shown = (el) => el.checkVisibility({visibilityProperty: true});
  const named = (el) => clean(el.getAttribute("aria-label") || el.innerText || el.title);
  const kinds = "h1,h2,h3,th,label,button,a[href],dialog[open]," +
    "[role=button],[role=menuitem],[role=tab],[role=columnheader]";
  return [...document.querySelectorAll(kinds)].filter(shown).map((el) => `${el.tagName.toLowerCase()} ${named(el)}`)
    .filter((line, at, all) => all.indexOf(line) === at).slice(0, 80);
}
"""
"""Headings, columns, labels, buttons and links of the page: what a recipe names, without what fields hold."""

FIELD = r"""
(el) => ({
  options: el.tagName === "SELECT" ? [...el.options].map((o) => o.label.trim()) : [],
  kind: el.tagName === "SELECT" ? "select" : (el.type || el.getAttribute("role") || el.tagName).toLowerCase(),
  value: el.tagName === "SELECT"
    ? [...el.selectedOptions].map((o) => o.label.trim()).join(", ") : (el.value ?? el.innerText),
  ticked: el.checked ?? (el.getAttribute("aria-checked") === "true"),
})
"""
"""What a field is and holds."""

BOXES = r"""
() => {
  const shown = (el) => el.checkVisibility({visibilityProperty: true});
  const clean = (text) => (text || "").replace(/\s+/g, " ").trim();
  const label = (el) => clean([...(el.labels || [])].map((l) => l.innerText).join(" ")) ||
    clean(el.getAttribute("aria-label"));
  const root = document.querySelector("main,[role=main]") || document.body;
  return [...root.querySelectorAll("input[type=checkbox]")].filter((el) => shown(el) && label(el))
    .map((el) => ({label: label(el), ticked: el.checked}));
}
"""
"""Every visible box of the main region that has a label, and whether it is ticked."""
