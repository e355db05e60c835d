# `make demo` and `make test` are all that a fresh machine needs: Python 3.11 or later, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RECORDS ?= 2000
FUZZ_SECONDS ?= 60
CONSUMERS ?= consumers

.PHONY: demo test lint audit sbom fuzz sizes consumers clean

demo: $(VENV)/installed ## the e-commerce example with the embedded default model
	$(BIN)/llmsynthor models fetch qwen2.5-coder-1.5b
	$(BIN)/llmsynthor synthesize examples/ecommerce/spec.yaml --records $(RECORDS) --llm local --max-calls 60 --seed 7 --out demo
	@echo "Open demo/report.html in a browser."

test: $(VENV)/developer ## every test, those marked slow too, with the small embedded model
	$(BIN)/llmsynthor models fetch smollm2-135m
	$(BIN)/pytest -m "" -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/developer ## style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local]'
	@touch $@

$(VENV)/developer: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@

audit: $(VENV)/developer ## advisories about the locked packages; for the night, needs a network and fails without; AUDIT: more options
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	for lock in requirements.lock requirements-all.lock; do $(BIN)/pip-audit --strict --disable-pip $(AUDIT) -r $$lock || exit 1; done

sbom: $(VENV)/developer ## a CycloneDX list of the locked parts, with their hashes, beside the wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom
	mkdir -p dist
	$(BIN)/python -m build --wheel --outdir dist
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-file dist/llmsynthor.cdx.json

fuzz: $(VENV)/developer ## atheris over every parser, FUZZ_SECONDS each, from a copy of the kept corpus; for the night
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz
	rm -rf fuzzing && cp -r tests/campaigns/corpus fuzzing
	for target in $$(ls fuzzing); do \
	  PYTHONPATH=src:. $(BIN)/python -m tests.campaigns.fuzz $$target fuzzing/$$target -max_total_time=$(FUZZ_SECONDS) \
	    -timeout=5 -rss_limit_mb=2048 -artifact_prefix=fuzzing/$$target- -verbosity=0 -print_final_stats=1 || exit 1; \
	done

sizes: $(VENV)/developer ## what check and synthesize take on specs of absurd size
	PYTHONPATH=src:. $(BIN)/python -m benchmarks.sizes

consumers: $(VENV)/developer ## other programs run on what is exported, in environments kept in CONSUMERS; for the night
	PYTHONPATH=src:. $(BIN)/python -m benchmarks.consumers --cache $(CONSUMERS) $(if $(DTD),--dtd $(DTD))

clean: ## remove the virtual environment and the demonstration
	rm -rf $(VENV) demo fuzzing consumers
