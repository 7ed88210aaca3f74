// The page: where one stands in the record, how one moves, and what is drawn there.

import { chatsOf, lastChat, standing } from "./chat.js";
import { approved, beside, differing } from "./compare.js";
import { find, forget } from "./find.js";
import { panels } from "./panels.js";
import { between, clock, lasted, opened, place, seconds, several, unpack } from "./store.js";
import { draw, margin } from "./timeline.js";
import { make } from "./view.js";

const $ = (id) => document.getElementById(id);
const BEFORE = 1, AFTER = 0.25, FASTEST = 0.05;

let store = null, line = null, playing = 0;
// `finding` is its number, -1 for none; `other` the stack that stands beside the first one.
const at = { t: 0, s: 0, since: 0, chat: null, only: false, case: "", finding: -1, side: false, other: 1, a: 0, b: 1 };

// -- moving ---------------------------------------------------------------------------------------

function stand(change, { keep = false, quiet = false } = {}) {
  Object.assign(at, change);
  at.s = Math.max(0, Math.min(store.stacks.length - 1, at.s));
  const stack = store.stacks[at.s];
  at.t = Math.max(0, Math.min(store.record.length, at.t));
  if (!keep) at.since = Math.min(at.since, at.t);
  if (change.s !== undefined || at.t < at.a || at.t > at.b) whole(stack);
  paint();
  if (!quiet) remember();
}

function whole(stack) {
  const from = Math.min(stack.from, at.t), to = Math.max(stack.to, at.t);
  [at.a, at.b] = [from, Math.max(to, from + 0.5)];
}

/** Go to a time in the stack that is shown. */
function go(t) {
  const s = stackAt(t);
  const chat = at.only && s === at.s ? at.chat : lastChat(store, s, t);
  stand({ t, s, since: t - BEFORE, chat, finding: -1, case: caseAt(s, chat, t), only: at.only && s === at.s });
}

/** The stack that was running at a time: the one that is shown, where it was. */
function stackAt(t) {
  const runs = (each) => each.from <= t && t <= each.to;
  if (runs(store.stacks[at.s])) return at.s;
  const found = store.stacks.findIndex(runs);
  return found < 0 ? at.s : found;
}

function caseAt(s, chat, t) {
  return store.asked[s].filter((each) => each.chat === chat && each.t <= t).at(-1)?.name ?? "";
}

function toFinding(number) {
  const found = store.record.moments[number];
  if (!found) return;
  const s = found.s >= 0 ? found.s : stackAt(found.t);
  const own = store.cases.get(found.case);
  const chat = own?.at.find((each) => each.in === s)?.chat ?? lastChat(store, s, found.t);
  const beside_ = ["parity", "difference"].includes(found.check) && own !== undefined && own.at.length > 1;
  stand({
    t: found.t, s, since: Math.max(found.since, found.t - 30), chat, case: found.case, finding: number,
    only: found.case !== "", side: beside_, other: beside_ ? s : at.other,
  });
}

function toCase(name, s) {
  const each = store.cases.get(name);
  const own = each?.at.find((one) => one.in === s) ?? each?.at[0];
  if (!own) return;
  stand({ t: own.end, s: own.in, since: own.t, chat: own.chat, case: name, finding: -1, only: true });
}

function step(by) {
  const asked = store.asked[at.s];
  const now = asked.findIndex((each) => each.name === at.case);
  const next = now < 0 ? asked[place(asked, at.t, (c) => c.t, true) - (by < 0 ? 1 : 0)] : asked[now + by];
  if (next) toCase(next.name, at.s);
}

function difference(by) {
  const names = differing(store, at.other);
  const every = store.record.cases.map((each) => each.name);
  const now = every.indexOf(at.case);
  const found = by > 0
    ? names.find((name) => every.indexOf(name) > now) ?? names[0]
    : names.findLast((name) => every.indexOf(name) < now) ?? names.at(-1);
  if (found) toCase(found, at.s);
}

function besides() {
  const side = !at.side;
  if (side && !store.cases.get(at.case)?.rows) {
    const [first] = differing(store, at.other);
    if (first || !at.case) {
      Object.assign(at, { side });
      toCase(first ?? store.record.cases[0]?.name ?? "", at.s);
      return;
    }
  }
  stand({ side });
}

