# Verdict. `make` lists the targets.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8080
UV ?= uv
# Processes that share the tests; 0 runs them in one, for a debugger.
JOBS ?= $(shell nproc)

# The container image: its name, the model in it, and what a task of Fargate's smallest size gives it.
DOCKER ?= docker
IMAGE ?= verdict
MODEL ?= models/default
CPUS ?= 0.25
MEMORY ?= 512m
PUBLISH ?= --publish $(HOST):$(PORT):8080
LIMITS = --cpus $(CPUS) --memory $(MEMORY) --memory-swap $(MEMORY) --read-only --tmpfs /tmp:size=16m \
	--cap-drop ALL --security-opt no-new-privileges
AARCH64 := $(addprefix --platform ,$(foreach glibc,2_17 2_27 2_28 2_34,manylinux_$(glibc)_aarch64) manylinux2014_aarch64)

DEV := .venv/bin
SERVER := .venv-server/bin
PYTEST := -m pytest --numprocesses $(JOBS) --dist worksteal --durations 10
PIP_INSTALL := pip install --quiet --disable-pip-version-check
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate

# Pulled in by name only: nothing that the server imports needs them.
UNUSED_BY_SERVER := huggingface-hub hf-xet fsspec filelock tqdm pyyaml httpx httpcore certifi packaging protobuf
# The CPU build of torch has no such needs; where pip finds a CUDA build it brings them itself, pinned by torch.
CUDA := triton cuda-bindings cuda-pathfinder cuda-toolkit $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc \
	cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
IN_SERVER = $(shell grep -oE '^[a-z0-9-]+' requirements/server.txt)
without = $(addprefix --no-emit-package ,$(1))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve score test install install-server hooks lint types imports test-all test-server train export evaluate bench bench-baselines bench-compare image image-ray run-image image-test image-bench sbom deploy destroy lock lock-check screenshots clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

serve: .venv-server/installed ## answer predictions from MODEL (models/default) on HOST:PORT (127.0.0.1:8080)
	@$(if $(filter-out file,$(origin MODEL)),VERDICT_ARTIFACT_DIR=$(MODEL)) VERDICT_HOST=$(HOST) VERDICT_PORT=$(PORT) exec $(SERVER)/python -m server

test: lint types imports test-all test-server ## lint, types, import rules and every test

install: .venv/installed ## make .venv: everything, for training, export and development

install-server: .venv-server/installed ## make .venv-server: what the server imports, nothing more

hooks: .venv/installed ## check format, lint, types and import rules before every commit
	$(DEV)/pre-commit install

lint: .venv/installed ## check format and style
	$(DEV)/ruff format --check .
	$(DEV)/ruff check .
	$(DEV)/hadolint Dockerfile

types: .venv/installed ## check types
	$(DEV)/mypy

imports: .venv/installed ## check which package may import which
	$(DEV)/lint-imports --no-cache

test-all: .venv/installed .venv-server/installed ## every test, in the development environment
	$(DEV)/coverage erase
	$(DEV)/coverage run $(PYTEST) -m "not container"
	$(DEV)/coverage combine --quiet
	$(DEV)/coverage report

test-server: .venv-server/installed .test-tools/installed ## the server's tests where nothing but the server is installed
	PYTHONPATH=.test-tools $(SERVER)/python $(PYTEST) -m "not development" tests/unit/artifact tests/unit/server tests/integration/artifact tests/integration/server tests/e2e

train: .venv/installed ## fine-tune: make train ARGS="--base-model … --data … --output checkpoints/NAME"
	$(DEV)/python -m training $(ARGS)

export: .venv/installed ## convert, quantize and prove: make export ARGS="checkpoints/NAME --output DIR"
	$(DEV)/python -m export $(ARGS)

evaluate: .venv/installed ## measure an artifact through the server: make evaluate ARGS="DIR --data NAME:SPLIT=FILE"
	$(DEV)/python -m export.evaluate $(ARGS)

score: .venv-bulk/installed ## score texts in files: make score ARGS="reviews.parquet --output scored/"
	@.venv-bulk/bin/python -m bulk $(ARGS)

bench: .venv/installed .venv-server/installed ## measure throughput and latency: make bench ARGS="--artifact DIR --corpus FILE"
	$(DEV)/python -m benchmarks bench $(ARGS)

