/** Calls of the API as code: with curl, Python, Hugging Face's client and Triton's client. */

/**
 * @typedef {object} Context
 * @property {string} base the server's address, without a slash at its end
 * @property {any} model of `GET /info`
 * @property {import("./link.js").Draft} draft
 * @property {boolean} key whether the server asks for a key
 *
 * @typedef {{name: string, about: string, path: string, samples: Record<string, (context: Context) => string>}} Task
 */

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const json = (value) => JSON.stringify(value);
/** A dictionary of strings, numbers and lists of them; JSON strings are Python strings too. */
const python = (fields) => `{${Object.entries(fields).map(([name, value]) => `${json(name)}: ${Array.isArray(value) ? `[${value.map(json).join(", ")}]` : json(value)}`).join(", ")}}`;
const body = ({ draft, model }) => (model.pairs ? { text: draft.text, text_pair: draft.pair } : { text: draft.text });
const KEY = "VERDICT_KEY";

function curl({ base, key }, path, content, type = "application/json") {
  const lines = [`curl -s ${base}/${path}`];
  if (key) lines.push(`-H "x-api-key: $${KEY}"`);
  if (content !== undefined) lines.push(`-H 'content-type: ${type}'`, `-d ${quote(content)}`);
  return lines.join(" \\\n  ");
}

function request({ base, key }, path, content, after = "print(answer.json())") {
  const headers = key ? `, headers={"x-api-key": os.environ["${KEY}"]}` : "";
  const call = content === undefined ? `requests.get("${base}/${path}"${headers})` : `requests.post("${base}/${path}", json=${python(content)}${headers})`;
  return `${key ? "import os\n" : ""}import requests\n\nanswer = ${call}\nanswer.raise_for_status()\n${after}`;
}

function huggingFace({ base, key, draft, model }) {
  const token = key ? `, token=os.environ["${KEY}"]` : "";
  const start = `${key ? "import os\n" : ""}from huggingface_hub import InferenceClient\n\nclient = InferenceClient("${base}"${token})\n`;
  if (model.pairs) return `${start}# text_classification takes single texts alone; this model reads pairs.`;
  return `${start}for each in client.text_classification(${json(draft.text)}):\n    print(each.label, each.score)`;
}

function triton({ base, key, draft, model }) {
  const tensors = model.pairs ? [["text", draft.text], ["text_pair", draft.pair]] : [["text", draft.text]];
  const { host, protocol } = new URL(base);
  const ssl = protocol === "https:" ? ", ssl=True" : "";
  const headers = key ? `, headers={"x-api-key": os.environ["${KEY}"]}` : "";
  const inputs = tensors.map(([name, text]) => `${name} = triton.InferInput("${name}", [1], "BYTES")\n${name}.set_data_from_numpy(np.array([${json(text)}], dtype=object))`);
  return `${key ? "import os\n" : ""}import numpy as np
import tritonclient.http as triton

${inputs.join("\n")}
client = triton.InferenceServerClient("${host}"${ssl})
answer = client.infer(${json(model.name)}, [${tensors.map(([name]) => name).join(", ")}]${headers})
print(answer.as_numpy("scores"))`;
}

const batch = (context) => {
  const { text, text_pair: pair } = body(context);
  return pair === undefined ? { texts: [text, "Another text."] } : { texts: [text, "Another text."], text_pairs: [pair, "Its second text."] };
};
const lines = (context) => [{ id: 1, ...body(context) }, { id: 2, ...body(context) }].map(json).join("\n");

/** @type {Task[]} */
export const TASKS = [
  {
    name: "Try",
    about: "One text, one answer. Compare sends two of them.",
    path: "/predict",
    samples: {
      curl: (context) => curl(context, "predict", json(body(context))),
      Python: (context) => request(context, "predict", body(context)),
      InferenceClient: huggingFace,
      tritonclient: triton,
    },
  },
  {
    name: "Many texts",
    about: "A batch is answered in the order of its texts, all or none.",
    path: "/predict/batch",
    samples: {
      curl: (context) => curl(context, "predict/batch", json(batch(context))),
      Python: (context) => request(context, "predict/batch", batch(context)),
    },
  },
  {
    name: "Tokens",
    about: "The tokens of a text, and the characters that the model reads.",
    path: "/tokenize",
    samples: {
      curl: (context) => curl(context, "tokenize", json(body(context))),
      Python: (context) => request(context, "tokenize", body(context)),
    },
  },
  {
    name: "Why",
    about: "What each sentence or word contributes to the answer.",
    path: "/explain",
    samples: {
      curl: (context) => curl(context, "explain", json({ ...body(context), by: "word" })),
      Python: (context) => request(context, "explain", { ...body(context), by: "word" }),
    },
  },
  {
    name: "Files",
    about: "A stream: lines of JSON in, lines of JSON out, in order, any number of them.",
    path: "/predict/stream",
    samples: {
      curl: (context) => curl(context, "predict/stream", lines(context), "application/x-ndjson"),
      Python: ({ base, key }) => `import json\n${key ? "import os\n" : ""}import requests

with open("texts.jsonl", "rb") as file:  # lines such as {"id": 1, "text": "…"}
    answer = requests.post(
        "${base}/predict/stream",
        data=file,
        headers={"content-type": "application/x-ndjson"${key ? `, "x-api-key": os.environ["${KEY}"]` : ""}},
        stream=True,
    )
    for line in answer.iter_lines():
        print(json.loads(line))`,
    },
  },
  {
    name: "Model",
    about: "Model, limits, runtime and CPU.",
    path: "/info",
    samples: {
      curl: (context) => curl(context, "info"),
      Python: (context) => request(context, "info"),
    },
  },
  {
    name: "Server",
    about: "The metrics, in the text format of Prometheus.",
    path: "/metrics",
    samples: {
      curl: (context) => curl(context, "metrics"),
      Python: (context) => request(context, "metrics", undefined, "print(answer.text)"),
    },
  },
];
