# Everything a newcomer or CI runs. `make help` lists it.
SHELL := /bin/bash
PYTHON ?= python3
export RAGLINE_ENV := $(CURDIR)/.venv
BIN := $(RAGLINE_ENV)/bin
UV := $(BIN)/uv
# Its own environment: SAM pins versions that would hold back ours.
SAM := $(UV) tool run --from aws-sam-cli==1.170.0 sam
AUDIT := $(UV) tool run --from pip-audit==2.10.1 pip-audit
SBOM := $(UV) tool run --from cyclonedx-bom==7.5.0 cyclonedx-py
FUNCTIONS := splitter embedder indexer api authorizer dead_letters maintenance notifier deliverer sockets analyst
export AWS_DEFAULT_REGION ?= us-east-1
export SAM_CLI_TELEMETRY ?= 0

.PHONY: help install model demo up down check test service-check audit sbom fuzz corpus-check chaos bench bench-peers bench-parsers eval lock build deploy clean

help: ## List these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ragline needs Python 3.11 or later: make PYTHON=python3.13 …")'
	$(PYTHON) -m venv $(RAGLINE_ENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv/cli: pyproject.toml requirements.txt | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

.venv/dev: .venv/cli requirements-dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@

install: .venv/cli ## Install the command line into .venv

model: .venv/cli ## Prepare the embedding model (cached)
	@$(BIN)/ragline model

demo: .venv/cli ## From nothing to three answered questions; DOCS=path adds your own files
	@$(BIN)/ragline demo $(DOCS)

up: .venv/cli ## Start the local cloud and deploy the template to it
	@$(BIN)/ragline up

down: .venv/cli ## Stop the local cloud
	@$(BIN)/ragline down

check: .venv/dev ## Format, lint, types, template, locked requirements
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/cfn-lint template.yaml infra/*.yaml
	$(SAM) validate --lint

test: .venv/dev model ## Unit, integration, contract and end-to-end tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

service-check: .venv/dev model ## Tenants apart, policies enforced, each grant needed, API as documented (docs/security.md)
	@$(BIN)/python -m tests.service_check

audit: .venv/dev ## Known vulnerabilities of the locked requirements; fails if they cannot be asked about
	@$(BIN)/python -m tests.service_check.audit $(AUDIT)

sbom: | $(UV) ## What each function is made of, as CycloneDX, in build/sbom
	@mkdir -p build/sbom
	@for f in $(patsubst functions/%/requirements.txt,%,$(wildcard functions/*/requirements.txt)); do $(SBOM) requirements functions/$$f/requirements.txt --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom/$$f.cdx.json 2>/dev/null || exit; done
	@$(SBOM) requirements requirements.txt --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom/ragline.cdx.json 2>/dev/null
	@ls build/sbom

fuzz: .venv/dev ## Damaged files of all formats through the parsers; MUTANTS=2000 SEED=1
	@$(BIN)/python -m tests.fuzz --mutants $(or $(MUTANTS),2000) --seed $(or $(SEED),1)

corpus-check: .venv/dev model ## Every file of DOCS=folder through a stack of its own; fails if any does not end
	@$(BIN)/python -m tests.corpus_check $(DOCS)

chaos: .venv/dev model ## Kill, replay, reorder and throttle for some minutes; see docs/ledger.md
	RAGLINE_LIVES=3000 $(BIN)/python -m pytest -q tests/unit/test_interleavings.py
	$(BIN)/python -m pytest -q -m long tests/e2e/test_chaos.py
	$(BIN)/python -m tests.faults --share 0.08 --storms 3
	$(BIN)/python -m tests.chaos

bench: .venv/dev model ## Benchmarks, one table (docs/benchmarks.md); SECTIONS="queries growth" for some
	$(BIN)/python -m tests.bench $(SECTIONS)

bench-peers: .venv/peers/ready ## Install LlamaIndex and LangChain beside, for bench (2 GB)

bench-parsers: .venv/dev .venv/parsers/ready ## Parsers compared on DATA=folder (docs/parsing.md)
	@$(BIN)/python -m tests.bench.parsers $(if $(DATA),--data "$(DATA)")

.venv/parsers/ready: pyproject.toml
	$(PYTHON) -m venv .venv/parsers
	.venv/parsers/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	.venv/parsers/bin/python -m pip install --quiet --group parsers
	@touch $@

# pip itself, torch first: pip takes torch's build without CUDA from a --find-links folder if there is one.
.venv/peers/ready: pyproject.toml
	$(PYTHON) -m venv .venv/peers
	.venv/peers/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	.venv/peers/bin/python -m pip install --quiet torch==2.13.0
	.venv/peers/bin/python -m pip install --quiet --group peers
	@touch $@

eval: .venv/dev model ## Retrieval quality on judged collections in DATA=folder; see docs/evaluation.md
	@$(BIN)/ragline eval $(DATA)

lock: | $(UV) ## Resolve every requirement anew, with hashes
	$(UV) pip compile $(LOCK) pyproject.toml --extra cli --extra eval --group dev -o requirements-dev.txt
	$(UV) pip compile $(LOCK) pyproject.toml --extra cli -c requirements-dev.txt -o requirements.txt
	for f in $(FUNCTIONS); do $(UV) pip compile $(LOCK) pyproject.toml --extra $$f -c requirements.txt -o functions/$$f/requirements.txt || exit; done

LOCK := --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --no-strip-extras

build: .venv/dev ## Build for AWS (needs Docker for the image functions)
	$(BIN)/python -m ragline.embedding.prepare $(if $(RAGLINE_MODEL),--from "$(RAGLINE_MODEL)") $(if $(RAGLINE_RERANKER),--reranker "$(RAGLINE_RERANKER)") --into build/model
	$(SAM) build

deploy: build ## Deploy to AWS; STAGE=dev or prod
	$(SAM) deploy --config-env $(or $(STAGE),dev)

clean: ## Remove what was built here (not the caches of models and packages)
	rm -rf .venv .aws-sam build .pytest_cache .mypy_cache .ruff_cache
