// What happened around a moment: a panel for each kind of thing. Only text is made of what was said.

import { bad, between, brief, concerns, lasted, said, several, waiting, words } from "./store.js";
import { make } from "./view.js";

const MOST = 80;
const HAPPENED = new Set([
  "phase", "harness_error", "process_started", "process_ready", "process_not_ready", "stop_requested",
  "process_exited", "health_answered", "fault", "fresh_start", "played_again", "played_over", "vanished", "load_planned",
  "generator_held", "memory_fence", "door_asked", "conversations_compared", "double_event",
]);
const UPDATES = new Set(["case_played", "update_injected", "update_delivered", "update_confirmed"]);

/** The panels for what `view` says: {s, t, from, to, chat, only}. */
export function panels(store, view) {
  const events = between(store.of[view.s], view.from, view.to);
  return [
    happened(events, view), calls(events, view), door(store, events, view), venues(events, view),
    load(store, view), logs(store, events, view), memory(store, view), starved(store, view),
  ];
}

function panel(id, title, rows, none, note = "") {
  const box = make("section", rows.length ? "panel" : "panel empty");
  box.id = `panel-${id}`;
  const head = make("h3", "", title);
  head.id = `head-${id}`;
  if (note) head.append(make("small", "", ` ${note}`));
  box.setAttribute("aria-labelledby", head.id);
  box.append(head);
  if (!rows.length) {
    box.append(make("p", "none", none));
    return box;
  }
  const list = make("ul", "rows");
  list.tabIndex = 0;
  list.setAttribute("aria-labelledby", head.id);
  list.append(...rows.slice(0, MOST));
  box.append(list);
  if (rows.length > MOST) box.append(make("p", "none", `… and ${rows.length - MOST} more in this stretch`));
  return box;
}

function row(view, t, isBad, own, ...children) {
  const after = t - view.t;
  const item = make("li", [isBad && "bad", own && "own", after > 0.0005 && "later"].filter(Boolean).join(" "));
  const when = make("time", "at", `${t.toFixed(3)}`);
  item.append(when, ...children);
  if (isBad) item.prepend(make("span", "sign", "✗ "));
  return item;
}

/** A block that may be larger than its place: reached and scrolled by keyboard, with a name. */
export function scrolls(node, label) {
  node.tabIndex = 0;
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", label);
  return node;
}

/** A line that opens to what it is about, all of it. */
function opens(line, ...whole) {
  const box = make("details", "");
  box.append(make("summary", "", line));
  box.addEventListener("toggle", () => {
    if (!box.open || box.childElementCount > 1) return;
    for (const [name, value] of whole) {
      if (value === undefined) continue;
      const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
      box.append(make("p", "what", name), scrolls(make("pre", "", text), name));
    }
  });
  return box;
}

function chatOf(e) {
  const id = e.params?.chat_id ?? e.chat_id;
  return id === undefined ? null : Number(id);
}

function mine(view, e) {
  return view.chat !== null && chatOf(e) === view.chat;
}

function happened(events, view) {
  const rows = events.filter((e) => HAPPENED.has(e.k) && !(e.k === "double_event" && (e.kind === "poll" || ofExchanges(e))))
    .map((e) => row(view, e.t, bad(e), false, opens(words(e), ["all of it", e])));
  return panel("happened", "Processes and faults", rows, "nothing started, ended or was made to fail");
}

function calls(events, view) {
  const every = events.filter((e) => e.k === "bot_api_call");
  const chosen = view.only ? every.filter((e) => mine(view, e)) : every;
  const rows = chosen.map((e) => {
    const answer = e.error_code ? `${e.error_code} ${e.description ?? ""}` : e.status ?? "no answer";
    const to = chatOf(e) === null ? "" : ` to ${chatOf(e)}`;
    return row(view, e.t, bad(e), mine(view, e), opens(
      `${e.method}${to} → ${answer} (${lasted(e.duration_s ?? 0)}) ${said(e.params)}`,
      ["request", e.params], ["answer", e.result ?? { error_code: e.error_code, description: e.description }],
    ));
  });
  const left = every.length - chosen.length;
  return panel("calls", "Calls of the bot", rows, "the bot called nothing", left ? `${left} for other chats` : "");
}

