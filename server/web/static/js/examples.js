/** Example texts for any model: some show how it decides, some how it behaves at its limits. */

const SENTIMENT = [
  ["Praise", "A film I will watch again."],
  ["Complaint", "Two hours that I will never get back."],
  ["Negation", "Not nearly as bad as the reviews had made me fear."],
  ["Mixed", "The acting is superb, but the plot falls apart half-way and the ending insults the audience."],
];
const GENERAL = [
  ["One sentence", "The order arrived two days late and the box was damaged."],
  ["A question", "How do I change the address of my account?"],
];
const PAIRS = [
  ["Follows", "A man is playing a guitar on stage.", "Somebody makes music."],
  ["Contradicts", "A man is playing a guitar on stage.", "The stage is empty."],
  ["Unrelated", "A man is playing a guitar on stage.", "The train leaves at nine."],
];
const UNKNOWN = ["Unknown characters", "The 🪗 and the 🦫 are superb."];
const SENTENCES = [
  "The first hour is slow, and I nearly left.",
  "Then the story finds its feet, one small scene after the other.",
  "The camera stays close to the faces and hardly moves.",
  "Nothing is explained twice, and little is explained once.",
  "My neighbour fell asleep.",
  "The music is used sparingly, which I liked.",
  "There is a scene in a kitchen that I still think about.",
  "Some lines sound as if nobody had ever read them aloud.",
];
const LONG = ["Longer than it reads", `${Array(6).fill(SENTENCES.join(" ")).join(" ")} In the end it won me over completely.`];

/**
 * @param {any} model of `GET /info`
 * @returns {{name: string, draft: import("./link.js").Draft}[]}
 */
export function examplesFor(model) {
  const known = new Set(model.labels.map((label) => label.toLowerCase()));
  const single = known.has("positive") || known.has("negative") ? SENTIMENT : GENERAL;
  const chosen = model.pairs ? PAIRS : [...single, UNKNOWN, LONG];
  return chosen.map(([name, text, pair = ""]) => ({ name, draft: { text, pair } }));
}
