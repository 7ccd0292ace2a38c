"""A server as a child process: started, read, stopped; its output never blocks it."""

import signal
import sys
from pathlib import Path

import httpx
import pytest

from artifact.child import Child, ChildError, ServedArtifact
from tests.support.tiny import TINY


def python(code: str, *, pipes: bool = False) -> Child:
    """Return a child that runs a few lines of Python."""
    return Child([sys.executable, "-c", code], pipes=pipes)


def test_a_served_artifact_answers_until_the_block_ends() -> None:
    """It takes a free port, is ready when its port is known, and ends with exit code 0."""
    with ServedArtifact(TINY) as server:
        assert 200 == httpx.get(f"{server.url}/health/ready").status_code
        assert server.running
    assert 0 == server.process.returncode
    assert "stopped" in server.lines[-1]


def test_settings_of_the_caller_reach_the_server() -> None:
    """Names in lower case are the server's settings, others are variables as they are."""
    with ServedArtifact(TINY, {"api_key": "secret", "log_format": "json"}) as server:
        assert 401 == httpx.post(f"{server.url}/predict", json={"text": "good"}).status_code
        assert server.lines[0].startswith("{")


def test_a_server_that_can_not_start_says_why(tmp_path: Path) -> None:
    """The error holds the exit code and what the server wrote."""
    with ServedArtifact(tmp_path) as server, pytest.raises(ChildError, match=r"exit code 1; it wrote:\n.*no artifact"):
        _ = server.url


def test_silence_ends_after_its_time() -> None:
    """A child that never writes the line is not waited for without end."""
    with (
        python("input()", pipes=True) as child,
        pytest.raises(ChildError, match=r"did not write 'ready' within 0\.05 s"),
    ):
        child.wait_for("ready", timeout_s=0.05)


def test_the_last_lines_of_an_ended_child_count() -> None:
    """A line that was written right before the end is found, on either stream."""
    with python("import sys; print('out', 7); sys.stdout.flush(); sys.stderr.write('err 8\\n')") as child:
        assert "7" == child.wait_for(r"out (\d)").group(1)
        assert "8" == child.wait_for(r"err (\d)").group(1)
        assert 0 == child.wait()
    assert ["out 7", "err 8"] == child.lines


def test_output_that_nobody_reads_blocks_nothing() -> None:
    """A megabyte on both streams, more than any pipe holds, and the child still ends by itself."""
    with python("import sys; sys.stdout.write('a' * 2**20 + '\\n'); sys.stderr.write('b' * 2**20)") as child:
        assert 0 == child.wait()
        assert 2**21 + 1 == len(child.log)


def test_a_child_with_pipes_answers_lines() -> None:
    """Input and output are text streams; what goes to standard error is in the log."""
    code = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)\nsys.stderr.write('end\\n')"
    with python(code, pipes=True) as child:
        assert child.process.stdin is not None
        assert child.process.stdout is not None
        child.process.stdin.write("question\n")
        child.process.stdin.flush()
        assert "QUESTION\n" == child.process.stdout.readline()
        child.process.stdin.close()
        assert 0 == child.wait()
    assert ["end"] == child.lines


def test_a_signal_reaches_the_child() -> None:
    """Its exit code says which one."""
    with python("print('on', flush=True); input()", pipes=True) as child:
        assert child.process.stdout is not None
        assert "on\n" == child.process.stdout.readline()
        child.signal(signal.SIGKILL)
        assert -signal.SIGKILL == child.wait()
    assert not child.running
