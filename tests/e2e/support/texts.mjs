// What people write, in many scripts: all of it comes back as it was, or a client, JSON or a transport has hurt it.

import { readFileSync } from "node:fs";

/** Where text is cut, escaped or folded, this is hurt first. Many engines count half of some of these characters. */
const OURS = [
  "Grüße aus Zürich – „schön“, ½ ⅓ €",
  "Привет, как дела? Ґанок, Ўсё",
  "Γειά σου Κόσμε· άλφα",
  "שלום עולם, אבג 123 xyz",
  "\u202Bمرحبا بالعالم، كيف الحال؟\u202C ١٢٣",
  "سلام\u200Cها و می\u200Cخواهم",
  "नमस्ते दुनिया, क्षत्रिय, हिन्दी",
  "তোমার নাম কী? ঙ্গ",
  "ஸ்ரீ வணக்கம் உலகம்",
  "สวัสดีชาวโลก น้ำ กำ",
  "မင်္ဂလာပါ ကမ္ဘာလောက",
  "안녕하세요 \u1112\u1161\u11AB 한",
  "こんにちは、世界。ｶﾞｷﾞｸﾞ ヴ",
  "你好，世界！繁體 𠮷野家 𪚥",
  "Xin chào thế giới, tiếng Việt",
  "e\u0301 é ñ n\u0303 Z\u0351\u036B\u0343a\u0321\u0353l\u0344g\u0334o\u0322",
  "🌊 👩‍👩‍👧‍👦 🏳️‍🌈 🇨🇭 👍🏽 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈",
  "\u2028 and \u2029 are line ends to some, \u0085 and \u000B to others",
  "\u001E separates packets, 42[\"joinRoom\"] and b64 look like some, \\u001e too",
  "\r\n\r\ndata: {\"type\":\"new_message\"}\n\n",
  "\"quotes\" \\ back / slash <script>&amp;</script> %00 ${x} {{y}}",
  "\uFEFFa mark at the beginning, \uFFFD \uFFFF \u{10FFFF} \u007F \u0001",
  " \t spaces are kept \u00A0\u3000 ",
  "0",
];

/** Ours, and those of the file of messages CONVERSATIONS, a JSON object a line, where there is one. */
export function texts() {
  const file = process.env.CONVERSATIONS;
  if (file === undefined) return OURS;
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return [...OURS, ...new Set(lines.map((line) => JSON.parse(line).content))];
}
