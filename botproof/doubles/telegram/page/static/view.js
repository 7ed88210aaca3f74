// How a message looks. Everything is built as elements; nothing from outside is read as HTML.

import { formatted } from "./entities.js";

export function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function nameOf(user) {
  return [user.first_name, user.last_name].filter(Boolean).join(" ") || user.title || `${user.id}`;
}

export function paintAvatar(node, id, name) {
  node.className = "avatar";
  node.textContent = [...name][0]?.toUpperCase() ?? "?";
  node.style.setProperty("--hue", Math.abs(id * 137) % 360);
  return node;
}

/** One message as a list item; `act(kind, value, message)` does what is tapped. */
export function messageItem(message, context) {
  const event = eventText(message);
  if (event) return make("li", "message event", event);
  const mine = message.from?.id === context.userId;
  const item = make("li", `message${mine ? " mine" : ""}`);
  item.dataset.id = message.message_id;
  const bubble = make("div", "bubble");
  if (context.isGroup && !mine) {
    bubble.append(make("div", "who", nameOf(message.from ?? message.sender_chat ?? {})));
  }
  const topic = message.is_topic_message && context.topics?.[message.message_thread_id];
  if (topic) bubble.append(make("div", "topic", `# ${topic.name}`));
  const reply = topic && message.reply_to_message?.forum_topic_created ? null : message.reply_to_message;
  if (reply) bubble.append(make("div", "reply", `${nameOf(reply.from ?? {})}: ${shortText(reply)}`));
  if (message.forward_origin) bubble.append(make("div", "reply", "Forwarded message"));
  const parts = content(message, context);
  bubble.append(...(message.show_caption_above_media ? parts.reverse() : parts));
  bubble.append(time(message));
  item.append(bubble);
  const keys = inlineKeys(message, context);
  if (keys) item.append(keys);
  return item;
}

export function shortText(message) {
  return message.text || message.caption || Object.keys(MEDIA).find((k) => k in message) || "message";
}

function time(message) {
  const at = new Date((message.edit_date ?? message.date) * 1000);
  const label = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const node = make("time", "when", message.edit_date ? `edited ${label}` : label);
  node.dateTime = at.toISOString();
  return node;
}

function content(message, context) {
  const parts = [];
  const kind = Object.keys(MEDIA).find((name) => name in message);
  if (kind) parts.push(MEDIA[kind](message[kind], message, context));
  const text = message.text ?? message.caption;
  if (text) {
    const entities = message.entities ?? message.caption_entities;
    const act = (what, value) => context.act(what, value, message);
    parts.push(make("div", "body", ...formatted(text, entities, act)));
  }
  if (!parts.length) parts.push(make("div", "body", "(a message of a kind that this page does not show)"));
  return parts;
}

function card(sign, title, ...lines) {
  const about = make("span", "", make("b", "", title));
  for (const line of lines.filter(Boolean)) about.append(make("small", "", line));
  return make("div", "media", make("span", "sign", sign), about);
}

function size(file) {
  const bytes = file?.file_size;
  if (!bytes) return "";
  return bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} kB` : `${(bytes / 1048576).toFixed(1)} MB`;
}

function length(media) {
  const seconds = media.duration ?? 0;
  return seconds ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` : "";
}

function file(sign, word) {
  return (media) => card(sign, media.title ?? media.file_name ?? word, media.performer, length(media), size(media));
}

function photo(sizes, message, context) {
  const largest = sizes[sizes.length - 1];
  if (!context.token) return card("🖼", "Photo", `${largest.width} × ${largest.height}`, size(largest));
  const picture = make("img");
  picture.alt = message.caption ?? "Photo";
  picture.loading = "lazy";
  picture.src = `/_double/page/file/${context.token}/${largest.file_id}`;
  picture.addEventListener("error", () => {
    picture.replaceWith(card("🖼", "Photo", `${largest.width} × ${largest.height}`, size(largest)));
  });
  return picture;
}

function poll(value, _message, context) {
  const box = make("div", "", make("b", "", `📊 ${value.question}`));
  value.options.forEach((option, index) => {
    const button = make("button", "option", make("span", "", option.text), make("small", "", `${option.voter_count}`));
    button.type = "button";
    button.disabled = value.is_closed;
    button.addEventListener("click", () => context.act("vote", { poll_id: value.id, options: [index] }));
    box.append(button);
  });
  box.append(make("small", "", value.is_closed ? "Final results" : `${value.total_voter_count} votes`));
  return box;
}

const MEDIA = {
  photo,
  animation: file("🎞", "Animation"),
  video: file("🎬", "Video"),
  audio: file("🎵", "Audio"),
  voice: file("🎤", "Voice message"),
  video_note: file("📹", "Video message"),
  document: file("📄", "Document"),
  sticker: (media) => card(media.emoji ?? "🏷", "Sticker", media.set_name),
  venue: (media) => card("🏛", media.title, media.address),
  location: (media) => card("📍", "Location", `${media.latitude}, ${media.longitude}`),
  contact: (media) => card("👤", nameOf(media), media.phone_number),
  dice: (media) => make("div", "dice", `${media.emoji} ${media.value}`),
  poll,
  invoice: (media) => card("🧾", media.title, `${(media.total_amount / 100).toFixed(2)} ${media.currency}`),
  game: (media) => card("🎮", media.title, media.description),
};

const EVENTS = {
  new_chat_members: (users) => `${users.map(nameOf).join(", ")} joined`,
  left_chat_member: (user) => `${nameOf(user)} left`,
  new_chat_title: (title) => `The group is called “${title}” now`,
  pinned_message: (pinned) => `Pinned: ${shortText(pinned)}`,
  forum_topic_created: (topic) => `Topic “${topic.name}” was created`,
  forum_topic_edited: (topic) => topic.name ? `The topic is called “${topic.name}” now` : "The topic has another icon",
  forum_topic_closed: () => "The topic was closed",
  forum_topic_reopened: () => "The topic was opened again",
  general_forum_topic_hidden: () => "The General topic was hidden",
  general_forum_topic_unhidden: () => "The General topic is shown again",
  migrate_to_chat_id: () => "The group became a supergroup",
  migrate_from_chat_id: () => "The supergroup was a group",
  message_auto_delete_timer_changed: () => "The auto-delete timer was changed",
  group_chat_created: () => "The group was created",
  supergroup_chat_created: () => "The group was created",
};

function eventText(message) {
  const kind = Object.keys(EVENTS).find((name) => name in message);
  return kind ? EVENTS[kind](message[kind]) : "";
}

function inlineKeys(message, context) {
  const rows = message.reply_markup?.inline_keyboard;
  if (!rows?.length) return null;
  return keyRows(rows, (button, node) => context.act("key", button, message, node));
}

/** Rows of buttons; `tap(button, node)` is called with the one that was tapped. */
export function keyRows(rows, tap) {
  const keys = make("div", "keys");
  for (const row of rows) {
    const line = make("div", "row");
    for (const given of row) {
      const button = typeof given === "string" ? { text: given } : given;
      const sign = button.url ? " ↗" : button.web_app ? " ▣" : button.copy_text ? " ⧉" : "";
      const node = make("button", "key", button.text + sign);
      node.type = "button";
      node.addEventListener("click", () => tap(button, node));
      line.append(node);
    }
    keys.append(line);
  }
  return keys;
}
