// Text with entities, as elements. Nothing from outside is ever read as HTML: only text nodes are
// made of it, and links are followed to a few schemes alone. Offsets count UTF-16 units, and so do
// JavaScript's strings.

const TAGS = {
  bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre",
  blockquote: "blockquote", expandable_blockquote: "blockquote",
};
const BLOCKS = new Set(["pre", "blockquote", "expandable_blockquote"]);
const SAFE = /^(https?|tg|mailto|tel):/i;

/** The nodes for `text`; `act(kind, text)` is called when a command is tapped. */
export function formatted(text, entities, act) {
  const ordered = [...(entities ?? [])].sort((a, b) => a.offset - b.offset || b.length - a.length);
  return pieces(text, 0, text.length, ordered, act);
}

function pieces(text, start, end, entities, act) {
  const nodes = [];
  let at = start;
  for (let i = 0; i < entities.length; i++) {
    const entity = entities[i];
    if (entity.offset < at) continue;
    const stop = Math.min(entity.offset + entity.length, end);
    if (entity.offset > at) nodes.push(document.createTextNode(text.slice(at, entity.offset)));
    const inner = entities.slice(i + 1).filter((e) => e.offset >= entity.offset && e.offset < stop);
    nodes.push(element(entity, text.slice(entity.offset, stop),
      pieces(text, entity.offset, stop, inner, act), act));
    // The line of a block ends by itself.
    at = BLOCKS.has(entity.type) && text[stop] === "\n" && text[stop - 1] !== "\n" ? stop + 1 : stop;
  }
  if (at < end) nodes.push(document.createTextNode(text.slice(at, end)));
  return nodes;
}

function element(entity, text, children, act) {
  const make = SPECIAL[entity.type];
  const node = make ? make(entity, text, act) : document.createElement(TAGS[entity.type] ?? "span");
  node.append(...children);
  return node;
}

function link(href) {
  if (!SAFE.test(href)) return document.createElement("span");
  const node = document.createElement("a");
  Object.assign(node, { href, target: "_blank", rel: "noreferrer noopener" });
  return node;
}

function opening(tag, className) {
  const node = document.createElement(tag);
  node.className = className;
  node.addEventListener("click", () => node.classList.add("open"));
  return node;
}

const SPECIAL = {
  text_link: (entity) => link(entity.url),
  url: (_entity, text) => link(SAFE.test(text) ? text : `http://${text}`),
  email: (_entity, text) => link(`mailto:${text}`),
  phone_number: (_entity, text) => link(`tel:${text}`),
  spoiler: () => opening("span", "spoiler"),
  expandable_blockquote: () => opening("blockquote", "expandable"),
  pre: (entity) => {
    const node = document.createElement("pre");
    if (entity.language) node.dataset.language = entity.language;
    return node;
  },
  bot_command: (_entity, text, act) => {
    const node = document.createElement("button");
    Object.assign(node, { type: "button", className: "linkish" });
    node.addEventListener("click", () => act("command", text));
    return node;
  },
  mention: () => styled("linkish"),
  text_mention: () => styled("linkish"),
  hashtag: () => styled("linkish"),
  cashtag: () => styled("linkish"),
};

function styled(className) {
  const node = document.createElement("span");
  node.className = className;
  return node;
}
