// Calls every method of node-telegram-bot-api that uploads a file: 0.67 by paths, buffers and
// streams, version 2 by InputFile. Prints what failed and why, by the name of the call, as JSON.
import { createRequire } from "node:module";
import { createReadStream, writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

process.env.NTBA_FIX_350 = "1"; // content types by file name, as of its next version
process.noDeprecation = true;
const require = createRequire(import.meta.url);
const Before = require("before");
const now = await import("now");

const { DOUBLE_URL: url, TOKEN: token } = process.env;
const chat = Number(process.env.CHAT_ID);
const group = Number(process.env.GROUP_ID);

// Heads of the formats are what Telegram's double reads of a file.
const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 2, 0, 2, 0, ...Array(20).fill(0)]);
const png = Buffer.concat([
  Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"),
  Buffer.from([0, 0, 2, 0, 0, 0, 2, 0, 8, 6, 0, 0, 0]),
  Buffer.alloc(20),
]);
const gif = Buffer.from("GIF89a\x10\x00\x10\x00", "latin1");
const plain = Buffer.from("anything");
const folder = mkdtempSync(join(tmpdir(), "uploads-"));
const FILES = { "a.jpg": jpeg, "a.png": png, "a.gif": gif, "a.mp3": plain, "a.mp4": plain, "a.ogg": plain, "a.txt": plain };
const path = (name) => join(folder, name);
for (const [name, data] of Object.entries(FILES)) writeFileSync(path(name), data);

const outcomes = {};
async function call(name, run) {
  try {
    const result = await run();
    outcomes[name] = result ? "" : `answered ${JSON.stringify(result)}`;
  } catch (error) {
    outcomes[name] = String(error.message ?? error).slice(0, 160) || "failed";
  }
}

// -- 0.67: each as a path, as bytes, and as a stream -------------------------------------------------

const before = new Before(token, { baseApiUrl: url });
const SENDS = {
  sendPhoto: "a.jpg",
  sendDocument: "a.txt",
  sendAudio: "a.mp3",
  sendVideo: "a.mp4",
  sendVideoNote: "a.mp4",
  sendVoice: "a.ogg",
  sendAnimation: "a.gif",
  sendSticker: "a.png",
};
for (const [method, file] of Object.entries(SENDS)) {
  await call(`0.67 ${method} by path`, () => before[method](chat, path(file)));
  await call(`0.67 ${method} by bytes`, () => before[method](chat, FILES[file], {}, { filename: file }));
  await call(`0.67 ${method} by stream`, () => before[method](chat, createReadStream(path(file))));
}
await call("0.67 sendMediaGroup", () =>
  before.sendMediaGroup(chat, [
    { type: "photo", media: path("a.jpg") },
    { type: "photo", media: jpeg, fileOptions: { filename: "b.jpg" } },
  ]),
);
const photo = await before.sendPhoto(chat, path("a.jpg"));
await call("0.67 editMessageMedia", () =>
  before.editMessageMedia(
    { type: "photo", media: `attach://${path("a.png")}` },
    { chat_id: chat, message_id: photo.message_id },
  ),
);
await call("0.67 setChatPhoto", () => before.setChatPhoto(group, path("a.jpg")));
await call("0.67 uploadStickerFile", () => before.uploadStickerFile(chat, path("a.png"), "static"));
const me = await before.getMe();
const old = `old_by_${me.username}`;
await call("0.67 createNewStickerSet", () =>
  before.createNewStickerSet(chat, old, "Old", path("a.png"), "😀"),
);
await call("0.67 addStickerToSet", () => before.addStickerToSet(chat, old, path("a.png"), "😀", "png_sticker"));
await call("0.67 setStickerSetThumbnail", () =>
  before.setStickerSetThumbnail(chat, old, path("a.png"), { format: "static" }),
);

// -- version 2 --------------------------------------------------------------------------------------

const api = new now.Api(token, { apiRoot: url });
const file = (name) => new now.InputFile(FILES[name], { filename: name });
for (const [method, name] of Object.entries(SENDS)) {
  const kind = { sendVideoNote: "video_note" }[method] ?? method.slice(4).toLowerCase();
  await call(`2 ${method}`, () => api[method]({ chat_id: chat, [kind]: file(name) }));
}
await call("2 sendDocument with a thumbnail", () =>
  api.sendDocument({ chat_id: chat, document: file("a.txt"), thumbnail: file("a.jpg") }),
);
await call("2 sendLivePhoto", () =>
  api.sendLivePhoto({ chat_id: chat, live_photo: file("a.mp4"), photo: file("a.jpg") }),
);
await call("2 sendPaidMedia", () =>
  api.sendPaidMedia({ chat_id: chat, star_count: 1, media: [{ type: "photo", media: file("a.jpg") }] }),
);
await call("2 sendMediaGroup", () =>
  api.sendMediaGroup({
    chat_id: chat,
    media: [
      { type: "photo", media: file("a.jpg") },
      { type: "video", media: file("a.mp4"), thumbnail: file("a.jpg") },
      { type: "live_photo", media: file("a.mp4"), photo: file("a.jpg") },
    ],
  }),
);
await call("2 editMessageMedia", () =>
  api.editMessageMedia({
    chat_id: chat,
    message_id: photo.message_id,
    media: { type: "video", media: file("a.mp4"), cover: file("a.jpg") },
  }),
);
await call("2 sendPoll", () =>
  api.sendPoll({
    chat_id: chat,
    question: "?",
    options: [{ text: "a", media: { type: "photo", media: file("a.jpg") } }, { text: "b" }],
    media: { type: "photo", media: file("a.jpg") },
  }),
);
await call("2 setChatPhoto", () => api.setChatPhoto({ chat_id: group, photo: file("a.jpg") }));
await call("2 setMyProfilePhoto", () =>
  api.setMyProfilePhoto({ photo: { type: "static", photo: file("a.jpg") } }),
);
const sticker = (name) => ({ sticker: file(name), format: "static", emoji_list: ["😀"] });
const fresh = { user_id: chat, name: `fresh_by_${me.username}` };
await call("2 uploadStickerFile", () =>
  api.uploadStickerFile({ user_id: chat, sticker: file("a.png"), sticker_format: "static" }),
);
await call("2 createNewStickerSet", () =>
  api.createNewStickerSet({ ...fresh, title: "Fresh", stickers: [sticker("a.png"), sticker("a.png")] }),
);
await call("2 addStickerToSet", () => api.addStickerToSet({ ...fresh, sticker: sticker("a.png") }));
await call("2 replaceStickerInSet", async () => {
  const { stickers } = await api.getStickerSet({ name: fresh.name });
  return api.replaceStickerInSet({ ...fresh, old_sticker: stickers[0].file_id, sticker: sticker("a.png") });
});
await call("2 setStickerSetThumbnail", () =>
  api.setStickerSetThumbnail({ ...fresh, format: "static", thumbnail: file("a.png") }),
);
await call("2 setWebhook with a certificate", () =>
  api.setWebhook({ url: "https://127.0.0.1:8443/hook", certificate: file("a.txt") }),
);
await call("2 deleteWebhook", () => api.deleteWebhook());

console.log(JSON.stringify(outcomes));
process.exit(0);