bench-baselines: .venv/installed .venv-server/installed ## measure what one would use instead, under the same load
	$(DEV)/python -m benchmarks baselines $(ARGS)

bench-compare: .venv/installed .venv-server/installed ## make bench-compare A=v0.1.0 B=. (revisions, trees or artifacts)
	$(DEV)/python -m benchmarks compare $(A) $(B) $(ARGS)

image: ## build the container image IMAGE with MODEL in it (PLATFORM=linux/arm64 for another CPU)
	@arguments=$$($(PYTHON) deploy/container/build_args.py $(MODEL)) && set -x && \
		$(DOCKER) build --target server $(if $(PLATFORM),--platform $(PLATFORM)) --tag $(IMAGE) $$arguments $(BUILD_ARGS) .

image-ray: ## build IMAGE-ray: a node of a Ray cluster that scores files (docs/bulk.md)
	$(DOCKER) build --target ray --build-arg MODEL=$(MODEL) --tag $(IMAGE)-ray $(BUILD_ARGS) .

run-image: ## run IMAGE with CPUS and MEMORY (0.25, 512m), read-only, without privileges, on HOST:PORT
	$(DOCKER) run --rm $(LIMITS) $(PUBLISH) $(RUN_ARGS) $(IMAGE)

image-test: .venv/installed .venv-server/installed ## build the image, run it under these limits, load it, replace it under load
	$(DEV)/python -m pytest -m container tests/container $(ARGS)

image-bench: .venv/installed ## measure IMAGE: size, start, memory, throughput and latency at 0.25 and 1 vCPU
	$(DEV)/python -m benchmarks container --image $(IMAGE) $(ARGS)

sbom: .venv/installed ## list what is in IMAGE: build/sbom.spdx.json
	@mkdir -p build
	$(DEV)/syft scan --quiet docker:$(IMAGE) --output spdx-json=build/sbom.spdx.json

deploy: ## build, push, apply and wait until it serves on AWS Fargate (IMAGE=REGISTRY/NAME@sha256:… builds nothing)
	@deploy/terraform/deploy.sh deploy $(ARGS)

destroy: ## remove what deploy made, images and logs included
	@deploy/terraform/deploy.sh destroy $(ARGS)

lock: ## compile the lock files again
	cd requirements && $(LOCK) --generate-hashes server.in $(call without,$(UNUSED_BY_SERVER)) -o server.txt
	cd requirements && $(LOCK) -c server.txt test.in $(call without,$(IN_SERVER)) -o test.txt
	cd requirements && $(LOCK) -c server.txt --generate-hashes tracing.in $(call without,$(IN_SERVER)) -o tracing.txt
	cd requirements && $(LOCK) -c server.txt --generate-hashes bulk.in -o bulk.txt
	cd requirements && $(LOCK) dev.in $(call without,$(CUDA)) -o dev.txt

lock-check: .venv/installed ## check that everything locked for the server has a wheel for arm64, too
	$(DEV)/pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: --python-version 3.11 \
		--abi cp311 --abi abi3 --abi none $(AARCH64) --platform any --dest build/arm64 -r requirements/server.txt

screenshots: .venv/installed ## make the README's pictures of the page (needs chromium)
	$(DEV)/python -m docs.images.screenshots

clean: ## remove the environments and what tests leave behind
	rm -rf .venv .venv-server .venv-bulk .test-tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build

.venv/installed: requirements/dev.txt
	$(PYTHON) -m venv .venv
	$(DEV)/$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

.venv-server/installed: requirements/server.txt
	$(PYTHON) -m venv .venv-server
	$(SERVER)/$(PIP_INSTALL) --no-deps --require-hashes -r requirements/server.txt
	@touch $@

.venv-bulk/installed: requirements/bulk.txt
	$(PYTHON) -m venv .venv-bulk
	.venv-bulk/bin/$(PIP_INSTALL) --no-deps --require-hashes -r requirements/bulk.txt
	@touch $@

.test-tools/installed: requirements/test.txt .venv-server/installed
	$(SERVER)/$(PIP_INSTALL) --no-deps --upgrade --target .test-tools -r requirements/test.txt
	@touch $@