function zoom(by) {
  const stack = store.stacks[at.s];
  if (by === 0) whole(stack);
  else {
    const half = Math.max(FASTEST, ((at.b - at.a) * by) / 2);
    [at.a, at.b] = [Math.max(0, at.t - half), Math.min(store.record.length, at.t + half)];
  }
  paint();
}

function play() {
  if (playing) {
    cancelAnimationFrame(playing);
    playing = 0;
  } else {
    let last = performance.now();
    const on = (now) => {
      const t = at.t + (now - last) / 1000;
      last = now;
      if (t >= store.record.length) return play();
      playing = requestAnimationFrame(on);
      stand({ t, since: t - BEFORE, finding: -1, chat: at.only ? at.chat : lastChat(store, at.s, t) }, { quiet: true });
    };
    playing = requestAnimationFrame(on);
  }
  $("walk-play").textContent = playing ? "❚❚ pause" : "▶ play";
}

// -- links ----------------------------------------------------------------------------------------

function fragment() {
  const mode = store.stacks[at.s].name;
  const said = new URLSearchParams();
  if (at.finding >= 0) said.set("finding", at.finding + 1);
  else if (at.case) said.set("case", at.case);
  if (at.finding < 0) said.set("t", at.t.toFixed(3));
  if (mode) said.set("mode", mode);
  if (at.side) said.set("beside", store.stacks[at.other]?.name ?? "");
  return `#${said}`;
}

function remember() {
  history.replaceState(null, "", fragment());
}

/** Go where the address says; false when it says nothing about the record. */
function follow() {
  const said = new URLSearchParams(location.hash.slice(1));
  const s = Math.max(0, store.stacks.findIndex((each) => each.name === said.get("mode")));
  const other = store.stacks.findIndex((each) => each.name === said.get("beside"));
  const side = said.has("beside") && other >= 0;
  if (side) Object.assign(at, { other });
  const finding = Number(said.get("finding")) - 1;
  if (store.record.moments[finding]) toFinding(finding);
  else if (store.cases.has(said.get("case"))) {
    toCase(said.get("case"), said.has("mode") ? s : -1);
    const t = Number(said.get("t"));
    if (said.has("t") && Number.isFinite(t)) stand({ t }, { quiet: true });
  } else if (said.has("t") && Number.isFinite(Number(said.get("t")))) {
    Object.assign(at, { s });
    go(Number(said.get("t")));
  } else return false;
  if (side || !store.record.moments[finding]) stand({ side });
  return true;
}

function begin() {
  if (follow()) return;
  if (store.record.moments.length) toFinding(0);
  else if (store.asked.some((each) => each.length)) {
    const s = store.asked.findIndex((each) => each.length);
    toCase(store.asked[s][0].name, s);
  } else {
    const said = store.record.talks.flatMap((talk) => talk.items.slice(0, 1).map((item) => item.t));
    go(said.length ? Math.min(...said) + AFTER : store.record.length);
  }
  // Opened without a place in its address, the page shows its top.
  history.replaceState(null, "", location.pathname + location.search);
}

// -- drawing --------------------------------------------------------------------------------------

let due = 0;
function paint() {
  if (!due) due = requestAnimationFrame(() => { due = 0; paintNow(); });
}

function paintNow() {
  const view = { s: at.s, t: at.t, from: at.since - 0.0005, to: at.t + AFTER, chat: at.chat, only: at.only };
  paintFinding();
  paintTime();
  paintCases();
  paintPanels(view);
  const found = at.side ? undefined : store.record.moments[at.finding];
  paintTold(found?.said ?? []);
  $("walk-plain").hidden = at.side || !!found?.apart;
  $("walk-beside").hidden = !at.side;
  if (at.side) $("walk-both").replaceChildren(...beside(store, at.case, at.other, (s, name) => { at.side = false; toCase(name, s); }));
  else if (!found?.apart) paintChat();
  $("walk-only").checked = at.only;
  $("walk-other").value = at.other;
  $("walk-side").setAttribute("aria-pressed", String(at.side));
  for (const [s, button] of [...$("walk-stacks").children].entries()) button.setAttribute("aria-pressed", String(s === at.s));
}

