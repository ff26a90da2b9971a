"""Uses a report as a person would, in Chromium: `report_browser.py SMALL LARGE PICTURES`.

SMALL is the report of testdata/named-ports, LARGE one of 200 workloads in 12 namespaces. Pictures of both go to the
directory PICTURES. Says what is not as it should be, and fails then.
"""

import pathlib
import sys
import urllib.parse

from playwright.sync_api import sync_playwright

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = (1280, 400)
wrong = []


def check(holds, what):
    if not holds:
        wrong.append(what)


def opened(browser, path, width=1280, scheme="light", script=True, height=900, at=""):
    """The page, watched: what it writes to the console and what it asks the network for is wrong. `at` is what stands
    behind the address."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=script
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    url = pathlib.Path(path).resolve().as_uri()
    page.on("console", lambda message: wrong.append(f"console: {message.type} {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", lambda request: check(request.url.split("#")[0] == url, f"request: {request.url}"))
    page.goto(url + at)
    return page


def look_for(page, words):
    """Searches, and waits for the end of it."""
    page.fill("#search", words)
    page.wait_for_selector("#found[aria-busy=false]", state="attached")


def text(page, selector):
    return page.locator(selector).inner_text()


def cell(page, row, column):
    """The cell of two workloads."""
    found = page.evaluate_handle(
        """([from, to]) => {
          const heads = [...document.querySelectorAll("#matrix thead th")];
          const column = heads.findIndex((head) => head.dataset.end === to);
          const rows = [...document.querySelectorAll("#matrix tbody tr")];
          return rows.find((row) => row.dataset.end === from)?.cells[column] ?? null;
        }""",
        [row, column],
    )
    return found.as_element()


def small_report(browser, path):
    page = opened(browser, path)
    plain = page.evaluate(
        """() => [...document.querySelectorAll(".finding .about")].every((line) => {
          const style = getComputedStyle(line);
          return style.position === "static" && style.boxShadow === "none";
        })"""
    )
    check(plain, "the line that says where a finding is looks like what is told of a box")

    # A click on a pair opens its explanation, with the lines that decide it on both sides.
    pair = cell(page, "shop/frontend", "shop/catalog")
    check(pair is not None, "no cell for shop/frontend → shop/catalog")
    pair.click()
    said = text(page, "dialog[open]")
    for part in [
        "shop/frontend → shop/catalog",
        "Open: TCP",
        "Egress of the source",
        "Ingress of the destination",
        "allow rule of NetworkPolicy shop/frontend",
        "policies.yaml:",
        "port: http",
    ]:
        check(part in said, f"the explanation of an open pair lacks {part!r}:\n{said}")
    check(page.locator("dialog[open] mark").count() > 0, "no deciding line is marked")
    named = page.get_by_role("dialog", name="shop/frontend → shop/catalog")
    check(named.count() == 1, "the explanation is not named by its pair")
    overlap = page.evaluate(
        """() => {
          const [title, button] = ["dialog h2", "dialog button"].map((one) => document.querySelector(one).getBoundingClientRect());
          return title.right > button.left;
        }"""
    )
    check(not overlap, "the button lies on the title")

    # Its address is that of the pair: it can be gone back from, and opened again.
    address = page.evaluate("location.hash")
    page.go_back()
    named.wait_for(state="hidden")
    page.go_forward()
    named.wait_for()
    page.keyboard.press("Escape")
    check(page.locator("dialog[open]").count() == 0, "Escape does not close the explanation")
    page.wait_for_url(lambda url: not urllib.parse.urlsplit(url).fragment)
    linked = opened(browser, path, at=address)
    check(linked.get_by_role("dialog", name="shop/frontend → shop/catalog").count() == 1, f"{address} opens nothing")
    linked.context.close()

    # A closed pair says which policies close it.
    cell(page, "shop/frontend", "ledger/ledger").click()
    said = text(page, "dialog[open]")
    check("Closed" in said and "deny by default" in said, f"the explanation of a closed pair: {said}")
    page.get_by_role("button", name="Close").click()
    check(page.locator("dialog[open]").count() == 0, "the button does not close the explanation")

    # So does one towards the outside, and one that is open says why.
    cell(page, "shop/frontend", "outside").click()
    said = text(page, "dialog[open]")
    check("Closed" in said and "deny by default" in said, f"the explanation of a closed pair with the outside: {said}")
    page.keyboard.press("Escape")
    cell(page, "outside", "kube-system/coredns").click()
    said = text(page, "dialog[open]")
    check("no policy restricts it" in said, f"the explanation of an open pair with the outside: {said}")
    page.keyboard.press("Escape")

    # Who listens hears what is empty to the eye.
    role = page.get_by_role("grid").count()
    cell(page, "shop/frontend", "ledger/ledger").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    heard = page.evaluate("document.activeElement.ariaLabel")
    check(role == 1 and heard == "closed", f"{role} grids, and a closed cell is heard as {heard}")

    # Keys: the arrows move, Enter opens, the slash goes to the search.
    first = cell(page, "shop/frontend", "shop/catalog")
    first.click()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    moved = page.evaluate("document.activeElement.matches('#matrix td')")
    check(moved and not page.evaluate("(cell) => cell === document.activeElement", first), "ArrowRight does not move")
    page.keyboard.press("ArrowLeft")
    check(page.evaluate("(cell) => cell === document.activeElement", first), "ArrowLeft does not come back")
    page.keyboard.press("Enter")
    check(page.locator("dialog[open]").count() == 1, "Enter does not open the explanation")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    check(page.evaluate("document.activeElement.id") == "search", "the slash does not go to the search")

    # A search for a code leaves its findings.
    look_for(page, "PC201")
    seen = page.locator(".finding:visible > summary > .kind code").all_inner_texts()
    check(seen and set(seen) == {"PC201"}, f"a search for PC201 leaves {seen}")

    # What stands in a finding or in a row finds it: a port, a file, a workload.
    for words, findings, names in [("http", 3, "http"), ("policies.yaml", 3, "http"), ("shop/catalog-nginx", 3, "http")]:
        look_for(page, words)
        left = [page.locator(one).count() for one in (".finding:visible", ".names tbody:visible")]
        check(left == [findings, 1], f"a search for {words} leaves {left[0]} findings and {left[1]} names")
        check(names in text(page, ".names tbody:visible"), f"a search for {words} does not find {names}")
    look_for(page, "zzz")
    check(text(page, "#found") == "Nothing found", f"a search for nonsense says {text(page, '#found')!r}")
    check("dim" in page.locator("#matrix table").get_attribute("class"), "what was not found in looks found")
    look_for(page, "outside")
    check("the outside" in text(page, "#found"), f"a search for the outside says {text(page, '#found')!r}")
    check(page.locator("#matrix tr[data-end='outside']").is_visible(), "a search for the outside hides it")
    look_for(page, "")

    # An address whose pair is not here is no other pair's, and says so.
    page.evaluate("location.hash = '#pair=shop%2Ffrontend→shop%2Fcatalog'")
    named.wait_for()
    page.evaluate("location.hash = '#pair=shop%2Ffrontend→shop%2Fnobody'")
    named.wait_for(state="hidden")
    check("not here" in text(page, "#found"), f"a pair that is not here: {text(page, '#found')!r}")
    page.evaluate("location.hash = ''")

    # A finding has an address, which unfolds it.
    last = page.locator(".finding").last
    anchor = last.get_attribute("id")
    linked = opened(browser, path, at="#" + anchor)
    check(anchor.startswith("PC") and linked.locator(f"[id='{anchor}']").evaluate("(one) => one.open"), f"#{anchor} unfolds nothing")
    linked.context.close()

    # Printing unfolds everything but the reasons, and folds it again.
    shut = "document.querySelectorAll('details:not([open])').length"
    before = page.evaluate(shut)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    check(page.evaluate(shut) == 1, "something is printed folded")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    check(page.evaluate(shut) == before > 1, "what was unfolded to be printed stays so")
    page.context.close()

    # Paper is white, and marks are seen without colours.
    page = opened(browser, path, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    paper, ink, mark = page.evaluate(
        """() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
          getComputedStyle(document.querySelector("mark")).textDecorationLine]"""
    )
    check(paper == "rgb(255, 255, 255)" and ink != "rgb(228, 231, 235)", f"printed with {ink} on {paper}")
    check(mark == "underline", f"printed marks: {mark}")
    page.context.close()

    # On a telephone most of the matrix is cells.
    page = opened(browser, path, width=400)
    wide = page.locator("#matrix tbody tr[data-name] th").first.bounding_box()["width"]
    check(wide < 175, f"names of rows are {wide} pixels wide on a telephone")
    page.context.close()

    # Without the script everything can be read, and a cell leads to its reasons.
    page = opened(browser, path, script=False)
    check(page.locator("#search").is_hidden(), "a search that cannot work is shown")
    page.locator("#matrix td.open[data-sides] a").first.click()
    target = page.url.split("#")[-1]
    check(target.startswith("why-") and page.locator(f"#{target}").is_visible(), "a cell's link leads nowhere")
    said = text(page, f"#{target}")
    check("→" in said and "Back to the matrix" in said, f"an explanation names no pair, or no way back: {said}")
    page.locator(f"#{target} a").first.click()
    side = page.url.split("#")[-1]
    check(page.locator(f"#{side}").is_visible(), "the link to a side leads nowhere")

    # A closed pair is explained too: from the row of its source to the side that closes it.
    page.locator("#matrix tr[data-end='shop/frontend'] th a").click()
    sides = page.locator(f"#{page.url.split('#')[-1]} a")
    sides.filter(has_text="ledger/ledger").first.click()
    said = text(page, f"#{page.url.split('#')[-1]}")
    held = [line for line in said.splitlines() if line.startswith("shop/frontend →")]
    check("deny by default" in said and "ledger/ledger" in "".join(held), f"why shop/frontend is closed: {said}")
    pointer = cell(page, "shop/frontend", "ledger/ledger").evaluate("(cell) => getComputedStyle(cell).cursor")
    check(pointer != "pointer", "a cell that does nothing looks as if it did")
    page.context.close()


def large_report(browser, path):
    page = opened(browser, path)
    rows = page.locator("#matrix tbody tr[data-name]:not(.outside):visible")
    whole = rows.count()
    check(whole == 200, f"{whole} rows of 200 workloads")

    # Folding a namespace takes its rows and columns away, and unfolding brings them back.
    fold = page.locator("#matrix .fold button").first
    name = page.locator("#matrix .fold").first.inner_text().split()[0]
    inside = page.locator("#matrix tbody[data-size]").first.get_attribute("data-size")
    fold.click()
    left = rows.count()
    check(left == whole - int(inside), f"folding {name} ({inside} workloads) leaves {left} rows")
    widths = page.evaluate(
        """(name) => [...document.querySelectorAll("#matrix thead .column")]
          .filter((head) => head.dataset.end.startsWith(name + "/"))
          .map((head) => head.getBoundingClientRect().width)"""
        , name)
    check(len(widths) == int(inside) and max(widths) == 0, f"columns of the folded namespace: {max(widths)} wide")
    check(fold.get_attribute("aria-expanded") == "false", "a folded namespace does not say so")
    entry = page.locator("#matrix td[tabindex='0']")
    check(entry.count() == 1 and entry.is_visible(), "with a namespace folded no key leads into the matrix")
    fold.click()
    check(rows.count() == whole, "unfolding does not bring the rows back")

    # The headers stay in sight.
    page.evaluate("document.querySelector('#matrix').scrollIntoView()")
    page.evaluate("document.querySelector('#matrix .scroll').scrollTo(900, 900)")
    places = page.evaluate(
        """() => {
          const box = (element) => element.getBoundingClientRect();
          const frame = box(document.querySelector("#matrix .scroll"));
          const head = box(document.querySelector("#matrix thead .column:nth-child(40)"));
          const row = box(document.querySelector("#matrix tr[data-name] th"));
          return { down: head.top - frame.top, across: row.left - frame.left };
        }"""
    )
    check(abs(places["down"]) < 3 and abs(places["across"]) < 3, f"headers scroll away: {places}")

    # A search leaves what it finds, with what that is connected to.
    source = page.evaluate("document.querySelector('#matrix td.open').parentElement.dataset.end")
    target = page.evaluate(
        """() => {
          const cell = document.querySelector("#matrix td.open");
          return document.querySelectorAll("#matrix thead th")[cell.cellIndex].dataset.end;
        }"""
    )
    look_for(page, source)
    seen = page.evaluate(
        "[...document.querySelectorAll('#matrix tbody tr[data-name]:not(.outside)')].filter((row) => row.checkVisibility()).map((row) => row.dataset.end)"
    )
    check(source in seen and len(seen) < whole / 4, f"a search for {source} leaves {len(seen)} rows")
    reached = page.evaluate(
        """(name) => [...document.querySelectorAll("#matrix thead .column")]
          .find((head) => head.dataset.end === name)?.getBoundingClientRect().width""",
        target,
    )
    check(target == "outside" or reached > 0, f"a search for {source} hides {target}, which it reaches")
    views = "[...document.querySelectorAll('.view[open]')].map((view) => view.dataset.name)"
    unfolded = page.evaluate(views)[1:]
    check(unfolded == [source.split("/")[0]], f"a search for {source} unfolds {unfolded}")
    look_for(page, "")
    check(rows.count() == whole, "an empty search does not bring the rows back")
    check(len(page.evaluate(views)) == 1, "what a search unfolded stays unfolded")

    # What the keys choose is not below the headers.
    page.locator("#matrix td[data-sides]").first.focus()
    for key, times in [("ArrowRight", 30), ("ArrowDown", 30), ("ArrowLeft", 25), ("ArrowUp", 25)]:
        for _ in range(times):
            page.keyboard.press(key)
    under = page.evaluate(
        """() => {
          const box = (element) => element.getBoundingClientRect();
          const cell = box(document.activeElement);
          const corner = box(document.querySelector("#matrix .corner"));
          return Math.max(corner.right - cell.left, corner.bottom - cell.top);
        }"""
    )
    check(under < 2, f"the chosen cell is {under} pixels below the headers")

    # In a group a finding does not say again what the group is about: to the eye. It is said aloud, and printed.
    first = page.locator(".group > .finding > summary").first
    card = first.inner_text()
    check("PC" in card, f"a finding of a group has lost its code: {card}")
    wide = "(card) => card.querySelector('.kind').getBoundingClientRect().width"
    check(first.evaluate(wide) <= 1, "a finding of a group shows its code again")
    page.emulate_media(media="print")
    check(first.evaluate(wide) > 50, "a finding of a group is printed without its code")
    check(page.locator("#matrix .scroll").is_hidden(), "a matrix is printed that is wider than the paper")
    listed = page.locator("#matrix .list .from")
    check(listed.count() > 20 and listed.first.is_visible(), "no list is printed in its place")
    drawn = page.evaluate("[...document.querySelectorAll('#graph .edge')].map((edge) => getComputedStyle(edge).display)")
    check(drawn and "none" not in drawn, "lines are left out on paper")
    page.emulate_media(media="screen")

    # No line runs below a box that it does not begin or end at, in any view.
    page.evaluate("for (const view of document.querySelectorAll('#graph details')) view.open = true")
    below = page.evaluate(
        """() => {
          let lines = 0;
          const wrong = [];
          for (const view of document.querySelectorAll("#graph details")) {
            const boxes = [...view.querySelectorAll(".box rect")].map((box) => box.getBBox());
            const within = (point, box) => point.x > box.x + 0.2 && point.x < box.x + box.width - 0.2
              && point.y > box.y + 0.2 && point.y < box.y + box.height - 0.2;
            for (const path of view.querySelectorAll(".edge .line")) {
              lines += 1;
              for (let at = 0; at < path.getTotalLength(); at += 4) {
                const point = path.getPointAtLength(at);
                if (boxes.some((box) => within(point, box))) { wrong.push(path.getAttribute("d")); break; }
              }
            }
          }
          return { lines, wrong };
        }"""
    )
    check(below["lines"] >= 40, f"only {below['lines']} lines in all views")
    check(not below["wrong"], f"lines below boxes: {below['wrong']}")

    # In no view does a label lie on a box or on another label, or a box on another, or a text beyond its box.
    hidden = page.evaluate(
        """() => {
          const count = { boxes: 0, labels: 0, onBoxes: 0, onLabels: 0, crossed: 0, beyond: 0 };
          const on = (a, b) => Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x) > 2
            && Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y) > 3;
          for (const view of document.querySelectorAll("#graph .view")) {
            const boxes = [...view.querySelectorAll(".box rect")].map((box) => box.getBBox());
            const shown = [...view.querySelectorAll("text.label")].filter((label) => label.checkVisibility());
            const labels = shown.map((label) => label.getBBox());
            count.boxes += boxes.length;
            count.labels += labels.length;
            count.onBoxes += labels.filter((label) => boxes.some((box) => on(label, box))).length;
            count.onLabels += labels.filter((label, at) => labels.slice(0, at).some((other) => on(label, other))).length;
            count.crossed += boxes.filter((box, at) => boxes.slice(0, at).some((other) => on(box, other))).length;
            for (const box of view.querySelectorAll(".box")) {
              const right = (element) => element.getBBox().x + element.getBBox().width;
              const frame = right(box.querySelector("rect"));
              count.beyond += [...box.querySelectorAll("text")].filter((text) => right(text) > frame - 3).length;
            }
          }
          return count;
        }"""
    )
    wrong_here = [hidden[what] for what in ("onBoxes", "onLabels", "crossed", "beyond")]
    check(hidden["boxes"] > 50 and hidden["labels"] > 20 and not any(wrong_here), f"the graph: {hidden}")
    page.context.close()
    large_graph(browser, path)


def large_graph(browser, path):
    """One namespace is one box first; each leads to its own picture, where a box tells all its connections."""
    page = opened(browser, path)
    overview = page.locator("#graph .view").first
    high = overview.locator("svg").bounding_box()["height"]
    check(high < 1200, f"the overview of 12 namespaces is {high} pixels high")
    overview.locator("a .box").first.click()
    view = page.locator("#graph .view[open]").nth(1)
    check(view.locator("svg").is_visible(), "a namespace of the overview does not lead to its picture")
    outside = view.locator(".box.outside").evaluate_all("(boxes) => boxes.map((box) => box.dataset.box)")
    within = "".join(f':not([data-to="{box}"])' for box in outside)
    edge = view.locator(f".edge{within}").first
    source, target = edge.get_attribute("data-from"), edge.get_attribute("data-to")
    box = view.locator(f'.box[data-box="{source}"]')

    # A box that is pointed at lights its lines.
    box.hover()
    check("on" in edge.get_attribute("class").split(), "a line of the box is not lit")
    ends = [f'[data-from="{source}"]', f'[data-to="{source}"]']
    others = view.locator(".edge" + "".join(f":not({end})" for end in ends))
    check(others.count() > 0 and view.locator(".edge.on").count() < view.locator(".edge").count(), "all lines are lit")

    # The ground between boxes is nobody's, and no stop for the keyboard.
    view.locator("svg").hover(position={"x": 3, "y": 3})
    check("lit" not in view.locator("svg").get_attribute("class").split(), "the ground of the picture lights a box")
    view.locator(".scroll").focus()
    page.keyboard.press("Tab")
    stop = page.evaluate("document.activeElement.tagName")
    check(stop != "svg", "the picture itself is a stop for the keyboard")

    # One that is chosen, with keys too, tells them, and the whole connections lead to their reasons.
    box.focus()
    page.keyboard.press("Enter")
    said = view.locator(".chosen").inner_text()
    name = view.locator(f'.box[data-box="{target}"] title').text_content().splitlines()[0].split(",")[0]
    check("Reaches" in said and name in said, f"a chosen box does not tell {name}: {said}")
    check(box.get_attribute("aria-pressed") == "true", "a chosen box does not say so")
    sight = box.evaluate("(box) => box.getBoundingClientRect().bottom")
    check(sight <= view.locator(".chosen").bounding_box()["y"] + 1, "what is told covers the box")
    view.locator(".chosen button", has_text="Why").first.click()
    check("Open" in text(page, "dialog[open]"), "a connection of the graph has no reasons")
    page.keyboard.press("Escape")
    view.locator(".chosen button", has_text="Close").click()
    check(view.locator(".chosen").is_hidden(), "what was told does not go away")

    # A line has an edge that a hand can hit, and leads to the reasons too.
    middle = edge.locator(".hit").evaluate(
        """(path) => {
          const point = path.getPointAtLength(path.getTotalLength() * 0.12).matrixTransform(path.getScreenCTM());
          return [point.x, point.y + 3];
        }"""
    )
    page.mouse.click(*middle)
    check(page.locator("dialog[open]").count() == 1, "a line does not lead to its reasons")
    page.keyboard.press("Escape")
    page.context.close()

    # The picture can be read where it is narrow: at its size, or as wide as the window.
    page = opened(browser, path, width=400)
    view = page.locator("#graph .view").first
    frame = view.locator(".scroll")
    over = "(frame) => frame.scrollWidth - frame.clientWidth"
    check(frame.evaluate(over) > 0, "a wide picture is shrunk until nobody can read it")
    view.locator(".fit").click()
    check(frame.evaluate(over) <= 1, "a picture does not fit when asked to")
    page.context.close()

    # Without the script all of it can be read, and followed.
    page = opened(browser, path, script=False)
    page.locator("#graph a .box").first.click()
    view = page.locator("#graph .view[open]").nth(1)
    check(view.count() == 1, "without the script the overview leads nowhere")
    view.locator(".told summary").click()
    listed = view.locator(".told li").all_inner_texts()
    check(len(listed) > 5 and all("→" in one for one in listed), f"the list of a view: {listed[:3]}")
    page.context.close()

    # On paper everything is dark on light, and no picture is cut at the edge.
    page = opened(browser, path, width=700, scheme="dark", script=False)
    page.emulate_media(media="print", color_scheme="dark")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    check(paper == "rgb(255, 255, 255)", f"paper is {paper}")
    cut = page.evaluate(
        """() => [...document.querySelectorAll("#graph .scroll")]
          .filter((frame) => frame.querySelector("svg").getBoundingClientRect().width > frame.clientWidth + 1).length"""
    )
    check(cut == 0, f"{cut} pictures are cut on paper")
    seen = page.evaluate("[...document.querySelectorAll('#graph .told li')].filter((one) => one.checkVisibility()).length")
    check(seen > 50, f"paper shows {seen} connections of the list")
    page.context.close()

    # A window that is zoomed into is not filled by the header.
    page = opened(browser, path, width=641, height=400)
    page.evaluate("document.querySelector('#matrix').scrollIntoView()")
    top = page.evaluate("document.querySelector('body > header').getBoundingClientRect().bottom")
    check(top <= 0, f"the header covers {top} pixels of a low window")
    page.context.close()


def pictures(browser, path, name, directory):
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            page = opened(browser, path, width, scheme)
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            check(over <= 0, f"{name} at {width}: {over} pixels wider than the window")
            for section in ("findings", "ports", "graph", "matrix"):
                page.evaluate("(id) => document.getElementById(id).scrollIntoView()", section)
                page.screenshot(path=str(directory / f"{name}-{scheme}-{width}-{section}.png"))
            page.context.close()


def main():
    small, large, directory = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    directory.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        small_report(browser, small)
        large_report(browser, large)
        pictures(browser, small, "small", directory)
        pictures(browser, large, "large", directory)
        browser.close()
    for one in wrong:
        print(one)
    print(f"{len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


main()