function door(store, events, view) {
  const held = waiting(store, view.s, view.t).map((each) => {
    const tries = each.tries.filter((one) => one.t <= view.t);
    const ended = tries.at(-1);
    const how = ended ? `handed over ${tries.length === 1 ? "once" : `${tries.length} times`} by ${ended.door}, ${ended.error ?? ended.status ?? "no answer"}` : "not handed over yet";
    return row(view, each.t, view.t - each.t > 2, false, opens(
      `update ${each.id} waits for ${lasted(view.t - each.t)}: ${said(each.update)}, ${how}`, ["update", each.update]));
  });
  const passed = events.filter((e) => UPDATES.has(e.k))
    .map((e) => [e, concerns(store, view.s, e, view.chat)]).filter(([, own]) => !view.only || own)
    .map(([e, own]) => row(view, e.t, bad(e), own, opens(words(e), ["all of it", e])));
  return panel("door", "At the door", [...held, ...passed], "no update waits", `${held.length} waiting`);
}

/** A fault that stands beside the exchanges' answers. */
function ofExchanges(e) {
  return e.kind === "fault" && e.double !== "telegram_double";
}

function venues(events, view) {
  const faults = events.filter((e) => e.k === "double_event" && ofExchanges(e));
  const rows = [...events.filter((e) => e.k === "venue_call"), ...faults].sort((a, b) => a.t - b.t).map((e) => (
    e.k === "venue_call"
      ? row(view, e.t, bad(e), false, opens(
        `${e.venue} ${e.path} → ${e.status ?? "no answer"} (${lasted(e.duration_s ?? 0)})${e.unserved ? `, not served: ${e.unserved}` : ""}`,
        ["question", e.query ?? ""], ["all of it", e]))
      : row(view, e.t, true, false, opens(words(e), ["all of it", e]))));
  return panel("venues", "Exchanges", rows, "no exchange was asked");
}

function load(store, view) {
  const own = store.record.load.rows.find((each) => each.s === view.s)?.of ?? [];
  const chosen = between(own, view.from, view.to, (r) => r[0]);
  const words = store.record.load.words;
  const slow = chosen.filter((r) => !r[2] || r[1] >= 0.5);
  const shown = slow.length ? slow : [...chosen].sort((a, b) => b[1] - a[1]).slice(0, 3);
  const rows = shown.map((r) => row(view, r[0], !r[2] || r[1] >= 2, false,
    make("span", "", `${words[r[4]]} → ${words[r[5]] || (r[3] ?? "")} after ${lasted(r[1])}`)));
  return panel("load", "Load", rows, "no request of the load", chosen.length ? several(chosen.length, "request") : "");
}

function logs(store, events, view) {
  const lines = store.record.logs.filter((log) => log.s === view.s)
    .flatMap((log) => between(log.of, view.from, view.to, (l) => l[0]).map((l) => [l[0], log.process, l[1]]));
  const told = events.filter((e) => e.k === "log_trouble" || e.k === "log_tail");
  const rows = [
    ...lines.map(([t, process, text]) => [t, row(view, t, false, false, make("span", "who", process), make("code", "", text))]),
    ...told.map((e) => [e.t, row(view, e.t, bad(e), false, opens(words(e), ["lines", (e.lines ?? []).join("\n")]))]),
  ].sort((a, b) => a[0] - b[0]).map((each) => each[1]);
  const note = store.record.logs.length ? "times are those of reading" : "the log files are not beside the record";
  return panel("log", "Log", rows, "nothing was logged", note);
}

function memory(store, view) {
  const rows = [];
  for (const each of store.record.memory.filter((m) => m.s === view.s)) {
    const last = between(each.of, 0, view.t, (p) => p[0]).at(-1);
    if (!last) continue;
    const over = each.limit !== undefined && last[1] >= each.limit;
    const limit = each.limit === undefined ? "" : ` of ${each.limit} MB`;
    rows.push(row(view, last[0], over, false, make("span", "", `${each.process} ${last[1].toFixed(1)} MB${limit}`)));
  }
  return panel("memory", "Memory", rows, "no memory was measured before");
}

function starved(store, view) {
  const own = store.record.starved.find((each) => each.s === view.s)?.of ?? [];
  const worst = between(own, view.from, view.to, (r) => r[0]).filter((r) => Math.max(r[2], r[3]) >= 0.01)
    .sort((a, b) => Math.max(b[2], b[3]) - Math.max(a[2], a[3])).slice(0, 5);
  const rows = worst.map((r) => row(view, r[0], Math.max(r[2], r[3]) >= 0.5, false, make("span", "",
    `in ${lasted(r[1])}: ${r[4] || "nobody"} waited ${lasted(r[3])} for a processor, the harness was ${lasted(r[2])} late${r[5] ? `, ${lasted(r[5])} stolen` : ""}`)));
  return panel("starved", "Starvation", rows, "nothing had to wait for a processor");
}
