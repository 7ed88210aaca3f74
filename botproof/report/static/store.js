// The record of a run, opened and put in order for looking things up. Nothing is drawn here.

/** The record that a page holds: Base64 of gzip of JSON. */
export async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/** The items of a list in order of time from `from` to `to`; `at` tells the time of one. */
export function between(list, from, to, at = (each) => each.t) {
  return list.slice(place(list, from, at, false), place(list, to, at, true));
}

/** How many items come before a time; with `whole` those at that very time count, too. */
export function place(list, t, at, whole) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const time = at(list[middle]);
    if (time < t || (whole && time === t)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The record with what is needed to find things in it. */
export function opened(record) {
  const stacks = record.stacks.length ? record.stacks : [{ name: "", mode: "", from: 0, to: record.length }];
  const of = stacks.map((_, s) => record.events.filter((e) => e.s === s || e.s === -1));
  const talks = new Map();
  for (const talk of record.talks) talks.set(`${talk.s} ${talk.chat}`, talk);
  const cases = new Map(record.cases.map((each) => [each.name, each]));
  return {
    record, stacks, of, talks, cases,
    updates: stacks.map((_, s) => updatesOf(of[s])),
    asked: stacks.map((_, s) => askedIn(record.cases, s)),
    // Of some stacks only single events are told, from a record of their own.
    lived: stacks.map((_, s) => record.stacks.length < 2 || of[s].some((e) => e.s === s && e.k !== "vanished")),
  };
}

function askedIn(cases, s) {
  const found = [];
  for (const each of cases) {
    for (const at of each.at) if (at.in === s) found.push({ ...at, name: each.name, title: each.title, differ: !!each.rows });
  }
  return found.sort((a, b) => a.t - b.t);
}

/** Every update of a stack: when it came, was handed over and confirmed. */
function updatesOf(events) {
  const found = new Map();
  for (const e of events) {
    if (e.k === "update_injected") {
      found.set(e.update_id, { id: e.update_id, t: e.t, update: e.update, chat: chatIn(e.update), tries: [], gone: Infinity });
    } else if (e.k === "update_delivered") {
      found.get(e.update_id)?.tries.push(e);
    } else if (e.k === "update_confirmed" || (e.k === "double_event" && e.kind === "drop")) {
      for (const id of e.update_ids ?? e.detail?.update_ids ?? []) {
        const update = found.get(id);
        if (update && update.gone === Infinity) Object.assign(update, { gone: e.t, how: e.k });
      }
    }
  }
  return [...found.values()];
}

function chatIn(update) {
  const body = Object.values(update ?? {}).find((each) => each && typeof each === "object");
  return body?.chat?.id ?? body?.message?.chat?.id ?? null;
}

/** Whether an event of the door is about a chat. */
export function concerns(store, s, e, chat) {
  if (e.chat_id !== undefined) return e.chat_id === chat;
  const ids = e.update_ids ?? [e.update_id];
  return store.updates[s].some((each) => each.chat === chat && ids.includes(each.id));
}

/** The updates that Telegram held for the bot at a time. */
export function waiting(store, s, t) {
  return store.updates[s].filter((each) => each.t <= t && each.gone > t);
}

/** A time as it is shown: seconds since the run began. */
export function seconds(t) {
  return `${t.toFixed(3)} s`;
}

/** A count with its noun. */
export function several(count, one) {
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}

/** A duration in the unit that suits it. */
export function lasted(s) {
  return s < 1 ? `${(1000 * s).toFixed(s < 0.01 ? 1 : 0)} ms` : `${s.toFixed(2)} s`;
}

/** The time of day of a moment, UTC; "" where the run does not say when it began. */
export function clock(store, t) {
  if (store.record.began === null) return "";
  return `${new Date(1000 * (store.record.began + t)).toISOString().slice(11, 23)} UTC`;
}

/** What a piece of JSON says, in one line. */
export function brief(value, most = 160) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  const line = text.replace(/\s+/g, " ");
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** Whether an event tells of something bad. */
export function bad(e) {
  switch (e.k) {
    case "bot_api_call": return !!e.error_code;
    case "venue_call": return !e.status || e.status >= 400 || !!e.unserved;
    case "update_delivered": return !!e.error || (e.status ?? 200) >= 300;
    case "process_exited": return !e.expected || !!e.code || !!e.killed;
    case "process_not_ready": case "harness_error": case "log_trouble": case "vanished": return true;
    case "conversations_compared": return !!(e.differences || e.flaky || e.ended || e.unanswered);
    default: return false;
  }
}

const exit = (code) => ((code ?? 0) < 0 ? `signal ${-code}` : `exit code ${code ?? 0}`);

const WORDS = {
  phase: (e) => `${e.name}: ${e.edge === "begin" ? "begins" : "ends"}`,
  harness_error: (e) => `the harness failed: ${e.where}: ${e.message}`,
  process_started: (e) => `${e.process} started (pid ${e.pid})`,
  process_ready: (e) => `${e.process} ready after ${lasted(e.after_s ?? 0)}`,
  process_not_ready: (e) => `${e.process} did not become ready: ${e.reason}`,
  stop_requested: (e) => `${e.signal} to ${e.process}`,
  process_exited: (e) => `${e.process} ended ${e.expected ? "" : "on its own "}with ${exit(e.code)}`
    + `${e.killed ? ": it ignored SIGTERM and had to be killed" : ""}${e.out_of_memory ? ": its memory was full" : ""}`,
  health_answered: (e) => `GET ${e.url} → ${e.error ?? `${e.status} ${brief(e.body ?? "", 80)}`}`,
  double_event: (e) => (e.kind === "fault"
    ? faulted(e)
    : e.kind === "webhook_set" ? `the webhook is ${e.detail?.url || "taken away"}` : `${e.double}: ${e.kind} ${brief(e.detail ?? "")}`),
  fault: (e) => `fault: ${e.kind} of ${e.target} ${brief(e.detail ?? "")}`,
  fresh_start: (e) => `started afresh: ${e.reason}`,
  played_again: (e) => `plays again: ${(e.cases ?? []).join(", ")}`,
  played_over: (e) => `${e.check}: its trials are played over, alone`,
  vanished: (e) => `a process of ${e.process} ended after ${lasted(e.lived_s ?? 0)}: ${e.command}`,
  load_planned: (e) => `load: at most ${e.cap} requests, ${e.rate} a second`,
  generator_held: (e) => `the load generator stood still for ${lasted(e.held_s ?? 0)}`,
  memory_fence: (e) => `memory fence of ${Math.round((e.limit ?? 0) / 1e6)} MB ${e.problem ?? ""}`,
  door_asked: (e) => `at the door: ${e.sent} → ${e.error || (e.status ? `HTTP ${e.status}` : "")} ${brief(e.answers ?? (e.error || e.status ? "" : "no answer"))}`,
  conversations_compared: (e) => `${e.conversations ?? 0} generated conversations compared: ${(e.differences ?? []).length} answered differently`,
  case_played: (e) => `${e.case}: the user sent ${e.title || e.update_id}`,
  update_injected: (e) => `update ${e.update_id} queued: ${said(e.update)}`,
  update_delivered: (e) => `update ${e.update_id} handed over by ${e.door}${(e.attempt ?? 1) > 1 ? `, attempt ${e.attempt}` : ""} → ${e.error ?? e.status ?? "no answer"}`,
  update_confirmed: (e) => `the bot confirmed ${brief((e.update_ids ?? []).join(", "), 60)}`,
  bot_api_call: (e) => `${e.method} ${said(e.params)}`,
  venue_call: (e) => `${e.venue} ${e.path}`,
  log_trouble: (e) => `log of ${e.process}: ${(e.lines ?? []).at(-1) ?? ""}`,
  log_tail: (e) => `the log of ${e.process} ends: ${(e.lines ?? []).at(-1) ?? ""}`,
};

/** What a double did wrong on purpose, or was told to do: "lost answer of sendMessage". */
function faulted(e) {
  const told = e.detail?.programmed, fault = told ?? e.detail ?? {};
  const of = [fault.method ?? fault.venue, fault.path].filter((each) => each && each !== "*").join(" ");
  const how = [fault.kind ?? fault.fault ?? "", of && `of ${of}`, told?.status && `HTTP ${told.status}`].filter(Boolean).join(" ");
  return `${e.double} ${told ? "is to make" : "made"} a fault: ${how.replaceAll("_", " ")}`;
}

/** What an event says, in words. */
export function words(e) {
  const say = WORDS[e.k];
  return say ? say(e) : `${e.k} ${brief(e)}`;
}

/** What an update or a call says to a person. */
export function said(body) {
  if (!body) return "";
  const inner = Object.values(body).find((each) => each && typeof each === "object" && !Array.isArray(each));
  const text = body.text ?? body.caption ?? inner?.text ?? inner?.data ?? inner?.caption;
  return text === undefined ? "" : brief(text, 90);
}
