/**
 * The bytes of a text file -> chunks of text: UTF-8, UTF-16 by its byte-order mark, or an encoding by name.
 *
 * Reads slices of 256 KB, so the file's size does not matter. A damaged byte is refused with its place; it is
 * never replaced.
 */

/** A file that cannot be read. The message names the file, the place, the value and the remedy. */
export class FileError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "FileError";
  }
}

/** The encodings that the page offers, as the browser's decoder names them. */
export const ENCODINGS = [
  "utf-8", "utf-16le", "utf-16be", "windows-1252", "iso-8859-15", "windows-1251", "koi8-r", "shift_jis", "euc-jp",
  "gb18030", "big5", "euc-kr",
];

const SLICE_BYTES = 2 ** 18;

const MARKS = [
  { bytes: [0xff, 0xfe, 0, 0], encoding: "utf-32" }, // first: it begins with the mark of UTF-16
  { bytes: [0, 0, 0xfe, 0xff], encoding: "utf-32" },
  { bytes: [0xff, 0xfe], encoding: "utf-16le" },
  { bytes: [0xfe, 0xff], encoding: "utf-16be" },
  { bytes: [0xef, 0xbb, 0xbf], encoding: "utf-8" },
];

const NO_TEXT = [
  { bytes: [0x50, 0x41, 0x52, 0x31], what: "Parquet", remedy: "let its name end with .parquet" },
  { bytes: [0x50, 0x4b, 3, 4], what: "a ZIP archive or an Excel workbook", remedy: "save the sheet as CSV UTF-8, or unpack it" },
  { bytes: [0xd0, 0xcf, 0x11, 0xe0], what: "an Excel workbook", remedy: "save the sheet as CSV UTF-8" },
  { bytes: [0x1f, 0x8b], what: "compressed with gzip", remedy: "unpack it" },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], what: "compressed with zstd", remedy: "unpack it" },
  { bytes: [0x25, 0x50, 0x44, 0x46], what: "a PDF", remedy: "save its text as .txt, one text a line" },
];

/**
 * Yield the text of a file in chunks, without its byte-order mark, and the share of the file that is read with each.
 *
 * @param {File} file
 * @param {string} [encoding] one of ENCODINGS; empty is UTF-8, or what a byte-order mark says
 * @returns {AsyncGenerator<{text: string, share: number}>}
 * @throws {FileError} if the bytes are not of the encoding
 */
export async function* decodedChunks(file, encoding = "") {
  const start = new Uint8Array(await read(file, 0, 8192));
  const { name, mark } = detect(file.name, start, encoding);
  const decoder = new TextDecoder(name, { fatal: true, ignoreBOM: true });
  let line = 1;
  for (let offset = mark; offset < file.size; offset += SLICE_BYTES) {
    const slice = await read(file, offset, Math.min(offset + SLICE_BYTES, file.size));
    const isLast = offset + SLICE_BYTES >= file.size;
    let text;
    try {
      text = decoder.decode(slice, { stream: !isLast });
    } catch {
      throw new FileError(await damage(file, name, offset, line, start));
    }
    line += count(text);
    yield { text, share: Math.min(1, (offset + slice.byteLength) / file.size) };
  }
}

/**
 * Return the bytes of a part of a file.
 *
 * @param {Blob & {name: string}} file
 * @param {number} start
 * @param {number} stop
 * @returns {Promise<ArrayBuffer>}
 * @throws {FileError} if the file was moved, changed or removed since it was chosen
 */
export async function read(file, start, stop) {
  try {
    return await file.slice(start, stop).arrayBuffer();
  } catch {
    throw new FileError(`${file.name} cannot be read any more: it was moved, changed or removed; choose it again`);
  }
}

function detect(file, start, encoding) {
  const begins = (bytes) => start.length >= bytes.length && bytes.every((byte, place) => start[place] === byte);
  const other = NO_TEXT.find((format) => begins(format.bytes));
  if (other) {
    throw new FileError(`${file} is not text but ${other.what}; ${other.remedy}`);
  }
  const mark = MARKS.find((known) => begins(known.bytes));
  if (mark?.encoding === "utf-32") {
    throw new FileError(`${file} is UTF-32, which browsers do not read; save it as UTF-8`);
  }
  if (mark) {
    if (encoding && encoding !== mark.encoding) {
      throw new FileError(
        `${file} begins with the byte-order mark of ${mark.encoding}, but its encoding was said to be ${encoding}; ` +
          "set the encoding to automatic",
      );
    }
    return { name: mark.encoding, mark: mark.bytes.length };
  }
  const zeros = [...start.slice(0, 4)].map((byte) => (byte === 0 ? "0" : "x")).join("");
  if (!encoding && (zeros === "x0x0" || zeros === "0x0x")) {
    const guess = zeros === "x0x0" ? "utf-16le" : "utf-16be";
    throw new FileError(`${file} looks like UTF-16 without a byte-order mark; set the encoding to ${guess}, or save it as UTF-8`);
  }
  return { name: encoding || "utf-8", mark: 0 };
}

/** Return what is wrong with a slice that cannot be decoded. */
async function damage(file, encoding, offset, line, start) {
  if (start.includes(0) && encoding === "utf-8") {
    return `${file.name} is binary, not text: byte ${start.indexOf(0)} is 0; choose a CSV, TSV, JSON lines, Parquet or text file`;
  }
  const stop = Math.min(offset + SLICE_BYTES, file.size);
  if (encoding !== "utf-8") {
    return `${file.name} after line ${line}: bytes ${offset} to ${stop} are not ${encoding}; set another encoding`;
  }
  const begin = Math.max(0, offset - 3);
  const bytes = new Uint8Array(await read(file, begin, Math.min(stop + 3, file.size)));
  let first = 0; // the bytes before the slice may end in the middle of a character
  while (begin + first < offset && (bytes[first] & 0xc0) === 0x80) {
    first += 1;
  }
  const place = firstWrong(bytes.subarray(first));
  const wrong = bytes[first + place] ?? 0;
  const before = new TextDecoder().decode(bytes.subarray(Math.max(0, offset - begin), first + place));
  return (
    `${file.name} line ${line + count(before)}: byte ${begin + first + place} of the file ` +
    `(0x${wrong.toString(16).padStart(2, "0")}) is not UTF-8; set the encoding, often windows-1252, or save the file as UTF-8`
  );
}

/** Return the place of the first byte that begins no character of UTF-8. */
function firstWrong(bytes) {
  let [valid, wrong] = [0, bytes.length + 1]; // so many bytes begin a text; so many do not
  while (valid + 1 < wrong) {
    const middle = (valid + wrong) >> 1;
    [valid, wrong] = isUtf8(bytes.subarray(0, middle), true) ? [middle, wrong] : [valid, middle];
  }
  while (valid > 0 && !isUtf8(bytes.subarray(0, valid), false)) {
    valid -= 1; // the character began before the byte that broke it
  }
  return valid;
}

function isUtf8(bytes, mayBeCut) {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: mayBeCut });
    return true;
  } catch {
    return false;
  }
}

function count(text) {
  let lines = 0;
  for (let place = text.indexOf("\n"); place >= 0; place = text.indexOf("\n", place + 1)) {
    lines += 1;
  }
  return lines;
}
