
"use strict";
(() => {
  // A node is [name, bytes, names in it, sign of a file or 0, what is in it, names of the rest, bytes of the rest].
  // `one` is the word for a name: file or row.
  const { tree, one } = JSON.parse(document.getElementById("data").textContent);
  const [NAME, BYTES, NAMES, SIGN, INSIDE, REST, REST_BYTES] = [0, 1, 2, 3, 4, 5, 6];
  const HUES = { "+": 140, "-": 4, "!": 42, "?": 285, "…": 220, f: 215 };
  const MOST_ROWS = 100;
  const part = (id) => document.getElementById(id);
  const map = part("map"), up = part("up"), crumbs = part("crumbs"), said = part("said");
  const body = part("here").tBodies[0];
  let path = [tree];
  // The size for which the map was drawn.
  let drawn = "";

  const make = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    if (tag === "button") made.type = "button";
    return made;
  };
  const size = (bytes) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = 0;
    while (bytes >= 1023.95 && unit + 1 < units.length) [bytes, unit] = [bytes / 1024, unit + 1];
    return (unit ? bytes.toFixed(1) : bytes) + " " + units[unit];
  };
  const count = (n, kind = "") => n.toLocaleString("en") + " " + kind + one + (n === 1 ? "" : "s");
  const isFolder = (node) => node[SIGN] === 0;
  const title = (node) => (node === tree ? "All" : (node[SIGN] && !"f…".includes(node[SIGN]) ? node[SIGN] + " " : "") + (node[NAME] || "/"));
  const hue = (node) => {
    if (!isFolder(node)) return HUES[node[SIGN]] ?? 215;
    let sum = 0;
    for (const c of node[NAME]) sum = (sum * 31 + c.codePointAt(0)) % 360;
    return sum;
  };
  // What is in a folder, the largest first. What is too small for the page is one of them.
  const inside = (node) => {
    const all = node[INSIDE].slice();
    if (node[REST]) all.push(["… and " + count(node[REST], "smaller "), node[REST_BYTES], node[REST], "…", [], 0, 0]);
    return all.sort((a, b) => b[BYTES] - a[BYTES]);
  };

  // Rectangles whose areas are as the sizes, and which are nearly squares: rows of them, each along the shorter side of what is left.
  const squares = (nodes, x, y, width, height) => {
    nodes = nodes.filter((node) => node[BYTES] > 0);
    const scale = (width * height) / nodes.reduce((sum, node) => sum + node[BYTES], 0);
    const placed = [];
    for (let start = 0; start < nodes.length;) {
      const side = Math.min(width, height);
      let end = start, area = 0, worst = Infinity;
      for (; end < nodes.length; end += 1) {
        const more = area + nodes[end][BYTES] * scale;
        const first = nodes[start][BYTES] * scale, last = nodes[end][BYTES] * scale;
        const ratio = Math.max((side * side * first) / (more * more), (more * more) / (side * side * last));
        if (ratio > worst) break;
        [area, worst] = [more, ratio];
      }
      const depth = side > 0 ? area / side : 0;
      let along = 0;
      for (const node of nodes.slice(start, end)) {
        const length = depth > 0 ? (node[BYTES] * scale) / depth : 0;
        placed.push(width >= height ? [node, x, y + along, depth, length] : [node, x + along, y, length, depth]);
        along += length;
      }
      if (width >= height) [x, width] = [x + depth, width - depth];
      else [y, height] = [y + depth, height - depth];
      start = end;
    }
    return placed;
  };
  const place = (element, [node, x, y, width, height]) => {
    Object.assign(element.style, { left: x + "px", top: y + "px", width: width + "px", height: height + "px" });
    element.style.setProperty("--hue", hue(node));
    return element;
  };

  const tile = (spot) => {
    const [node, , , width, height] = spot;
    const opens = isFolder(node);
    const made = place(make(opens ? "button" : "div", "tile hue"), spot);
    made.title = title(node) + ": " + size(node[BYTES]) + (opens ? ", " + count(node[NAMES]) : "");
    made.dataset.name = node[NAME];
    if (opens) {
      made.setAttribute("aria-label", "Folder " + made.title);
      made.addEventListener("click", () => show(path.concat([node])));
    }
    if (width > 34 && height > 18) {
      made.append(make("b", "", title(node) + (opens ? "/" : "")));
      if (height > 36) made.append(make("small", "", size(node[BYTES])));
    }
    if (opens && width > 60 && height > 70) {
      for (const spot of squares(inside(node), 3, 38, width - 8, height - 43)) {
        if (spot[3] > 3 && spot[4] > 3) made.append(place(make("span", "in"), spot));
      }
    }
    return made;
  };

  const row = (node, whole) => {
    const made = make("tr");
    const name = make("td", "name");
    if (isFolder(node)) {
      const open = make("button", "link", title(node) + "/");
      open.addEventListener("click", () => show(path.concat([node])));
      name.append(open);
    } else {
      name.textContent = title(node);
    }
    const share = whole ? ((100 * node[BYTES]) / whole).toFixed(1) + " %" : "–";
    made.append(name, make("td", "n", node[NAMES].toLocaleString("en")), make("td", "n", size(node[BYTES])), make("td", "n", share));
    return made;
  };

  const draw = () => {
    const nodes = inside(path[path.length - 1]);
    map.replaceChildren();
    const { width, height } = map.getBoundingClientRect();
    drawn = width + " " + height;
    const spots = squares(nodes, 0, 0, width || map.parentElement.clientWidth, height || 350);
    map.replaceChildren(...spots.filter((spot) => spot[3] >= 2 && spot[4] >= 2).map(tile));
  };

  const show = (next) => {
    const keep = document.activeElement;
    path = next;
    const here = path[path.length - 1];
    const nodes = inside(here);
    map.hidden = here[BYTES] === 0;
    draw();
    up.disabled = path.length === 1;
    crumbs.replaceChildren(...path.map((node, at) => {
      const item = make("li");
      const last = at + 1 === path.length;
      const step = make(last ? "span" : "button", "", title(node));
      if (last) step.setAttribute("aria-current", "page");
      else step.addEventListener("click", () => show(path.slice(0, at + 1)));
      item.append(step);
      return item;
    }));
    said.textContent = title(here) + ": " + size(here[BYTES]) + ", " + count(here[NAMES]);
    body.replaceChildren(...nodes.slice(0, MOST_ROWS).map((node) => row(node, here[BYTES])));
    if (nodes.length > MOST_ROWS) body.append(make("tr"));
    if (nodes.length > MOST_ROWS) body.lastChild.append(make("td", "name", "… and " + (nodes.length - MOST_ROWS) + " more"));
    // The focus stays near where it was, not at the start of the page.
    if (keep && keep !== document.body && !keep.isConnected) (map.querySelector("button") || up).focus();
  };
  const back = () => path.length > 1 && show(path.slice(0, -1));

  up.addEventListener("click", back);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" || (event.key === "Backspace" && !event.altKey && !event.ctrlKey)) back();
  });
  new ResizeObserver(() => {
    const { width, height } = map.getBoundingClientRect();
    if (drawn !== width + " " + height) draw();
  }).observe(map);
  show(path);
})();