/** Draw the panels unless they show this already: what was opened in them stays open. */
function paintPanels(view) {
  const box = $("walk-panels"), key = JSON.stringify([view, store.record.events.length]);
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren(...panels(store, view));
}

function paintFinding() {
  const every = store.record.moments, found = every[at.finding];
  $("walk-finding").hidden = !every.length;
  if (!every.length) return;
  $("finding-number").textContent = found ? `finding ${at.finding + 1} of ${every.length}` : several(every.length, "finding");
  $("finding-check").textContent = found ? found.check : "";
  const card = (found?.check ?? "").replaceAll(" ", "-");
  $("finding-check").hidden = !$(card);
  $("finding-check").href = `#${card}`;
  $("finding-text").textContent = found?.text ?? "go to the first one with “next”, or with the key n";
  for (const [id, by] of [["finding-last", -1], ["finding-next", 1]]) {
    $(id).hidden = every.length < 2;
    $(id).setAttribute("aria-disabled", String(!every[at.finding + by])); // it keeps the focus
  }
  $("walk-finding").className = `finding ${found?.verdict ?? ""}`;
}

function paintTime() {
  const node = $("walk-time");
  line = draw(node, store, at.s, at.a, at.b, at.t);
  const stack = store.stacks[at.s].name;
  const now = [seconds(at.t), clock(store, at.t), at.case].filter(Boolean).join(" · ");
  node.setAttribute("aria-valuemin", at.a.toFixed(3));
  node.setAttribute("aria-valuemax", at.b.toFixed(3));
  node.setAttribute("aria-valuenow", at.t.toFixed(3));
  node.setAttribute("aria-valuetext", `${now}, ${stack}`);
  $("walk-now").textContent = now;
}

function paintCases() {
  const list = $("walk-cases"), key = `${at.s} ${store.record.cases.length} ${store.record.verdict}`;
  if (list.dataset.key !== key) {
    list.dataset.key = key;
    list.replaceChildren(...store.asked[at.s].map((each) => {
      const sign = each.wrong ? "✗" : each.differ ? "≠" : "✓";
      const link = make("a", each.wrong || each.differ ? "bad" : "", `${sign} ${each.name}`, make("small", "", each.title));
      link.href = `#${new URLSearchParams({ case: each.name, mode: store.stacks[at.s].name })}`;
      link.dataset.case = each.name;
      return make("li", "", link);
    }));
    $("walk-count").textContent = several(store.asked[at.s].length, "case");
  }
  for (const link of list.querySelectorAll("[aria-current]")) link.removeAttribute("aria-current");
  const now = [...list.children].map((item) => item.firstChild).find((link) => link.dataset.case === at.case);
  if (!now) return;
  now.setAttribute("aria-current", "true");
  const item = now.parentElement;
  if (item.offsetTop < list.scrollTop || item.offsetTop > list.scrollTop + list.clientHeight - 40) list.scrollTop = item.offsetTop - 60;
}

/** What was asked and answered where no chat of the record shows it, or what the check says. */
function paintTold(said) {
  $("walk-told").hidden = !said.length;
  $("told-title").textContent = said.some(([by]) => by === "line") ? "what the check says" : "what was asked and answered";
  $("told-messages").replaceChildren(...said.map(([by, text]) => {
    if (by === "note") return make("li", "message event", text);
    if (by === "line") return make("li", "line", text);
    const bubble = make("div", "bubble", make("div", "body", text));
    return make("li", by === "user" ? "message mine" : "message", bubble);
  }));
}

