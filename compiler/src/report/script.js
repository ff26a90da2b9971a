"use strict";
// What the page can do beyond being read: a search, a dialog for a pair, and keys.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  for (const element of all("[hidden]")) element.hidden = false;

  // Search: what does not hold the text is dimmed in pictures and left out of lists.
  const search = document.getElementById("search");
  const named = all("[data-name]");
  const columns = all("#matrix thead .column");
  search.addEventListener("input", () => {
    const text = search.value.trim().toLowerCase();
    for (const element of named) {
      const miss = text !== "" && !element.dataset.name.toLowerCase().includes(text);
      const inPicture = element.closest("svg, thead") !== null;
      element.classList.toggle("dim", miss && inPicture);
      element.classList.toggle("gone", miss && element.matches(".finding, .names tr"));
      if (element.matches("#matrix tr")) element.classList.toggle("dim", miss && !columns.some((column) => hit(column, text)));
    }
    for (const view of all(".view")) {
      const found = text !== "" && all(".box", view).some((box) => hit(box, text));
      if (found) view.open = true;
    }
  });
  const hit = (element, text) => text !== "" && (element.dataset.name || "").toLowerCase().includes(text);

  // A pair's explanation in a dialog.
  const dialog = document.createElement("dialog");
  document.body.append(dialog);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  const open = (cell) => {
    const why = document.getElementById("why-" + cell.dataset.why);
    if (!why) return;
    const row = cell.parentElement.querySelector("th").textContent;
    const column = columns[cell.cellIndex - 1].textContent;
    const title = document.createElement("h2");
    title.textContent = row + " → " + column;
    const close = document.createElement("button");
    close.className = "close";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    dialog.replaceChildren(close, title, ...[...why.cloneNode(true).childNodes]);
    dialog.showModal();
    dialog.scrollTop = 0;
  };
  const body = document.querySelector("#matrix tbody");
  if (!body) return;
  let current = body.querySelector("td[data-why]");
  const focus = (cell) => {
    if (!cell || !cell.matches("td[data-why]")) return;
    if (current) current.tabIndex = -1;
    current = cell;
    cell.tabIndex = 0;
    cell.focus();
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  if (current) current.tabIndex = 0;
  for (const link of all("a", body)) link.tabIndex = -1;
  body.addEventListener("click", (event) => {
    const cell = event.target.closest("td[data-why]");
    if (!cell) return;
    event.preventDefault();
    focus(cell);
    open(cell);
  });
  body.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td[data-why]");
    if (!cell) return;
    const row = cell.parentElement;
    const beside = {
      ArrowLeft: () => cell.previousElementSibling,
      ArrowRight: () => cell.nextElementSibling,
      ArrowUp: () => row.previousElementSibling?.cells[cell.cellIndex],
      ArrowDown: () => row.nextElementSibling?.cells[cell.cellIndex],
      Home: () => row.cells[1],
      End: () => row.cells[row.cells.length - 1],
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
  // What is folded away is printed too.
  addEventListener("beforeprint", () => { for (const details of all("details")) details.open = true; });
})();
