"""A replacement for ``docker`` in tests of deploy.sh, because the registry of a local AWS accepts no images.

It records each call. If STAND_IN_REGISTRY names a real registry (and a real engine is installed), builds and pushes use
both, under the address of that registry. Otherwise an image is an invented manifest. In both cases the manifest is
stored in the local AWS, as after a push to ECR.
"""

import hashlib
import http.client
import json
import os
import subprocess
import sys
from pathlib import Path

import boto3

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def main(arguments: list[str]) -> None:
    """Act as docker."""
    with Path(os.environ["STAND_IN_CALLS"]).open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    registry = os.environ.get("STAND_IN_REGISTRY")
    if arguments[0] == "login":
        sys.stdin.read()
    elif arguments[0] in {"build", "push"} and registry:
        local = [
            registry + argument[argument.index("/") :] if ".dkr.ecr." in argument else argument
            for argument in arguments
        ]
        subprocess.run([os.environ["STAND_IN_DOCKER"], *local], check=True)
    if arguments[0] == "push":
        name, _, tag = arguments[1].partition("/")[2].partition(":")
        manifest = _read(registry, name, tag) if registry else json.dumps({"made up": tag})
        boto3.client("ecr", region_name=os.environ["AWS_REGION"]).put_image(
            repositoryName=name,
            imageManifest=manifest,
            imageManifestMediaType=_MANIFEST,
            imageTag=tag,
            imageDigest=f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}",  # moto would choose another
        )


def _read(registry: str, name: str, tag: str) -> str:
    connection = http.client.HTTPConnection(registry)
    connection.request("GET", f"/v2/{name}/manifests/{tag}", headers={"Accept": _MANIFEST})
    return connection.getresponse().read().decode()


if __name__ == "__main__":
    main(sys.argv[1:])