function paintChat() {
  const choice = $("walk-chat");
  const talks = chatsOf(store, at.s);
  const key = `${at.s} ${talks.length}`;
  if (choice.dataset.key !== key) {
    choice.dataset.key = key;
    choice.replaceChildren(...talks.map((talk) => {
      const option = make("option", "", `${talk.name || "chat"} (${talk.chat})`);
      option.value = talk.chat;
      return option;
    }));
  }
  choice.value = at.chat ?? "";
  const talk = store.talks.get(`${at.s} ${at.chat}`);
  const shown = talk ? standing(store, talk, at.t) : [];
  const list = $("walk-messages");
  list.replaceChildren(...shown.slice(-60));
  if (!shown.length) list.append(make("li", "message event", "nothing was said here yet"));
  list.scrollTop = list.scrollHeight;
  const each = store.cases.get(at.case);
  const told = each ? approved(store, { ...each, at: each.at.filter((one) => one.in === at.s && one.chat === at.chat) }) : [];
  const asked = each?.at.find((one) => one.in === at.s);
  if (asked?.expect === "reply" && asked.took === null && at.t >= asked.end - 0.001) list.append(make("li", "message event bad", `no answer after ${lasted(asked.end - asked.t)}`));
  $("walk-approved").replaceChildren(...told);
}

function paintFound(text) {
  const found = find(store, text), box = $("walk-found");
  box.hidden = !text.trim();
  box.replaceChildren(...found.map((each) => {
    const go_ = make("button", "", make("b", "", `${each.kind} `), each.text.slice(0, 200), make("small", "", ` ${seconds(each.t)} ${store.stacks[each.s]?.name ?? ""}`));
    go_.type = "button";
    go_.addEventListener("click", () => {
      box.hidden = true;
      if (each.case) toCase(each.case, each.s);
      else { at.only = false; stand({ s: each.s }, { quiet: true }); go(each.t); }
    });
    return make("li", "", go_);
  }));
  if (text.trim() && !found.length) box.append(make("li", "none", "nothing was found"));
}

// -- hands ----------------------------------------------------------------------------------------

const KEYS = {
  n: () => toFinding(at.finding + 1), p: () => toFinding(Math.max(0, at.finding - 1)),
  "]": () => step(1), "[": () => step(-1), s: besides, d: () => difference(1), D: () => difference(-1),
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => zoom(0), " ": play,
  ".": () => moveTo(1), ",": () => moveTo(-1),
  "/": () => $("walk-search").focus(), "?": () => { $("walk-help").open = !$("walk-help").open; },
};

/** To the next or the last thing that happened. */
function moveTo(by) {
  const events = store.of[at.s];
  const next = by > 0 ? events[place(events, at.t + 0.0002, (e) => e.t, false)] : events[place(events, at.t - 0.0002, (e) => e.t, false) - 1];
  if (next) go(next.t);
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.closest?.("input, select, textarea");
  if (field) {
    if (event.key === "Escape") { field.value = ""; field.blur(); $("walk-found").hidden = true; }
    return;
  }
  const slides = event.target === $("walk-time");
  const size = (at.b - at.a) / (event.shiftKey ? 10 : 100);
  const moves = { ArrowLeft: -size, ArrowRight: size, ArrowDown: -size, ArrowUp: size, PageDown: -10 * size, PageUp: 10 * size };
  if (slides && event.key in moves) go(at.t + moves[event.key]);
  else if (slides && event.key === "Home") go(at.a);
  else if (slides && event.key === "End") go(at.b);
  else if (KEYS[event.key] && !(event.key === " " && event.target.closest?.("button, a, summary"))) KEYS[event.key]();
  else return;
  event.preventDefault();
}

function hands() {
  const time = $("walk-time");
  const slide = (event) => {
    const px = event.clientX - time.getBoundingClientRect().left;
    if (px >= margin(time.clientWidth) - 8) go(line.time(px));
  };
  time.addEventListener("pointerdown", (event) => { time.setPointerCapture(event.pointerId); slide(event); });
  time.addEventListener("pointermove", (event) => { if (time.hasPointerCapture(event.pointerId)) slide(event); });
  document.addEventListener("keydown", pressed);
  addEventListener("hashchange", follow);
  new ResizeObserver(paint).observe(time);
  const taps = {
    "finding-last": KEYS.p, "finding-next": KEYS.n, "walk-side": besides, "walk-play": play, "walk-in": KEYS["+"],
    "walk-out": KEYS["-"], "walk-all": KEYS[0], "case-last": KEYS["["], "case-next": KEYS["]"],
    "differ-last": KEYS.D, "differ-next": KEYS.d,
  };
  for (const [id, act] of Object.entries(taps)) $(id).addEventListener("click", act);
  $("walk-link").addEventListener("click", copyLink);
  $("walk-only").addEventListener("change", (event) => stand({ only: event.target.checked }));
  $("walk-chat").addEventListener("change", (event) => {
    const chat = Number(event.target.value);
    stand({ chat, case: caseAt(at.s, chat, at.t), finding: -1 });
  });
  $("walk-other").addEventListener("change", (event) => stand({ other: Number(event.target.value) }));
  $("walk-search").addEventListener("input", (event) => paintFound(event.target.value));
  $("walk-search").addEventListener("keydown", (event) => {
    if (event.key === "Enter") $("walk-found").querySelector("button")?.click();
  });
}

