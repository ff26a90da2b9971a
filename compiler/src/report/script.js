"use strict";
// What the page can do beyond being read: a search, a dialog for a pair, links to both, and keys.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  for (const element of all("[hidden]")) element.hidden = false;

  // Search: what holds none of the words is dimmed in pictures, left out of lists, and left out of the matrix unless it is
  // connected to something that does.
  const search = document.getElementById("search");
  const found = document.getElementById("found");
  const matrix = document.querySelector("#matrix table");
  const columns = matrix ? all("thead .column", matrix) : [];
  const rows = matrix ? all("tbody tr[data-name]", matrix) : [];
  const cols = matrix ? all("col", matrix) : [];
  const opens = matrix ? all("td.open", matrix).map((cell) => [rows.indexOf(cell.parentElement), cell.cellIndex - 1]) : [];
  const words = () => search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  // What has no name of its own is searched as it reads.
  const texts = new Map();
  const text = (element) => {
    if (!texts.has(element)) texts.set(element, (element.dataset.name ?? element.textContent).toLowerCase());
    return texts.get(element);
  };
  const hit = (element, words) => words.some((word) => text(element).includes(word));
  // In pictures a namespace stands above its names.
  const drawnHit = (element, words) => words.some((word) => word.split("/").every((part) => text(element).includes(part)));
  const folded = new Set();
  // Set once the matrix has a cell for the keyboard to enter by: what hides that cell names another.
  let enter = () => {};
  // Says how many workloads hold one of the words.
  const narrow = (wanted) => {
    const rowHits = rows.map((row) => wanted.length === 0 || hit(row, wanted));
    const columnHits = columns.map((column) => wanted.length === 0 || hit(column, wanted));
    // Nothing in the matrix holds the words: they are about something else.
    const about = rowHits.includes(true);
    matrix?.classList.toggle("dim", !about && wanted.length > 0);
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
      let leads = true;
      for (let place = at; place < at + size; place++) {
        rows[place].classList.toggle("gone", shut || !showRows[place]);
        const hide = shut || !showColumns[place];
        cols[place + 1].classList.toggle("shut", hide);
        columns[place].classList.toggle("shut", hide);
        columns[place].classList.toggle("leads", !hide && leads);
        leads &&= hide;
      }
      at += size;
    }
    enter();
    return rowHits.filter((is, row) => is && rows[row].dataset.end !== "outside").length;
  };
  // Leaves out of a list what holds none of the words, and says how many do.
  const sift = (selector, wanted) => {
    const hits = all(selector).filter((element) => {
      const miss = wanted.length > 0 && !hit(element, wanted);
      element.classList.toggle("gone", miss);
      return !miss;
    });
    return hits.length;
  };
  // What the search unfolds it folds again.
  const unfolded = new Set();
  const unfold = (wanted) => {
    const ownBox = (view) => (box) => text(box).startsWith(text(view) + " ") && drawnHit(box, wanted);
    const keep = wanted.length === 0 ? [] : [
      ...all(".group:not(.gone)"),
      ...all(".view").filter((view) => all(".box", view).some(ownBox(view))),
      ...all(".names tbody:not(.gone) details").filter((details) => hit(details, wanted)),
    ];
    for (const details of keep) if (!details.open) { details.open = true; unfolded.add(details); }
    for (const details of unfolded) if (!keep.includes(details)) { details.open = false; unfolded.delete(details); }
  };
  const count = (number, one, many) => number === 0 ? [] : [number + " " + (number === 1 ? one : many)];
  const look = () => {
    const wanted = words();
    const findings = sift(".finding", wanted);
    for (const group of all(".group")) group.classList.toggle("gone", !group.querySelector(".finding:not(.gone)"));
    const names = sift(".names tbody", wanted);
    document.querySelector(".names thead")?.classList.toggle("dim", names === 0);
    sift(".list .from", wanted);
    for (const element of all("svg [data-name]")) {
      element.classList.toggle("dim", wanted.length > 0 && !drawnHit(element, wanted));
    }
    unfold(wanted);
    const workloads = matrix ? narrow(wanted) : all(".list h3").filter((name) => hit(name, wanted)).length;
    const counts = [
      ...count(findings, "finding", "findings"),
      ...count(names, "port name", "port names"),
      ...count(workloads, "workload", "workloads"),
      ...(rows.some((row) => row.dataset.end === "outside" && hit(row, wanted)) ? ["the outside"] : []),
    ];
    found.textContent = wanted.length === 0 ? "" : counts.join(", ") || "Nothing found";
    found.setAttribute("aria-busy", "false");
  };
  // Large pages take a moment: they wait for the end of a word.
  let typing;
  search.addEventListener("input", () => {
    found.setAttribute("aria-busy", "true");
    clearTimeout(typing);
    typing = setTimeout(look, 120);
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

  // What a link leads to is unfolded.
  const reveal = () => {
    let target = null;
    try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { /* not one of ours */ }
    const shut = [];
    for (let at = target?.closest("details"); at; at = at.parentElement.closest("details")) if (!at.open) shut.push(at);
    for (const details of shut) details.open = true;
    if (shut.length > 0) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  // What is folded away is printed too, the reasons of every pair excepted.
  let printed = [];
  addEventListener("beforeprint", () => {
    printed = all("details:not([open])").filter((details) => !details.closest("#why"));
    for (const details of printed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of printed) details.open = false;
    printed = [];
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || document.querySelector("dialog[open]") || event.target.matches("input")) return;
    event.preventDefault();
    search.focus();
  });

  // A pair's explanation in a dialog: what is open, and what each side says.
  if (!matrix) return;
  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const title = make("h2", { id: "pair" });
  const content = make("div", {});
  const close = make("button", { type: "button", textContent: "Close" });
  const dialog = make("dialog", {}, make("div", { className: "head" }, title, close), content);
  dialog.setAttribute("aria-labelledby", "pair");
  document.body.append(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  // A dialog names its pair itself.
  const copy = (id) => [...(document.getElementById(id)?.cloneNode(true).childNodes ?? [])]
    .filter((part) => !part.matches?.(".sides, .holds"));
  const ends = (cell) => [cell.parentElement.dataset.end, heads[cell.cellIndex].dataset.end];
  const open = (cell) => {
    const [from, to] = ends(cell).map((end) => make("bdi", { textContent: end }));
    title.replaceChildren(from, " → ", to);
    const closed = make("h3", { className: "closed", textContent: "Closed" });
    const sides = (cell.dataset.sides ?? "").split(" ").filter((side) => side !== "");
    content.replaceChildren(
      ...(cell.dataset.why === undefined ? [closed] : copy("why-" + cell.dataset.why)),
      ...sides.flatMap((side) => copy("side-" + side)),
    );
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };

  // The address names the pair whose dialog is open, so that it can be sent and gone back from.
  const PAIR = "#pair=";
  const heads = all("thead th", matrix);
  const address = (cell) => PAIR + ends(cell).map(encodeURIComponent).join("→");
  let before = "";
  const choose = (cell) => {
    if (!location.hash.startsWith(PAIR)) before = location.hash;
    // A dialog that was closed has left its place in the history.
    if (history.state?.closed) history.replaceState({}, "", address(cell));
    else history.pushState({}, "", address(cell));
    open(cell);
  };
  const follow = () => {
    if (!location.hash.startsWith(PAIR)) {
      dialog.close();
      return;
    }
    let wanted = [];
    try { wanted = decodeURIComponent(location.hash.slice(PAIR.length)).split("→"); } catch { /* not one of ours */ }
    const [from, to] = wanted;
    const row = all("tbody tr", matrix).find((row) => row.dataset.end === from && from !== undefined);
    const cell = row?.cells[heads.findIndex((head) => head.dataset.end === to)];
    if (cell?.matches(CELL)) {
      open(cell);
      return;
    }
    dialog.close();
    found.textContent = "The address names a pair that is not here";
  };
  dialog.addEventListener("close", () => {
    if (dialog.open || !location.hash.startsWith(PAIR)) return;
    history.replaceState({ closed: true }, "", location.pathname + location.search + before);
  });
  addEventListener("popstate", follow);

  // The matrix is a grid: arrows move in it.
  const CELL = "td[data-why], td[data-sides]";
  let current = matrix.querySelector(CELL);
  const focus = (cell) => {
    if (!cell || !cell.matches(CELL)) return;
    if (current) current.tabIndex = -1;
    current = cell;
    cell.tabIndex = 0;
    if (cell.textContent === "") cell.setAttribute("aria-label", cell.matches(".itself") ? "itself" : "closed");
    cell.focus({ preventScroll: true });
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  const isShown = (cell) => !columns[cell.cellIndex - 1]?.classList.contains("shut") && cell.checkVisibility();
  enter = () => {
    if (current && isShown(current)) return;
    if (current) current.tabIndex = -1;
    current = all(CELL, matrix).find(isShown);
    if (current) current.tabIndex = 0;
  };
  matrix.setAttribute("role", "grid");
  if (current) current.tabIndex = 0;
  for (const link of all("td a, tbody th a", matrix)) link.tabIndex = -1;
  matrix.addEventListener("click", (event) => {
    const cell = event.target.closest(CELL);
    if (!cell) return;
    event.preventDefault();
    focus(cell);
    choose(cell);
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
    else if (event.key === "Enter" || event.key === " ") choose(cell);
    else return;
    event.preventDefault();
  });
  follow();
})();

// The graph: a box lights its lines and tells its connections, a line leads to its reasons.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const rows = all("#matrix tbody tr:not(.fold)");
  const cellOf = (pair) => {
    const [row, column] = (pair ?? "").split(" ").map(Number);
    return pair ? rows[row]?.cells[column + 1] : undefined;
  };
  // The cell opens its dialog; what was looked at before comes back after it.
  const why = (pair, from) => {
    const place = scrollY;
    cellOf(pair)?.click();
    const dialog = document.querySelector("dialog[open]");
    if (!dialog) return;
    scrollTo({ top: place, behavior: "instant" });
    dialog.addEventListener("close", () => {
      from?.focus({ preventScroll: true });
      scrollTo({ top: place, behavior: "instant" });
    }, { once: true });
  };
  const watchWidth = new ResizeObserver((seen) => {
    for (const { target } of seen) {
      const needs = parseFloat(target.querySelector("svg").style.minWidth);
      target.closest(".view").classList.toggle("wide", needs > target.clientWidth);
    }
  });

  for (const view of all("#graph .view")) {
    const svg = view.querySelector("svg");
    const lines = all(".edge, .label", svg);
    const boxes = new Map(all(".box", svg).map((box) => [box.dataset.box, box]));
    const is = (end, box) => end.split(" ").includes(box);
    let chosen = null;
    const light = (isOn, lit) => {
      svg.classList.toggle("lit", lit !== undefined);
      const near = new Set(lit);
      for (const line of lines) {
        const on = lit !== undefined && isOn(line);
        line.classList.toggle("on", on);
        line.classList.toggle("enters", on && line.dataset.to === lit[0] && !line.querySelector("[marker-start]"));
        if (on) near.add(line.dataset.from).add(line.dataset.to);
      }
      for (const [number, box] of boxes) box.classList.toggle("on", near.has(number));
    };
    const lightBox = (box) => box ? light((line) => line.dataset.from === box || line.dataset.to === box, [box]) : light();
    const about = make("section", { className: "chosen", hidden: true });
    about.setAttribute("aria-live", "polite");
    view.append(about);

    const choose = (number) => {
      boxes.get(chosen)?.setAttribute("aria-pressed", "false");
      chosen = number === chosen ? null : number;
      about.hidden = chosen === null;
      lightBox(chosen);
      if (chosen === null) return;
      const box = boxes.get(chosen);
      box.setAttribute("aria-pressed", "true");
      const name = box.querySelector("title").textContent.split("\n")[0];
      const close = make("button", { type: "button", textContent: "Close", onclick: () => { choose(chosen); box.focus(); } });
      const columns = [["Reaches", "from", ".whom"], ["Is reached by", "to", ".who"]].map(([title, own, other]) => {
        // That it is among many is no connection of its own with itself.
        const across = own === "from" ? "to" : "from";
        const isOwn = (one) => is(one.dataset[own], chosen) && !(one.dataset[own] !== chosen && one.dataset[across] === chosen);
        const entries = all(".told li", view).filter(isOwn).map((one) => {
          const parts = all(other + ", .ports", one).map((part) => part.cloneNode(true));
          const entry = make("li", {}, ...parts.flatMap((part) => [": ", part]).slice(1));
          if (cellOf(one.dataset.pair)) {
            const button = make("button", { type: "button", textContent: "Why", onclick: () => why(one.dataset.pair, button) });
            entry.append(" ", button);
          }
          return entry;
        });
        return make("div", {}, make("h4", { textContent: title }), entries.length > 0 ? make("ul", {}, ...entries) : "Nobody.");
      });
      about.replaceChildren(make("header", {}, make("h3", { textContent: name }), close), make("div", { className: "ways" }, ...columns));
      // What was chosen stays in sight, above what is told of it.
      const covered = box.getBoundingClientRect().bottom - about.getBoundingClientRect().top + 12;
      if (covered > 0) scrollBy({ top: covered });
      about.scrollTop = 0;
    };

    svg.setAttribute("role", "group");
    // A link around a box is as good as the box; the ground of the picture is not.
    const boxAt = (target) => target.closest(".box") ?? target.closest("a")?.querySelector(".box");
    for (const box of boxes.values()) {
      if (box.closest("a")) continue;
      box.setAttribute("tabindex", "0");
      box.setAttribute("role", "button");
      box.setAttribute("aria-pressed", "false");
    }
    const over = (event) => {
      const edge = event.target.closest(".edge");
      const same = (line) => line.dataset.from === edge.dataset.from && line.dataset.to === edge.dataset.to;
      if (edge) light(same, [edge.dataset.from]);
      else lightBox(boxAt(event.target)?.dataset.box ?? chosen);
    };
    svg.addEventListener("pointerover", over);
    svg.addEventListener("pointerleave", () => lightBox(chosen));
    // A picture that listens for the focus would get it itself.
    const frame = view.querySelector(".scroll");
    frame.addEventListener("focusin", over);
    frame.addEventListener("focusout", () => lightBox(chosen));
    svg.addEventListener("click", (event) => {
      const box = event.target.closest(".box[role]");
      const edge = event.target.closest(".edge");
      if (box) choose(box.dataset.box);
      else if (edge) why(edge.dataset.pair, boxes.get(edge.dataset.from));
    });
    view.addEventListener("keydown", (event) => {
      const box = event.target.closest(".box[role]");
      if (box && (event.key === "Enter" || event.key === " ")) choose(box.dataset.box);
      else if (event.key === "Escape" && chosen !== null) choose(chosen);
      else return;
      event.preventDefault();
    });
    const fit = view.querySelector(".fit");
    fit.addEventListener("click", () => fit.setAttribute("aria-pressed", String(view.classList.toggle("fitted"))));
    watchWidth.observe(frame);
  }
})();

// The cell that has the focus stays clear of the headers, which cover the edges of what scrolls.
(() => {
  const frame = document.querySelector("#matrix .scroll");
  const corner = frame?.querySelector(".corner");
  if (!corner) return;
  new ResizeObserver(() => {
    frame.style.scrollPadding = `${corner.offsetHeight}px 0 0 ${corner.offsetWidth}px`;
  }).observe(corner);
})();
