# Two commands matter: `make run` and `make test`. Each makes .venv itself; nothing else need be typed first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
CODE := schemas ingest processors deploy tests benchmarks examples
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help:  ## this list
	@grep -hE '^[.a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: run
run: .venv  ## the whole pipeline in the foreground, engines included (Ctrl-C stops it)
	@$(BIN)/pushtokens up

.PHONY: test
test: .venv check unit integration fuzz faults cluster browser  ## everything that CI runs

.PHONY: check
check: .venv  ## format, lint, types, generated documents, deploy files
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/python -m schemas.write --check
	$(BIN)/python -m schemas.compatibility --check
	$(BIN)/python -m deploy.grafana.write --check
	$(BIN)/python -m deploy.kubernetes.write --check
	$(BIN)/hadolint --failure-threshold style deploy/docker/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose/compose.yaml
	$(BIN)/pytest tests/unit/deploy_files

.PHONY: unit integration fuzz faults cluster browser
unit: .venv  ## offline tests (about 2 minutes)
	$(BIN)/pytest tests/unit
integration: .venv  ## against real Kafka and the real ClickHouse engine
	$(BIN)/pytest tests/integration
fuzz: .venv  ## thousands of requests nobody meant, and the table in docs/http-answers.md (about 3 minutes)
	$(BIN)/pytest tests/fuzz
faults: .venv  ## kill -9, broker down, frozen processes: the short form
	$(BIN)/pytest tests/faults
cluster: .venv  ## three brokers, two workers of each role, and what befalls them: the short form (about 4 minutes)
	$(BIN)/pytest tests/cluster

browser: .venv  ## the dashboard in a real Chromium
	$(BIN)/pytest tests/browser

.PHONY: soak
soak: .venv  ## the long forms: more rounds of every fault test, more inputs of every property test
	SOAK=1 $(BIN)/pytest tests --timeout 3600

# What there is to measure; `make bench-compactor` runs one. BENCH=--quick is a smoke test whose figures mean nothing.
BENCHMARKS := $(filter-out __init__ machine,$(basename $(notdir $(wildcard benchmarks/*.py))))
BENCH :=

.PHONY: bench
bench: $(addprefix bench-,$(BENCHMARKS))  ## every benchmark beside its peers (about an hour; BENCH=--quick for a minute)

bench-capacity: .venv  ## machines, partitions, disks and a storm, by the model of docs/capacity.md (no peers, seconds)
	$(BIN)/python -m benchmarks.capacity $(BENCH)

bench-%: .venv-bench
	.venv-bench/bin/python -m benchmarks.$* $(BENCH)

.PHONY: documents
documents: .venv  ## write the generated documents again (JSON Schemas, AsyncAPI, OpenAPI, settings table)
	$(BIN)/python -m schemas.write
	$(BIN)/python -m deploy.grafana.write
	$(BIN)/python -m deploy.kubernetes.write
	$(BIN)/python -m tests.fuzz.answers

.PHONY: format
format: .venv  ## format the code and mend what the linter can
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

.PHONY: lock
lock: .venv  ## pin requirements.txt again from pyproject.toml
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra local --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-header --quiet --output-file requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra local --extra bench --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --output-file requirements-bench.txt
	$(BIN)/uv pip compile pyproject.toml --constraint requirements.txt --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet --output-file deploy/docker/requirements.txt
	grep -h '"setuptools==' pyproject.toml | sort -u | tr -d ' ",' | $(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet --output-file deploy/docker/requirements-build.txt

.PHONY: .venv-bench
.venv-bench: .venv-bench/.installed

.venv-bench/.installed: requirements-bench.txt pyproject.toml
	@echo "Installing into .venv-bench (the peers that are measured beside ours) ..."
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements-bench.txt \
		|| { echo "The install failed: is a package index reachable? Run the same command again; finished downloads are kept."; exit 1; }
	@.venv-bench/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: .venv
.venv: $(STAMP)  ## just the virtual environment

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is older or missing. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing into .venv (about 500 MB of downloads the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "python3 -m venv failed; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@(while sleep 10; do echo "  ... at work, .venv has $$(du -sh .venv 2>/dev/null | cut -f1) of about 1.7G"; done) & beat=$$!; \
		trap 'kill $$beat' EXIT; \
		$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.txt \
		|| { echo "The install failed: is a package index reachable? Run the same command again; finished downloads are kept."; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@
