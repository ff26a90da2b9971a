"use strict";
// What the page can do beyond being read: a search, a dialog for a pair, and keys.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  for (const element of all("[hidden]")) element.hidden = false;

  // Search: what holds none of the words is dimmed in pictures, left out of lists, and left out of the matrix unless it is
  // connected to something that does.
  const search = document.getElementById("search");
  const named = all("[data-name]");
  const matrix = document.querySelector("#matrix table");
  const columns = matrix ? all("thead .column", matrix) : [];
  const rows = matrix ? all("tbody tr[data-name]", matrix) : [];
  const cols = matrix ? all("col", matrix) : [];
  const opens = matrix ? all("td.open", matrix).map((cell) => [rows.indexOf(cell.parentElement), cell.cellIndex - 1]) : [];
  const words = () => search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const hit = (element, words) => words.some((word) => (element.dataset.name || "").toLowerCase().includes(word));
  const folded = new Set();
  const narrow = (wanted) => {
    const rowHits = rows.map((row) => wanted.length === 0 || hit(row, wanted));
    const columnHits = columns.map((column) => wanted.length === 0 || hit(column, wanted));
    // Nothing in the matrix holds the words: they are about something else.
    const about = rowHits.includes(true);
    const showRows = rowHits.map((is) => is || !about);
    const showColumns = columnHits.map((is) => is || !about);
    if (about) for (const [row, column] of opens) {
      if (columnHits[column] && row >= 0) showRows[row] = true;
      if (row >= 0 && rowHits[row]) showColumns[column] = true;
    }
    let at = 0;
    for (const group of matrix ? all("tbody[data-size]", matrix) : []) {
      const size = Number(group.dataset.size);
      const shut = folded.has(group);
      const some = showRows.slice(at, at + size).includes(true);
      group.classList.toggle("gone", !some);
      for (let place = at; place < at + size; place++) {
        rows[place].classList.toggle("gone", shut || !showRows[place]);
        const hide = shut || !showColumns[place];
        cols[place + 1].classList.toggle("shut", hide);
        columns[place].classList.toggle("shut", hide);
      }
      at += size;
    }
  };
  search.addEventListener("input", () => {
    const wanted = words();
    for (const element of named) {
      const miss = wanted.length > 0 && !hit(element, wanted);
      element.classList.toggle("dim", miss && element.closest("svg") !== null);
      element.classList.toggle("gone", miss && element.matches(".finding, .names tr"));
    }
    for (const group of all(".group")) {
      const found = all(".finding", group).some((finding) => !finding.classList.contains("gone"));
      group.classList.toggle("gone", !found);
      if (found && wanted.length > 0) group.open = true;
    }
    for (const view of all(".view")) {
      if (wanted.length > 0 && all(".box", view).some((box) => hit(box, wanted))) view.open = true;
    }
    narrow(wanted);
  });
  for (const button of all("#matrix .fold button")) {
    button.addEventListener("click", () => {
      const group = button.closest("tbody");
      const shut = !folded.delete(group);
      if (shut) folded.add(group);
      button.setAttribute("aria-expanded", String(!shut));
      narrow(words());
    });
  }

  // A pair's explanation in a dialog: what is open, and what each side says.
  const dialog = document.createElement("dialog");
  document.body.append(dialog);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  const copy = (id) => [...(document.getElementById(id)?.cloneNode(true).childNodes ?? [])];
  const open = (cell) => {
    const row = cell.parentElement.querySelector("th").textContent;
    const column = columns[cell.cellIndex - 1].textContent;
    const title = document.createElement("h2");
    title.textContent = row + " → " + column;
    const close = document.createElement("button");
    close.className = "close";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    const parts = [];
    if (cell.dataset.why !== undefined) {
      parts.push(...copy("why-" + cell.dataset.why).filter((part) => !part.matches?.(".sides")));
    } else {
      const closed = document.createElement("h3");
      closed.className = "closed";
      closed.textContent = "Closed";
      parts.push(closed);
    }
    for (const side of (cell.dataset.sides ?? "").split(" ").filter((side) => side !== "")) parts.push(...copy("side-" + side));
    dialog.replaceChildren(close, title, ...parts);
    dialog.showModal();
    dialog.scrollTop = 0;
  };
  if (!matrix) return;
  const CELL = "td[data-why], td[data-sides]";
  let current = matrix.querySelector(CELL);
  const focus = (cell) => {
    if (!cell || !cell.matches(CELL)) return;
    if (current) current.tabIndex = -1;
    current = cell;
    cell.tabIndex = 0;
    cell.focus();
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  if (current) current.tabIndex = 0;
  for (const link of all("td a", matrix)) link.tabIndex = -1;
  matrix.addEventListener("click", (event) => {
    const cell = event.target.closest(CELL);
    if (!cell) return;
    event.preventDefault();
    focus(cell);
    open(cell);
  });
  matrix.addEventListener("keydown", (event) => {
    const cell = event.target.closest(CELL);
    if (!cell) return;
    const row = cell.parentElement;
    const seen = all("tbody tr:not(.fold)", matrix).filter((one) => one.checkVisibility());
    const across = [...row.cells].filter((one) => !columns[one.cellIndex - 1]?.classList.contains("shut"));
    const [place, level] = [across.indexOf(cell), seen.indexOf(row)];
    const beside = {
      ArrowLeft: () => across[place - 1],
      ArrowRight: () => across[place + 1],
      ArrowUp: () => seen[level - 1]?.cells[cell.cellIndex],
      ArrowDown: () => seen[level + 1]?.cells[cell.cellIndex],
      Home: () => across[1],
      End: () => across[across.length - 1],
    }[event.key];
    if (beside) focus(beside());
    else if (event.key === "Enter" || event.key === " ") open(cell);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || dialog.open || event.target.matches("input")) return;
    event.preventDefault();
    search.focus();
  });
  // What is folded away is printed too, the reasons of every pair excepted.
  addEventListener("beforeprint", () => { for (const details of all("details")) if (!details.closest("#why")) details.open = true; });
})();