async function copyLink() {
  remember();
  const button = $("walk-link");
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "copied";
  } catch {
    button.textContent = "it is in the address";
  }
  setTimeout(() => { button.textContent = "link to this moment"; }, 2000);
}

// -- the beginning --------------------------------------------------------------------------------

function stackButtons() {
  $("walk-stacks").replaceChildren(...store.stacks.map((stack, s) => {
    const button = make("button", "", stack.name || "the run");
    button.type = "button";
    button.addEventListener("click", () => { at.side = false; if (store.cases.get(at.case)?.at.some((each) => each.in === s)) toCase(at.case, s); else { stand({ s }, { quiet: true }); go(stack.from); } });
    return button;
  }));
  for (const [s, button] of [...$("walk-stacks").children].entries()) button.hidden = !store.lived[s];
  const played = store.asked.flatMap((each, s) => (each.length ? [s] : []));
  $("walk-side").hidden = played.length < 2;
  $("walk-other").hidden = played.length < 3;
  $("walk-other").replaceChildren(...played.slice(1).map((s) => {
    const option = make("option", "", store.stacks[s].name);
    option.value = s;
    return option;
  }));
  if (!played.slice(1).includes(at.other)) at.other = played[1] ?? 0;
}

function show(record) {
  store = opened(record);
  forget();
  stackButtons();
  $("walk").hidden = false;
  const left = record.left_out;
  $("walk-state").textContent = left.length ? `To keep this page small it does not hold: ${left.join("; ")}.` : "";
}

async function start() {
  try {
    const live = document.documentElement.dataset.live;
    if (live) {
      await watch(live);
      return;
    }
    show(await unpack($("record").textContent));
  } catch (error) {
    $("walk-state").textContent = `This browser cannot open the record: ${error.message}. All else on this page is whole. `
      + "Any browser since 2023 can; `botproof show history.jsonl` makes the page again.";
    return;
  }
  hands();
  begin();
  requestAnimationFrame(() => requestAnimationFrame(() => { document.documentElement.dataset.drawn = performance.now().toFixed(0); }));
}

/** Show a run that goes on: ask for its record again and again, and stay where one looks. */
async function watch(address) {
  let tag = "", over = false;
  while (!over) {
    try {
      const answer = await fetch(address, { headers: tag ? { "If-None-Match": tag } : {} });
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") ?? "";
        over = goOn(await answer.json());
      } else if (answer.status === 204) $("walk-state").textContent = "There is no record yet: the run has not begun. Start a gate, in the directory of botproof.toml.";
    } catch (error) {
      $("walk-state").textContent = `The run no longer answers: ${error.message}`;
    }
    await new Promise((done) => { setTimeout(done, 1000); });
  }
}

/** Take in the record as it is now; whether the run is over. Who stood at its end goes on with it. */
function goOn(record) {
  const first = store === null, atEnd = first || at.t >= store.record.length - 0.001;
  show(record);
  if (first) hands();
  const last = store.stacks.length - 1, t = store.record.length;
  if (record.over && atEnd && store.record.moments.length) toFinding(0);
  else if (atEnd) {
    stand({ s: last, t, since: t - BEFORE, chat: lastChat(store, last, t), case: "", finding: -1, only: false }, { quiet: true });
  } else paint();
  $("walk-state").textContent = record.over
    ? `The run is over: ${record.verdict}.`
    : `Live: ${t.toFixed(1)} s so far. ${atEnd ? "The page goes on with it." : "Go to the end of the time line to go on with it."}`;
  document.documentElement.dataset.drawn = performance.now().toFixed(0);
  return !!record.over;
}

start();
