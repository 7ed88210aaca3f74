// The page: which bot, who one is, which chat; what is written there, live.

import { keyRows, make, messageItem, nameOf, paintAvatar, shortText } from "./view.js";

const $ = (id) => document.getElementById(id);
const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private window */ } };
const SHOWN_MESSAGES = 300;
const FIRST_USER = { id: 1001, first_name: "Ada" };

const state = {
  bots: [],
  token: kept("bot"),
  users: JSON.parse(kept("users") ?? "null") ?? [FIRST_USER],
  userId: Number(kept("user") ?? FIRST_USER.id),
  chatId: null,
  shown: null,      // the open chat, as the control interface tells it
  taps: new Map(),  // callback queries that wait for their answer, with the tapped key
};

const bot = () => state.bots.find((b) => b.token === state.token) ?? null;
const user = () => allUsers().find((u) => u.id === state.userId) ?? FIRST_USER;

function allUsers() {
  const known = new Map(state.users.map((u) => [u.id, u]));
  for (const person of bot()?.users ?? []) known.set(person.id, person);
  return [...known.values()];
}

// -- talking to the double -----------------------------------------------------------------------

async function control(path, body) {
  const options = body && { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await (await fetch(`/_double/${path}`, options)).json();
  if (!answer.ok) throw new Error(answer.description);
  return answer.result;
}

async function act(action) {
  if (!state.token) return notice("No bot has called yet."), null;
  const { id, ...about } = user();
  const { is_bot, ...names } = about;
  const who = { user_id: id, chat_id: state.chatId ?? id, ...names };
  try {
    return await control(`bots/${state.token}/updates`, { ...who, ...action });
  } catch (error) {
    notice(error.message);
    return null;
  }
}

function listen() {
  const events = new EventSource("/_double/page/events");
  events.onopen = () => $("live").classList.add("on");
  events.onerror = () => $("live").classList.remove("on");
  events.onmessage = (event) => {
    state.bots = JSON.parse(event.data).bots;
    if (!bot() && state.bots.length) choose("token", state.bots[0].token);
    paint();
    refresh();
  };
}

let refreshing = null;
function refresh() {
  // One request at a time: what happens meanwhile is in the next one.
  if (refreshing) { refreshing = "again"; return; }
  refreshing = "once";
  load().finally(() => {
    const again = refreshing === "again";
    refreshing = null;
    if (again) refresh();
  });
}

async function load() {
  const chatId = state.chatId ?? state.userId;
  const known = bot()?.chats.some((chat) => chat.id === chatId);
  try {
    const shown = known ? await control(`bots/${state.token}/chats/${chatId}/messages?last=${SHOWN_MESSAGES}`) : null;
    if (chatId === (state.chatId ?? state.userId)) state.shown = shown;
  } catch (error) {
    notice(error.message);
  }
  paintChat();
  await answerTaps();
}

// -- painting ------------------------------------------------------------------------------------

function choose(what, value) {
  state[what] = value;
  keep({ token: "bot", userId: "user" }[what] ?? what, String(value));
}

function options(select, entries, chosen) {
  const key = JSON.stringify([entries, chosen]);
  if (select.dataset.key === key) return;
  select.dataset.key = key;
  select.replaceChildren(...entries.map(([value, label]) => new Option(label, value, false, value === chosen)));
}

function paint() {
  options($("bot"), state.bots.map((b) => [b.token, `@${b.user.username}`]), state.token);
  options($("user"), allUsers().map((u) => [String(u.id), `${nameOf(u)} · ${u.id}`]), String(state.userId));
  paintDoor();
  paintChats();
}

function paintDoor() {
  const current = bot();
  const door = $("door");
  if (!current) { door.textContent = "No bot yet"; door.className = "door"; return; }
  const waiting = current.pending ? ` · ${current.pending} update${current.pending > 1 ? "s" : ""} waiting` : "";
  if (current.door.kind === "webhook") {
    const error = current.door.error ? ` · last error: ${current.door.error}` : "";
    door.textContent = `Webhook ${current.door.url}${waiting}${error}`;
    door.className = `door${current.door.error && current.pending ? " bad" : ""}`;
    return;
  }
  const said = current.door.waits ? "Polling: the bot waits for updates"
    : current.door.polled ? "Polling: between two polls" : "The bot has not asked for updates yet";
  door.textContent = said + waiting;
  door.className = "door";
}

function chatList() {
  const own = user();
  const chats = (bot()?.chats ?? []).filter((c) => c.type !== "private" || c.id === own.id);
  if (bot() && !chats.some((c) => c.id === own.id)) {
    chats.push({ id: own.id, type: "private", first_name: own.first_name, last: null });
  }
  return chats;
}

const titleOf = (chat) => (chat.type === "private" ? bot()?.user.first_name ?? "Bot" : chat.title);

function paintChats() {
  const open = state.chatId ?? state.userId;
  const chats = chatList();
  // Painted anew only when it changed: a click on a key that is replaced meanwhile is lost.
  const key = JSON.stringify([state.token, open, chats]);
  if ($("chats").dataset.key === key) return;
  $("chats").dataset.key = key;
  $("chats").replaceChildren(...chats.map((chat) => {
    const last = chat.last ? `${chat.last.by_bot ? "" : chat.type === "private" ? "You: " : ""}${chat.last.text}` : "No messages yet";
    const item = make("button", "", paintAvatar(make("span"), chat.type === "private" ? bot().user.id : chat.id, titleOf(chat)),
      make("span", "", make("b", "", titleOf(chat)), make("small", "", last)));
    item.type = "button";
    item.setAttribute("aria-current", String(chat.id === open));
    item.addEventListener("click", () => { state.chatId = chat.id; state.shown = null; pane("chat"); paint(); refresh(); });
    return make("li", "", item);
  }));
}

function paintChat() {
  const chat = chatList().find((c) => c.id === (state.chatId ?? state.userId));
  $("chat-title").textContent = chat ? titleOf(chat) : "";
  if (chat) paintAvatar($("chat-avatar"), chat.type === "private" ? bot().user.id : chat.id, titleOf(chat));
  paintAction(chat);
  paintMessages(chat);
  paintKeyboard();
  const pinned = state.shown?.pinned_message_ids?.map((id) => state.shown.messages.find((m) => m.message_id === id)).find(Boolean);
  $("pinned").hidden = !pinned;
  if (pinned) $("pinned").textContent = `📌 ${shortText(pinned)}`;
}

const ACTIONS = {
  typing: "is typing", upload_photo: "is sending a photo", upload_document: "is sending a file",
  record_voice: "is recording", record_video: "is recording", upload_video: "is sending a video",
  upload_voice: "is sending a voice message", find_location: "is looking for a place", choose_sticker: "chooses a sticker",
};

let actionEnds = 0;
function paintAction(chat) {
  clearTimeout(actionEnds);
  const action = state.shown?.action;
  $("chat-state").textContent = action ? `${ACTIONS[action] ?? action} …`
    : !chat ? "" : chat.type === "private" ? `@${bot().user.username}` : `${chat.members?.length ?? 0} members`;
  // An action is shown for five seconds, and nothing tells when they are over.
  if (action) actionEnds = setTimeout(refresh, 5200);
}

const items = new Map();
let itemsOf = "";
function paintMessages(chat) {
  const list = $("messages");
  const messages = state.shown?.messages ?? [];
  const place = `${state.token} ${state.chatId} ${state.userId}`;
  if (place !== itemsOf) { items.clear(); atEnd = true; }
  itemsOf = place;
  const context = { userId: state.userId, token: state.token, isGroup: chat && chat.type !== "private", topics: state.shown?.topics, act: onAct };
  const fresh = messages.map((message) => {
    // A message is built anew only when it changed, so that an opened spoiler stays open.
    const key = JSON.stringify(message);
    const known = items.get(message.message_id);
    if (known?.key === key) return known.node;
    const node = messageItem(message, context);
    items.set(message.message_id, { key, node });
    return node;
  });
  if (fresh.length !== list.children.length || fresh.some((node, i) => list.children[i] !== node)) list.replaceChildren(...fresh);
  stayAtEnd();
  paintEmpty(messages);
}

// Whoever reads further up stays there; everybody else sees the newest message.
let atEnd = true;
function stayAtEnd() {
  if (atEnd) $("messages").scrollTop = $("messages").scrollHeight;
}

function paintEmpty(messages) {
  const empty = $("empty");
  empty.hidden = messages.length > 0;
  if (!bot()) {
    empty.replaceChildren("Give your bot the base URL ", make("code", "", location.origin),
      " and start it: any well-formed token is a bot here.");
  } else {
    empty.textContent = "Write something: the bot gets it as from a real person.";
  }
}

function paintKeyboard() {
  const keyboard = state.shown?.keyboard;
  $("keyboard").hidden = !keyboard?.keyboard;
  $("text").placeholder = keyboard?.input_field_placeholder ?? "Message";
  const key = JSON.stringify(keyboard?.keyboard ?? null);
  if ($("keyboard").dataset.key === key) return;
  $("keyboard").dataset.key = key;
  if (keyboard?.keyboard) $("keyboard").replaceChildren(keyRows(keyboard.keyboard, (button) => act({ tap: { text: button.text } })));
}

// -- doing ---------------------------------------------------------------------------------------

function onAct(kind, value, message, node) {
  if (kind === "command") return act({ text: value });
  if (kind === "vote") return act({ vote: value });
  return tap(value, message, node);
}

async function tap(button, message, node) {
  if (button.copy_text) return navigator.clipboard?.writeText(button.copy_text.text), notice("Copied");
  if (button.url) return open(/^https?:/i.test(button.url) ? button.url : "about:blank", "_blank", "noreferrer,noopener");
  node.classList.add("busy");
  const data = button.callback_data === undefined ? {} : { data: button.callback_data };
  const made = await act({ tap: { message_id: message.message_id, text: button.text, ...data } });
  if (!made?.callback_query_id) {
    node.classList.remove("busy");
    if (made) notice(`This button does something that the page does not show: ${Object.keys(button).filter((k) => k !== "text").join(", ")}`);
    return null;
  }
  state.taps.set(made.callback_query_id, { node, since: Date.now() });
  return answerTaps();
}

async function answerTaps() {
  for (const [id, { node, since }] of [...state.taps]) {
    const query = await control(`bots/${state.token}/queries/${id}`).catch(() => ({ answer: {} }));
    if (!query.answer && Date.now() - since < 150_000) continue;
    state.taps.delete(id);
    node.classList.remove("busy");
    if (query.answer?.text) notice(query.answer.text, query.answer.show_alert);
  }
}

let noticeEnds = 0;
function notice(text, stays = false) {
  const box = $("notice");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(noticeEnds);
  if (!stays) noticeEnds = setTimeout(() => { box.hidden = true; }, 5000);
}

function base64(buffer) {
  let text = "";
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
  return btoa(text);
}

async function sendFile(file) {
  const kind = /^image\/(png|jpeg)$/.test(file.type) ? "photo" : "document";
  const media = { kind, data: base64(await file.arrayBuffer()), file_name: file.name, mime_type: file.type };
  const caption = $("text").value.trim();
  $("text").value = "";
  await act({ media, ...(caption ? { caption } : {}) });
}

let editing = null;
async function send() {
  const field = $("text");
  const text = field.value.trim();
  if (!text) return;
  const done = editing ? await act({ edit: { message_id: editing, text } }) : await act({ text });
  if (!done) return;
  field.value = "";
  field.style.height = "";
  edit(null);
}

function edit(message) {
  editing = message?.message_id ?? null;
  $("aside").hidden = !message;
  if (!message) return;
  $("aside").firstElementChild.textContent = `Edit: ${message.text}`;
  $("text").value = message.text;
  $("text").focus();
}

function pane(name) {
  $("app").dataset.pane = name;
  stayAtEnd();
}

function addPerson() {
  const name = prompt("First name of another person", "Bob");
  if (!name) return;
  const id = Math.max(1000, ...allUsers().map((u) => u.id)) + 1;
  state.users.push({ id, first_name: name.trim() });
  keep("users", JSON.stringify(state.users));
  become(id);
}

function become(id) {
  choose("userId", id);
  state.chatId = null;
  state.shown = null;
  paint();
  refresh();
}

async function addGroup() {
  const title = prompt("Name of the group", "Traders");
  if (!title) return;
  const id = -1_000_000_000_000 - Math.floor(Date.now() / 10) % 1_000_000_000;
  state.chatId = id;
  if (await act({ title: title.trim(), chat_type: "supergroup", add_bot: true })) pane("chat");
  refresh();
}

// -- wiring --------------------------------------------------------------------------------------

$("bot").addEventListener("change", (event) => { choose("token", event.target.value); state.chatId = null; state.shown = null; paint(); refresh(); });
$("user").addEventListener("change", (event) => become(Number(event.target.value)));
$("new-user").addEventListener("click", addPerson);
$("new-group").addEventListener("click", addGroup);
$("back").addEventListener("click", () => pane("chats"));
$("notice").addEventListener("click", () => { $("notice").hidden = true; });
$("aside").lastElementChild.addEventListener("click", () => { edit(null); $("text").value = ""; });
$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", (event) => { for (const file of event.target.files) sendFile(file); event.target.value = ""; });
$("place").addEventListener("click", () => act({ content: { location: { latitude: 52.520008, longitude: 13.404954 } } }));
$("write").addEventListener("submit", (event) => { event.preventDefault(); send(); });
$("text").addEventListener("input", (event) => {
  event.target.style.height = "";
  event.target.style.height = `${Math.min(event.target.scrollHeight + 2, 144)}px`;
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
  if (event.key === "Escape") { edit(null); }
  if (event.key === "ArrowUp" && !event.target.value) {
    edit(state.shown?.messages.findLast((m) => m.from?.id === state.userId && m.text) ?? null);
    event.preventDefault();
  }
});
$("messages").addEventListener("scroll", ({ target }) => {
  if (target.clientHeight) atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 60;
});
$("messages").addEventListener("load", stayAtEnd, true);  // a picture has its size only now
addEventListener("resize", stayAtEnd);
$("theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  keep("theme", document.documentElement.dataset.theme);
});
if (kept("theme")) document.documentElement.dataset.theme = kept("theme");
paint();
paintChat();
listen();
