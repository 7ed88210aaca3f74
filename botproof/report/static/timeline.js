// The time line: one lane for each kind of thing, drawn as SVG for a stretch of time.

import { bad, between } from "./store.js";

const SVG = "http://www.w3.org/2000/svg";
const LANES = [
  ["findings", "findings"], ["phases", "phases"], ["cases", "cases"], ["calls", "calls"], ["door", "waiting"],
  ["venues", "exchanges"], ["load", "load"], ["memory", "memory"], ["starved", "starved"], ["log", "log"],
];
const LANE = 19, TOP = 16;

function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** How wide the names of the lanes are, in pixels. */
export function margin(width) {
  return width < 600 ? 62 : 84;
}

/** Draw a stack's time from `a` to `b` into `node`; `t` is where the cursor stands. */
export function draw(node, store, s, a, b, t) {
  const width = Math.max(200, node.clientWidth), left = margin(width);
  const height = TOP + LANE * LANES.length + 4;
  const x = (time) => left + ((time - a) / (b - a)) * (width - left - 6);
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const inside = svg("g", {});
  picture.append(ticks(a, b, x, height));
  LANES.forEach(([kind, name], number) => {
    const y = TOP + number * LANE;
    picture.append(svg("text", { x: 2, y: y + 13, class: "lane" }, name));
    picture.append(svg("line", { x1: left, x2: width - 6, y1: y + LANE - 1, y2: y + LANE - 1, class: "grid" }));
    inside.append(...DRAW[kind](store, s, a, b, x, y + 1, LANE - 3));
  });
  const cursor = svg("line", { x1: 0, x2: 0, y1: TOP - 8, y2: height, class: "cursor" });
  picture.append(inside, cursor);
  node.replaceChildren(picture);
  const move = (time) => {
    const at = Math.max(left, Math.min(width - 6, x(time)));
    cursor.setAttribute("transform", `translate(${at.toFixed(1)} 0)`);
  };
  move(t);
  return { move, time: (px) => Math.max(a, Math.min(b, a + ((px - left) / (width - left - 6)) * (b - a))) };
}

function ticks(a, b, x, height) {
  const group = svg("g", {});
  const rough = (b - a) / 7, power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => rough <= n) ?? 1;
  for (let at = Math.ceil(a / step) * step; at <= b; at += step) {
    group.append(svg("line", { x1: x(at), x2: x(at), y1: TOP - 2, y2: height, class: "grid" }));
    group.append(svg("text", { x: x(at), y: 10, "text-anchor": "middle" }, `${+at.toFixed(3)} s`));
  }
  return group;
}

/** Two paths of upright lines: what is well, and what is not. At most one line a pixel of each. */
function marks(items, x, y, h, time, isBad, name = "s0") {
  const paths = { [name]: [], bad: [] }, last = {};
  for (const each of items) {
    const kind = isBad(each) ? "bad" : name;
    const at = Math.round(2 * x(time(each))) / 2;
    if (last[kind] === at) continue;
    last[kind] = at;
    paths[kind].push(`M${at} ${y}v${h}`);
  }
  return Object.entries(paths).filter(([, d]) => d.length).map(([kind, d]) => svg("path", { d: d.join(""), class: `tick ${kind}` }));
}

function line(points, x, y, h, top, name) {
  if (!points.length) return [];
  const d = points.map((p) => `${x(p[0]).toFixed(1)} ${(y + h - Math.min(1, p[1] / (top || 1)) * h).toFixed(1)}`);
  return [svg("path", { d: `M${d.join("L")}${d.length === 1 ? "h1" : ""}`, class: `curve ${name}` })];
}

