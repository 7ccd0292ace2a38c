/**
 * Parquet, with hyparquet (`vendor/hyparquet/`), which is loaded when the first Parquet file is chosen.
 *
 * Rows are read 5,000 at a time; the browser holds one row group's chosen columns at most.
 */

import { FileError, read } from "./decoding.js";

const STEP_ROWS = 5000;
const NOT_READ = new Set(["BROTLI", "LZO"]);

/**
 * Open a Parquet file.
 *
 * @param {File} file
 * @returns {Promise<{columns: string[], rows: number, records: (wanted: string[]) => AsyncGenerator<unknown[][]>}>}
 *   the columns at the top of the schema, and their values row by row in the order of `wanted`
 * @throws {FileError} if it is no Parquet, or compressed in a way that is not read
 */
export async function openParquet(file) {
  const library = await import("../../vendor/hyparquet/hyparquet.min.js");
  const buffer = { byteLength: file.size, slice: (start, stop = file.size) => read(file, start, stop) };
  let metadata;
  try {
    metadata = await library.parquetMetadataAsync(buffer);
  } catch (error) {
    throw new FileError(`${file.name} cannot be read as Parquet: ${error.message}; write it again, or save it as CSV`);
  }
  checkCodecs(file.name, metadata);
  const [root, ...elements] = metadata.schema;
  const columns = topLevel(elements, root.num_children ?? 0);
  const total = Number(metadata.num_rows);
  const compressors = {
    GZIP: (bytes, length) => library.gunzip(bytes, new Uint8Array(length)),
    ZSTD: (bytes) => library.decompressZstd(bytes),
    LZ4: library.decompressLz4,
    LZ4_RAW: library.decompressLz4Raw,
  };
  async function* records(wanted) {
    for (let rowStart = 0; rowStart < total; rowStart += STEP_ROWS) {
      const rowEnd = Math.min(rowStart + STEP_ROWS, total);
      const options = { file: buffer, metadata, compressors, columns: [...new Set(wanted)], rowStart, rowEnd };
      /** @type {Record<string, unknown>[]} */
      let rows = [];
      try {
        await library.parquetRead({ ...options, rowFormat: "object", onComplete: (found) => { rows = found; } });
      } catch (error) {
        if (error instanceof FileError) {
          throw error;
        }
        throw new FileError(`${file.name} rows ${rowStart + 1} to ${rowEnd} cannot be read: ${error.message}; save it as CSV`);
      }
      yield rows.map((row) => wanted.map((name) => plain(row[name])));
    }
  }
  return { columns, rows: total, records };
}

function checkCodecs(name, metadata) {
  for (const group of metadata.row_groups) {
    for (const column of group.columns) {
      const codec = column.meta_data?.codec;
      if (NOT_READ.has(codec)) {
        throw new FileError(
          `${name}: column ${JSON.stringify(column.meta_data.path_in_schema.join("."))} is compressed with ${codec.toLowerCase()}, ` +
            "which the page does not read; write the file with snappy, zstd, gzip or lz4",
        );
      }
    }
  }
}

/** Return the names of the schema's first level; elements stand in the order of a walk, parents first. */
function topLevel(elements, children) {
  const names = [];
  let place = 0;
  const skip = () => {
    const below = elements[place].num_children ?? 0;
    place += 1;
    for (let child = 0; child < below; child += 1) {
      skip();
    }
  };
  for (let child = 0; child < children; child += 1) {
    names.push(elements[place].name);
    skip();
  }
  return names;
}

/** Return whole numbers beyond 2^53 as text, dates as ISO 8601, bytes as UTF-8 text; others as they are. */
function plain(value) {
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  }
  if (value instanceof Date) {
    return value.toISOString().replace(/T00:00:00\.000Z$/, "");
  }
  if (value instanceof Uint8Array) {
    return new TextDecoder().decode(value);
  }
  if (Array.isArray(value)) {
    return value.map(plain);
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  }
  return value === undefined ? null : value;
}
