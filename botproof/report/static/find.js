// Search over everything that the record holds in words.

import { words } from "./store.js";

const MOST = 60;
let index = null;

/** Where a text is found: at most 60 places, each {t, s, kind, text, case}. */
export function find(store, wanted) {
  const text = wanted.trim().toLowerCase();
  if (!text) return [];
  index ??= [...places(store)];
  const found = [];
  for (const each of index) {
    if (each.low.includes(text)) found.push(each);
    if (found.length === MOST) break;
  }
  return found;
}

/** Forget what was read: another record is shown. */
export function forget() {
  index = null;
}

function* places(store) {
  for (const moment of store.record.moments) {
    yield entry("finding", moment.t, Math.max(0, moment.s), `${moment.check}: ${moment.text}`, moment.case);
  }
  for (const each of store.record.cases) {
    for (const at of each.at) yield entry("case", at.end, at.in, `${each.name} ${each.title}`, each.name);
  }
  for (const e of store.record.events) {
    if (e.k === "case_played") continue;
    const all = JSON.stringify([e.params, e.update, e.result?.text, e.query, e.detail, e.lines, e.answers]);
    yield entry(e.k.replaceAll("_", " "), e.t, Math.max(0, e.s), words(e), "", all);
  }
  for (const log of store.record.logs) {
    for (const [t, line] of log.of) yield entry(`log of ${log.process}`, t, Math.max(0, log.s), line, "");
  }
}

function entry(kind, t, s, text, name, more = "") {
  return { kind, t, s, text, case: name, low: `${kind} ${text} ${more}`.toLowerCase() };
}
