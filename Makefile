# modelsat: `make run` shows the whole product, `make test` is what CI runs. `make help` lists the rest.
PYTHON ?= python3
# Index that serves CPU builds of torch, where the default one does not; empty uses the default.
TORCH_INDEX ?=
# Folders or s3:// prefixes with benchmark results, separated by spaces; empty uses the synthetic sample.
SCORES ?=
TESTS ?= tests
# Test processes side by side; every file of tests stays in one of them.
PROCESSES ?= 2

BIN := .venv/bin
# What the gateway is measured beside lives apart: LiteLLM and the openai client are no dependencies.
CLIENTS := .bench/clients
# What collecting is measured beside.
ENGINES := .bench/engines
# Rows to measure at, and the interpreter of an earlier build; empty leaves the earlier build out.
ROWS ?= 100000 1000000
BEFORE ?=
READY := .venv/.ready

.PHONY: help run stop test test-faults check bench-quality bench-speed bench-serving bench-scale versus fuzz soak images sbom provenance test-docker test-cluster compile docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## Results to a live endpoint; SCORES="folder s3://..." uses other results than the sample
	@$(BIN)/modelsat run $(SCORES)

stop: $(READY) ## Stop the endpoint and MLflow that `make run` left running
	@$(BIN)/modelsat stop

test: check ## Everything CI runs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(TESTS)

test-faults: $(READY) ## Faults in numbers too large for `make test`
	MODELSAT_TRAINING_KILLS=5 $(BIN)/python -m pytest tests/training/test_deepspeed_runs.py
	MODELSAT_KILLS=10 $(BIN)/python -m pytest tests/components/test_killed_stages.py
	MODELSAT_EVERY_STAGE=1 $(BIN)/python -m pytest tests/training/test_every_recipe_trains.py
	MODELSAT_KILLS=50 $(BIN)/python -m pytest --timeout 3600 tests/serving/test_killed_swaps.py tests/pipelines/test_killed_onboarding.py

check: docs ## Format, lint, types, architecture, links of the docs, advisories about pins
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python infra/audit.py

docs: $(READY) ## The documentation site, into build/docs
	@$(BIN)/zensical build --strict

bench-quality: $(READY) ## Routers on the real sets, in every setting, into docs/results.md and docs/studies; a stopped run goes on
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python benchmarks/quality.py --unseen
	$(BIN)/python benchmarks/newcomers.py
	$(BIN)/python benchmarks/money.py
	$(BIN)/python benchmarks/promise.py
	$(BIN)/python benchmarks/prove.py
	$(BIN)/python benchmarks/prove.py --strong --controls 0
	$(BIN)/python benchmarks/batch_budgets.py
	$(BIN)/python benchmarks/release_stream.py
	$(BIN)/python benchmarks/transfer.py
	$(BIN)/python benchmarks/zoos.py
	$(BIN)/python benchmarks/many_candidates.py
	$(BIN)/python benchmarks/routereval.py --mirror
	$(BIN)/python benchmarks/long_context.py
	$(BIN)/python benchmarks/calibration.py
	$(BIN)/python benchmarks/loss_bound.py
	$(BIN)/python benchmarks/ablations.py
	$(BIN)/python benchmarks/results_page.py

bench-serving: $(READY) $(CLIENTS)/.ready ## Endpoint and gateway beside the router in process, beside others, and under load
	$(BIN)/python benchmarks/served.py --clients $(CLIENTS)/bin/python
	$(BIN)/python benchmarks/precision.py

versus: $(READY) $(CLIENTS)/.ready ## Ten days in the life of a router, ours and a kNN router of an afternoon over LiteLLM
	$(BIN)/python benchmarks/ten_days.py --clients $(CLIENTS)
	$(BIN)/python benchmarks/results_page.py

fuzz: $(READY) ## Hostile requests to endpoint and gateway: 10,000 bodies one by one, 20,000 beside good traffic; 1,000 mutants a reader
	MODELSAT_MUTANTS=1000 $(BIN)/python -m pytest tests/unit/test_mutated_sources.py
	MODELSAT_FUZZ_REQUESTS=10000 $(BIN)/python -m pytest --timeout 3600 tests/serving/test_random_requests.py
	$(BIN)/python benchmarks/serving_attack.py --requests 20000 --minutes 120

