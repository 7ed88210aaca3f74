// A chat as its user saw it at a moment. Messages look as the chat page of the double draws them.

import { make, messageItem } from "./view.js";

const STILL = { act() {}, token: "", isGroup: false };

/** The chats of a stack in which something had been said, with their last case. */
export function chatsOf(store, s) {
  return store.record.talks.filter((talk) => talk.s === s && talk.items.length);
}

/** The chat in which something was last said before a time. */
export function lastChat(store, s, t) {
  let found = null, when = -Infinity;
  for (const talk of chatsOf(store, s)) {
    for (const item of talk.items) {
      if (item.t > t) break;
      if (item.t >= when) [found, when] = [talk.chat, item.t];
    }
  }
  return found ?? chatsOf(store, s)[0]?.chat ?? null;
}

/** What stands in a chat at a time: list items, the newest last. */
export function standing(store, talk, t) {
  return talk.items.filter((item) => item.t <= t).map((item) => bubble(store, talk, item, t));
}

/** The message that an item showed at a time, and how often it had been changed. */
export function messageAt(store, item, t) {
  const states = (item.v ?? []).filter((state) => state[0] <= t);
  const state = states.at(-1) ?? item.v?.[0];
  if (!state) return { message: null, edits: 0 };
  return { message: shown(store, state), edits: Math.max(0, states.length - 1) };
}

function shown(store, state) {
  if (state.length === 2) return state[1];
  const event = store.record.events[state[1]] ?? {};
  return event[state[2]] ?? (event.sent ?? event.update ?? {})[state[2]] ?? { text: "(not kept in this page)" };
}

function bubble(store, talk, item, t) {
  if (item.by === "note") return tagged(make("li", "message event", item.text ?? ""), item);
  const { message, edits } = messageAt(store, item, t);
  const mine = item.by === "user";
  const known = { ...message, from: message.from ?? { id: mine ? talk.chat : 0, first_name: mine ? "User" : "Bot" } };
  if (edits) known.edit_date = known.edit_date ?? known.date;
  const node = messageItem({ date: 0, ...known }, { ...STILL, userId: mine ? known.from.id : -1 });
  const when = node.querySelector("time");
  if (when) when.textContent = `${edits ? "edited " : ""}${(item.v.filter((v) => v[0] <= t).at(-1) ?? item.v[0])[0].toFixed(2)} s`;
  for (const button of node.querySelectorAll("button")) button.disabled = true;
  for (const [i, key] of [...node.querySelectorAll(".key")].entries()) key.title = dataOf(known, i);
  const under = keyboardOf(known);
  if (under) node.querySelector(".bubble")?.append(make("div", "reply", `keyboard: ${under}`));
  if (item.gone !== undefined && item.gone <= t) {
    node.classList.add("gone");
    node.querySelector(".bubble")?.prepend(make("div", "reply", `deleted at ${item.gone.toFixed(2)} s`));
  }
  return tagged(node, item);
}

/** What the keys say that a message puts in the place of its user's own keyboard. */
function keyboardOf(message) {
  const keys = [message.reply_markup?.keyboard ?? []].flat(3);
  return keys.map((key) => (typeof key === "string" ? key : (key?.text ?? ""))).filter(Boolean).join(" · ");
}

function dataOf(message, number) {
  const button = (message.reply_markup?.inline_keyboard ?? []).flat()[number] ?? {};
  return button.callback_data ?? button.url ?? "";
}

function tagged(node, item) {
  if (item.case) node.dataset.case = item.case;
  return node;
}
