"""Object stores: files in a bucket are scored into the bucket, against a real S3 API on this machine."""

import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import BufferReader, parquet

from artifact.child import Child
from tests.support.tables import words
from tests.support.tiny import TINY

FILES = 50
ROWS = 30


@pytest.fixture
def store() -> Iterator[dict[str, str]]:
    """Serve S3; return the environment by which clients find it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.stop()


def test_50_files_of_a_bucket_are_scored_into_the_bucket(store: dict[str, str], tmp_path: Path) -> None:
    """A pattern names them, a run that was killed goes on, and nothing but outputs and report is left."""
    client = boto3.client(
        "s3",
        endpoint_url=store["AWS_ENDPOINT_URL"],
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="reviews")
    for number in range(FILES):
        body = "id,text\n" + "".join(f"{number}-{row},{text}\n" for row, text in enumerate(words(ROWS)))
        client.put_object(Bucket="reviews", Key=f"in/{number % 5}/{number:02}.csv", Body=body.encode())
    command = [
        sys.executable,
        "-m",
        "bulk",
        "s3://reviews/in/**/*.csv",
        "--output",
        "s3://reviews/out",
        "--artifact",
        TINY,
    ]
    with Child([*command, "--workers", "2"], environment=store) as child:
        while not client.list_objects_v2(Bucket="reviews", Prefix="out/_bulk/parts/").get("KeyCount"):
            assert child.running, child.log
        child.process.kill()
        child.wait()
    with Child(command, environment=store) as child:
        assert 0 == child.wait(), child.log
    keys = {one["Key"] for one in client.list_objects_v2(Bucket="reviews", Prefix="out/")["Contents"]}
    keys = {key for key in keys if not key.endswith("/")}
    assert {"out/_report.json"} | {f"out/{n % 5}/{n:02}.parquet" for n in range(FILES)} == keys
    for number in range(FILES):
        content = client.get_object(Bucket="reviews", Key=f"out/{number % 5}/{number:02}.parquet")["Body"].read()
        table = parquet.read_table(BufferReader(content))
        assert [f"{number}-{row}" for row in range(ROWS)] == table["id"].to_pylist()
        assert 0 == table["error"].drop_null().length()