soak: $(READY) ## Memory of endpoint and gateway over an hour of prompts of mixed lengths
	$(BIN)/python benchmarks/serving_soak.py --minutes 60

images: ## Build the container images; BASE_IMAGE, TAG, WHEELHOUSE, ... as in infra/images/build.sh
	infra/images/build.sh all

provenance: sbom ## Wheel, bills of materials and what they were built from (SLSA 1.0, signed where there is a key), into build
	@rm -rf build/wheel && $(BIN)/pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/wheel .
	@$(BIN)/python infra/provenance.py build/provenance.json build/wheel/*.whl build/sbom/*.json

sbom: $(READY) ## Software bills of materials (CycloneDX) of the wheel and the images' Python packages, into build/sbom
	$(BIN)/python infra/sbom.py build/sbom

test-docker: $(READY) ## Images, the whole pipeline and a two-node training as containers, on MODELSAT_DOCKER_HOST
	$(BIN)/python -m pytest tests/containers

test-cluster: $(READY) ## Manifests and promotions on a real API server: KUBECONFIG, or one built of Debian's sources
	@test -n "$$KUBECONFIG" || tests/cluster/api_server.sh build
	@if test -n "$$KUBECONFIG"; then $(BIN)/python -m pytest -m cluster tests/cluster; else \
	    trap 'tests/cluster/api_server.sh stop' EXIT; \
	    started=$$(tests/cluster/api_server.sh start) && env "$$started" $(BIN)/python -m pytest -m cluster tests/cluster; fi

bench-speed: $(READY) ## What routing and training cost, beside a forward of the model and beside the paper's way
	$(BIN)/python benchmarks/one_pass.py
	$(BIN)/python benchmarks/training_pairs.py
	$(BIN)/python benchmarks/training_packed.py
	$(BIN)/python benchmarks/training_whole.py
	$(BIN)/python benchmarks/training_speed.py $(if $(wildcard /dev/nvidia0),,--tiny)

bench-scale: $(READY) $(ENGINES)/.ready ## Collecting and validating by the number of scores; ROWS="1000000 10000000", BEFORE=an earlier build's python
	$(BIN)/python benchmarks/scale.py --rows $(ROWS) --engines $(ENGINES)/bin/python $(if $(BEFORE),--before $(BEFORE))
	$(BIN)/python benchmarks/results_page.py

compile: $(READY) ## Write the compiled pipelines
	$(BIN)/modelsat compile

clean: ## Remove the environment and everything that runs have left
	-@test -x $(BIN)/modelsat && $(BIN)/modelsat stop
	rm -rf .venv .run

$(CLIENTS)/.ready: benchmarks/serving-requirements.txt
	@$(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

$(ENGINES)/.ready: benchmarks/scale-requirements.txt
	@$(PYTHON) -m venv $(ENGINES)
	@$(ENGINES)/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

# Of every file the SHA-256 stands in hashes.txt. Torch comes by itself, in the build that the index prefers: pip would
# take another one whose digest the index tells. What a CUDA build of it needs comes last. What builds packages and the
# project comes first, since pip would fetch builders of its own choice.
PINS := .venv/pins
INSTALL := $(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-compile
$(READY): pyproject.toml hashes.txt infra/images/requirements.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "modelsat needs Python 3.11; set PYTHON to one"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv, a few minutes the first time"
	@$(PYTHON) infra/images/requirements.py test --into $(PINS)
	@$(INSTALL) -r $(PINS)/build-system.txt
	@$(BIN)/pip download -qq --disable-pip-version-check --no-deps -d $(PINS) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(sed -n 's/ \\$$//; 1p' $(PINS)/torch.txt)"
	@$(INSTALL) --no-index --find-links $(PINS) -r $(PINS)/torch.txt && rm $(PINS)/*.whl
	@$(INSTALL) --no-build-isolation -r $(PINS)/requirements.txt -r $(PINS)/weights.txt
	@$(BIN)/python -c 'import torch' 2> /dev/null || $(INSTALL) -r $(PINS)/cuda.txt
	@$(INSTALL) --no-build-isolation -e .
	@touch $@
