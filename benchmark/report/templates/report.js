// The page can be read without this: it sorts tables and highlights a system everywhere.
const value = (row, column) => {
  const cell = row.cells[column];
  const shown = cell.textContent.trim();
  const text = cell.dataset.value ?? shown;
  const number = Number(text);
  return ["", "–"].includes(shown) || ["", "nan"].includes(text) ? null : Number.isNaN(number) ? text : number;
};

const compare = (a, b) =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });

for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    if ("unsorted" in header.dataset) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const sorted = header.getAttribute("aria-sort");
      const descending = sorted ? sorted === "ascending" : header.classList.contains("num");
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
      rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : compare(a, b) * (descending ? -1 : 1)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

const highlight = (system, on) =>
  document.querySelectorAll(`[data-system="${system}"]`).forEach((one) => one.classList.toggle("hot", on));

for (const one of document.querySelectorAll("[data-system]")) {
  one.addEventListener("pointerenter", () => highlight(one.dataset.system, true));
  one.addEventListener("pointerleave", () => highlight(one.dataset.system, false));
}

// Paper shows what is folded away on a screen, but for long tables.
addEventListener("beforeprint", () => document.querySelectorAll("details:not(.long)").forEach((one) => (one.open = true)));