const DRAW = {
  findings: (store, s, a, b, x, y, h) => marks(
    between([...store.record.moments].filter((m) => m.s === s || m.s === -1).sort((p, q) => p.t - q.t), a, b),
    x, y, h, (m) => m.t, () => true),
  phases: (store, s, a, b, x, y, h) => {
    const found = [], begins = new Map();
    for (const e of store.of[s].filter((each) => each.k === "phase")) {
      if (e.edge === "begin") begins.set(e.name, e.t);
      else if (begins.has(e.name)) {
        const from = Math.max(a, begins.get(e.name)), to = Math.min(b, e.t);
        begins.delete(e.name);
        if (to <= from) continue;
        found.push(svg("rect", { x: x(from), y: y + 1, width: Math.max(1, x(to) - x(from)), height: h - 2, class: "phase" }));
        if (x(to) - x(from) > 7 * e.name.length) found.push(svg("text", { x: x(from) + 3, y: y + 12 }, e.name));
      }
    }
    return found;
  },
  cases: (store, s, a, b, x, y, h) => marks(between(store.asked[s], a, b), x, y, h, (c) => c.t, (c) => c.wrong || c.differ),
  calls: (store, s, a, b, x, y, h) => marks(
    between(store.of[s], a, b).filter((e) => e.k === "bot_api_call"), x, y, h, (e) => e.t, bad),
  venues: (store, s, a, b, x, y, h) => marks(
    between(store.of[s], a, b).filter((e) => e.k === "venue_call"), x, y, h, (e) => e.t, bad, "s2"),
  log: (store, s, a, b, x, y, h) => {
    const lines = store.record.logs.filter((log) => log.s === s).flatMap((log) => between(log.of, a, b, (l) => l[0]));
    const trouble = between(store.of[s], a, b).filter((e) => e.k === "log_trouble");
    return [
      ...marks(lines.sort((p, q) => p[0] - q[0]), x, y, h, (l) => l[0], () => false, "s3"),
      ...marks(trouble, x, y, h, (e) => e.t, () => true),
    ];
  },
  door: (store, s, a, b, x, y, h) => {
    const steps = [];
    for (const each of store.updates[s]) steps.push([each.t, 1], [each.gone, -1]);
    steps.sort((p, q) => p[0] - q[0] || p[1] - q[1]);
    const points = [];
    let now = 0, most = 1;
    for (const [t, change] of steps) {
      if (t > b) break;
      if (t >= a) points.push([t, now]);
      now += change;
      most = Math.max(most, now);
      if (t >= a) points.push([t, now]);
    }
    points.push([b, now]);
    return line([[a, points[0]?.[1] ?? 0], ...points], x, y, h, most, "s1");
  },
  load: (store, s, a, b, x, y, h) => {
    const rows = between(store.record.load.rows.find((each) => each.s === s)?.of ?? [], a, b, (r) => r[0]);
    const d = { s0: [], bad: [] };
    for (const row of rows) {
      const up = Math.max(0, Math.min(1, (Math.log10(row[1] + 1e-6) + 3) / 4));
      (row[2] && row[1] < 2 ? d.s0 : d.bad).push(`M${x(row[0]).toFixed(1)} ${(y + h - 1 - up * (h - 2)).toFixed(1)}h1.2`);
    }
    return Object.entries(d).filter(([, each]) => each.length).map(([kind, each]) => svg("path", { d: each.join(""), class: `tick ${kind}` }));
  },
  memory: (store, s, a, b, x, y, h) => {
    const own = store.record.memory.filter((each) => each.s === s);
    const top = Math.max(1, ...own.flatMap((each) => each.of.map((p) => p[1])));
    return own.flatMap((each, n) => line(between(each.of, a, b, (p) => p[0]), x, y, h, top, `s${n % 4}`));
  },
  starved: (store, s, a, b, x, y, h) => {
    const rows = between(store.record.starved.find((each) => each.s === s)?.of ?? [], a, b, (r) => r[0]);
    const d = rows.map((r) => [r[0], Math.min(1, Math.max(r[2], r[3]) / 0.5)]).filter((r) => r[1] > 0.02)
      .map((r) => `M${x(r[0]).toFixed(1)} ${(y + h).toFixed(1)}v${(-r[1] * h).toFixed(1)}`);
    return d.length ? [svg("path", { d: d.join(""), class: "tick s1" })] : [];
  },
};
