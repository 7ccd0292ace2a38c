"""How the page sends a file: in parts, slower when the server sheds, and no row twice or never."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.development

_RUN = """
async ({ count, script }) => {
  const { Run } = await import("/js/file/run.js");
  const { Patience } = await import("/js/file/patience.js");
  let now = 0;
  const patience = new Patience({ now: () => now, sleep: async (ms) => { now += ms; } });  // pauses take no time
  const log = { answered: [], failed: [], parts: [], inFlight: [], states: [], pauses: 0 };
  let [read, open, calls] = [0, 0, 0];
  const respond = new Function("call", "lines", "signal", "run", `return (async () => { ${script} })()`);
  const run = new Run({
    read: async () => {
      const items = [];
      for (let i = 0; i < 700 && read < count; i += 1, read += 1) {
        items.push({ row: read, text: `text ${read}`, pair: null });
      }
      return items;
    },
    send: async (lines, { signal, onAnswer }) => {
      calls += 1;
      open += 1;
      log.parts.push(lines.length);
      log.inFlight.push(open);
      await new Promise((resolve) => setTimeout(resolve, 0));
      try {
        const answers = await respond(calls, lines, signal, run);
        (answers ?? lines.map(({ id }) => ({ id, sentiment: 1 }))).forEach(onAnswer);
      } finally {
        open -= 1;
      }
    },
    answered: (row) => log.answered.push(row),
    failed: (row, kind, message) => log.failed.push([row, kind, message]),
    changed: () => { if (log.states.at(-1) !== run.state) { log.states.push(run.state); } },
  }, patience);
  await run.start();
  const first = { state: run.state, answered: log.answered.length, message: run.message };
  await run.start();
  return { ...log, first, state: run.state, message: run.message, largest: Math.max(...log.inFlight) };
}
"""


def run(page: "Page", count: int, script: str = "") -> Any:
    """Send rows to a server that answers as a script says; go on once where the run ends early."""
    return page.evaluate(_RUN, {"count": count, "script": script})


def test_all_rows_are_answered_in_parts_with_few_in_flight(modules: "Page") -> None:
    """Parts have at most 500 lines, and at most 4 of them are on their way."""
    result = run(modules, 10_000)
    assert list(range(10_000)) == sorted(result["answered"])
    assert ["running", "done"] == result["states"]
    assert 500 == max(result["parts"])
    assert 2 <= result["largest"] <= 4


def test_rows_without_room_are_sent_again_in_smaller_parts(modules: "Page") -> None:
    """Lines that say overloaded wait; each row is answered once, none fails."""
    result = run(
        modules,
        3_000,
        """if (call === 2) return lines.map(({ id }, place) => place < 100 ? { id, sentiment: 0 }
             : { id, error: { kind: "overloaded", message: "full" }, line: place + 1 });""",
    )
    assert list(range(3_000)) == sorted(result["answered"])
    assert [] == result["failed"]
    assert 250 in result["parts"]


@pytest.mark.parametrize(
    "failure",
    [
        'Object.assign(new Error("full"), { status: 429, kind: "overloaded", retryAfterS: 2 })',
        'Object.assign(new Error("going"), { status: 503, kind: "draining" })',
        'new TypeError("Failed to fetch")',
        'Object.assign(new Error("broken"), { status: 500, kind: "engine_failed" })',
    ],
)
def test_a_refused_part_is_sent_again(modules: "Page", failure: str) -> None:
    """Overload, a restart, a lost connection and a failure of the server lose no row."""
    result = run(modules, 2_000, f"if (call === 2 || call === 3) throw {failure};")
    assert list(range(2_000)) == sorted(result["answered"])
    assert [] == result["failed"]
    assert ("done", "") == (result["state"], result["message"])


def test_an_early_end_of_a_stream_loses_no_row(modules: "Page") -> None:
    """Lines behind the early end are sent again, whether the server says why or not."""
    for last in ('{ error: { kind: "draining", message: "the server ends" }, answered: 10 }', "{}"):
        result = run(
            modules,
            1_500,
            f"if (call === 1) return [...lines.slice(0, 10).map(({{ id }}) => ({{ id, sentiment: 0 }})), {last}];",
        )
        assert list(range(1_500)) == sorted(result["answered"])
        assert [] == result["failed"]


def test_a_bad_row_fails_with_its_reason_and_the_others_go_on(modules: "Page") -> None:
    """The server's message stands beside the row."""
    result = run(
        modules,
        1_000,
        """return lines.map(({ id }) => id === 7 ? { id, error: { kind: "invalid_request", message: "empty" }, line: 1 }
             : { id, sentiment: 1 });""",
    )
    assert [[7, "invalid_request", "empty"]] == result["failed"]
    assert 999 == len(result["answered"])


def test_rows_that_the_server_always_fails_on_are_given_up(modules: "Page") -> None:
    """A part that fails five times ends; it does not hold up the file for good."""
    result = run(
        modules,
        600,
        """if (lines.some(({ id }) => id === 3))
             throw Object.assign(new Error("bug"), { status: 500, kind: "engine_failed" });""",
    )
    assert "done" == result["state"]
    assert 600 == len(result["answered"]) + len(result["failed"])
    assert [3, "engine_failed", "bug"] in result["failed"]
    assert len(result["failed"]) <= 500


def test_a_part_that_is_too_large_is_halved(modules: "Page") -> None:
    """A server with a small limit of bytes gets smaller parts."""
    result = run(
        modules,
        1_000,
        'if (lines.length > 100) throw Object.assign(new Error("too large"), { status: 413, kind: "too_large" });',
    )
    assert list(range(1_000)) == sorted(result["answered"])


@pytest.mark.parametrize(("call", "state"), [("pause", "paused"), ("stop", "stopped")])
def test_a_pause_and_a_stop_are_continued(modules: "Page", call: str, state: str) -> None:
    """Pausing finishes what is in flight, stopping breaks it off; going on answers the rest, and no row twice."""
    result = run(
        modules,
        4_000,
        f"""if (call === 3) run.{call}();
            if (signal.aborted) throw new DOMException("stopped", "AbortError");""",
    )
    assert state == result["first"]["state"]
    assert 0 < result["first"]["answered"] < 4_000
    assert ("done", list(range(4_000))) == (result["state"], sorted(result["answered"]))


def test_a_missing_key_stops_the_run_until_it_is_there(modules: "Page") -> None:
    """The run is broken with the server's message; going on sends all rows."""
    result = run(
        modules,
        1_000,
        'if (call <= 2) throw Object.assign(new Error("the API key is wrong"), { status: 401, kind: "unauthorized" });',
    )
    assert {"state": "broken", "answered": 0, "message": "the API key is wrong"} == result["first"]
    assert ("done", 1_000) == (result["state"], len(result["answered"]))


def test_a_server_that_is_gone_stops_the_run(modules: "Page") -> None:
    """After some attempts the run stops and says so; it does not try for ever."""
    result = run(modules, 100, 'if (call <= 6) throw new TypeError("Failed to fetch");')
    assert "broken" == result["first"]["state"]
    assert "is it running?" in result["first"]["message"]
    assert ("done", 100) == (result["state"], len(result["answered"]))
