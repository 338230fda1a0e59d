// A talk as people have it, in many languages and scripts: short and long, from the left and from the right.

export const TALK = [
  { content: "Good morning! The new release is out. Who has tried it already?", by: 0 },
  { content: "Guten Morgen – ich, gestern Abend. Der Umstieg hat keine fünf Minuten gedauert.", by: 1 },
  { content: "Bonjour à tous. Chez nous aussi : aucune coupure, même pendant le redémarrage.", by: 2 },
  { content: "Γειά σας, όλα καλά και στην Αθήνα.", by: 0 },
  { content: "こんにちは。東京でも問題ありません。ありがとうございます。", by: 1 },
  { content: "안녕하세요, 서울도 괜찮습니다.", by: 2 },
  { content: "नमस्ते, यहाँ भी सब ठीक है।", by: 0 },
  { content: "สวัสดีครับ ที่นี่ก็ใช้ได้", by: 1 },
  { content: "Merhaba, İstanbul'dan da selamlar. Xin chào, Hà Nội cũng ổn.", by: 2 },
  { content: "👍🏽 🎉", by: 1 },
  { content: "The word Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft has to fit too, and so has 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.", by: 2, file: "a name of a file that is as long as it may be.pdf" },
  { content: "你好，上海这边也一切正常。", by: 1 },
  { content: "Привет! У нас всё работает. Журнал приложил.", by: 2, file: "журнал за ноябрь.txt" },
  { content: "Steps, for who wants to follow:\n  1. stop one node\n  2. start it with the new version\n  3. look at https://example.com/releases/2.1?from=2.0#steps", by: 0 },
  { content: "שלום!", by: 0 },
  { content: "שלום לכולם. אצלנו העדכון עבר חלק, אבל שמנו לב שהגרף של השעה האחרונה (UTC+2) זז בדקה אחת. האם עוד מישהו ראה את זה, או שזה רק אצלנו?", by: 0 },
  { content: "مرحبا", by: 1 },
  { content: "نعم، رأينا الشيء نفسه مع الإصدار 2.1. بعد إعادة تشغيل العقدة عاد كل شيء كما كان، والرسائل كلها وصلت مرة واحدة وبالترتيب.", by: 1 },
  { content: "سلام، ما هم می‌بینیم.", by: 2 },
  { content: "Perfect. Then I close the list, and write the summary this afternoon.", by: 0 },
];
