// Two stacks beside each other, case by case: the chats as they stood, and the lines that differ.

import { standing } from "./chat.js";
import { scrolls } from "./panels.js";
import { lasted } from "./store.js";
import { make } from "./view.js";

/** The stacks of a case that can stand beside each other: the first one, and the other. */
export function sides(each, other) {
  const [left, ...rest] = each.at;
  return [left, rest.find((at) => at.s === other) ?? rest[0]];
}

/** The names of the cases that differ between the first stack and another, in their order. */
export function differing(store, other) {
  return store.record.cases.filter((each) => each.rows?.[other]).map((each) => each.name);
}

/** A case in two stacks; `open(s, name)` goes to it in one of them. */
export function beside(store, name, other, open) {
  const each = store.cases.get(name);
  if (!each) return [make("p", "none", "No case was played in two modes.")];
  const [left, right] = sides(each, other);
  const box = make("div", "sides", side(store, each, left, open), right ? side(store, each, right, open) : missing(store, other));
  const rows = each.rows?.[other] ?? (right ? null : []);
  const said = rows === null ? make("p", "none", "Both answered the same.") : lines(store, rows, left.s, other);
  return [said, box, ...approved(store, each)];
}

function missing(store, other) {
  return make("section", "side", make("h3", "", store.stacks[other]?.name ?? "?"), make("p", "none", "this case was not played here"));
}

function side(store, each, at, open) {
  const head = make("h3", "", store.stacks[at.s].name);
  const took = at.took === undefined || at.took === null ? "no answer" : `answered after ${lasted(at.took)}`;
  const go = make("button", "quiet", "see it there");
  go.type = "button";
  go.addEventListener("click", () => open(at.in, each.name));
  const talk = store.talks.get(`${at.in} ${at.chat}`);
  const list = make("ul", "messages");
  list.tabIndex = 0;
  list.setAttribute("aria-label", `the chat in ${head.textContent}`);
  if (talk) list.append(...standing(store, talk, at.end + 0.001));
  const answer = at.expect === "reply" ? took : "is to stay unanswered";
  return make("section", `side${at.wrong ? " bad" : ""}`, head, make("p", "none", answer, " ", go), list);
}

function lines(store, rows, left, right) {
  const table = make("table", "lines");
  table.append(make("caption", "", "The answers as they are compared; what may differ is put in words"));
  const head = make("tr", "", make("th", "", make("span", "unseen", "differs")), make("th", "", store.stacks[left].name), make("th", "", store.stacks[right]?.name ?? ""));
  table.append(make("thead", "", head));
  const body = make("tbody", "");
  let equal = 0;
  rows.forEach(([differs, a, b], number) => {
    const near = [rows[number - 1], rows[number + 1]].some((row) => row?.[0]);
    if (!differs && !near) {
      equal += 1;
      if (rows[number + 1] && !rows[number + 2]?.[0]) return;
      const said = make("td", "nothing", equal === 1 ? "1 line is the same" : `${equal} lines are the same`);
      said.colSpan = 2;
      body.append(make("tr", "", make("td", "sign", ""), said));
      equal = 0;
      return;
    }
    const sign = make("td", "sign", differs ? "≠" : "");
    body.append(make("tr", differs ? "differs" : "", sign, cell(a), cell(differs ? b : a)));
  });
  table.append(body);
  return scrolls(make("div", "scroll", table), "The answers line by line");
}

function cell(text) {
  return make("td", text === null ? "nothing" : "", text === null ? "(no such line)" : text);
}

/** What differs from the approved replies, as a diff. */
export function approved(store, each) {
  return each.at.filter((at) => at.wrong).map((at) => {
    const box = make("section", "approved", make("h3", "", `${store.stacks[at.s].name}: ${at.wrong}`));
    if (!at.diff?.length) return box;
    const pre = make("pre", "");
    for (const text of at.diff) {
      const added = text.startsWith("+") && !text.startsWith("+++");
      const gone = text.startsWith("-") && !text.startsWith("---");
      pre.append(make(added ? "ins" : gone ? "del" : "span", "", text), "\n");
    }
    return box.append(scrolls(pre, `What differs in ${store.stacks[at.s].name}`)), box;
  });
}
