# Every target makes its own .venv and installs what it needs; nothing needs root.
#   make help

PYTHON    ?= python3
PIP_FLAGS ?=
JOBS      ?= $(shell nproc 2>/dev/null || echo 2)
BLOCK     ?=
FMT       ?=
SEED      ?= 0
ID        ?=
PROOF     ?=
COUNT     ?=
SEEDS     ?=
RTL       ?=
CHUNKS    ?=
BASE      ?=
BUDGET    ?= 120
LIST      ?=

VENV  := .venv
BIN   := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUNBUFFERED := 1

# $(call installed,torch,rtl): the stamp of these extras, or that of dev, which has them all, where
# it is there: after `make setup` no target runs pip again.
comma     := ,
installed  = $(VENV)/.with-$(if $(wildcard $(VENV)/.with-dev),dev,$(1)$(addprefix $(comma),$(2)))

.DEFAULT_GOAL := help
.PHONY: help setup shell demo test quick slowest sim sim-long prove mutate synth fpga replay waves coverage families-long cosim-long test-long fuzz-long functions-long programs-long docs lint bench bench-quick clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null || \
	  { echo "error: $(PYTHON) is not Python 3.11 or newer; give another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  rm -rf $(VENV); echo "no ensurepip in $(PYTHON); using virtualenv"; \
	  $(PYTHON) -m pip install -q --target build/virtualenv virtualenv && \
	  PYTHONPATH=build/virtualenv $(PYTHON) -m virtualenv -q $(VENV); } || \
	  { rm -rf $(VENV); echo "error: cannot make a virtual environment; install python3-venv or pip" >&2; exit 1; }

# One stamp for each set of extras; a newer pyproject or constraints file installs again.
$(VENV)/.with-%: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing plena-cosim[$*] into $(VENV) (a minute or two) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[$*]'
	@touch $@

setup: $(VENV)/.with-dev ## make .venv with everything, and show what was found
	@plena doctor

shell: $(call installed,torch,rtl) ## a shell with plena on PATH; exit leaves it
	@echo "plena is on PATH in this shell; exit leaves it"
	@exec $${SHELL:-/bin/sh}

demo: $(call installed,torch,rtl) ## the whole chain in minutes: RTL = golden = torch, then a real model's perplexity
	@plena demo

test: lint $(VENV)/.with-dev ## lint, golden, torch equivalence, RTL regression, proofs and gate counts: what CI runs
	@$(BIN)/python -m pytest -q -n $(JOBS) --ignore tests/regression --junitxml results/tests/junit.xml
	@plena sim
	@plena prove
	@plena synth

quick: $(VENV)/.with-dev ## what your changes touch, nearest first, in about two minutes: BASE=main, BUDGET=120, LIST=1
	@$(BIN)/python -m tools.quick $(if $(BASE),--base $(BASE)) $(if $(LIST),--list) --budget $(BUDGET) --jobs $(JOBS)

slowest: $(VENV)/.with-dev ## the twenty slowest tests of the last `make test`
	@$(BIN)/python -m tools.slowest

sim: $(call installed,rtl) ## RTL regression; narrow it with BLOCK=fp_mul FMT=bf16 SEED=7
	@plena sim $(if $(BLOCK),--block $(BLOCK)) $(if $(FMT),--fmt $(FMT)) --seed $(SEED)

sim-long: $(call installed,rtl) ## all 2^32 pairs of fp16, adder and multiplier (an hour a block on one core; goes on where it was), Hadamard of up to 92 lanes: BLOCK=, FMT=, CHUNKS=
	@plena sim-long $(if $(BLOCK),--block $(BLOCK)) $(if $(FMT),--fmt $(FMT)) $(if $(CHUNKS),--chunks $(CHUNKS)) --jobs $(JOBS)

prove: $(call installed,rtl,synth) ## formal proofs of the RTL, each with faults it must find; narrow with BLOCK=fp_mul, PROOF=round
	@plena prove $(if $(BLOCK),--block $(BLOCK)) $(if $(PROOF),--proof $(PROOF))

mutate: $(call installed,rtl,synth) ## small faults in the RTL, which the comparison must find: COUNT=60 SEED=0, or COUNT=all
	@plena mutate $(if $(filter all,$(COUNT)),--all,$(if $(COUNT),--count $(COUNT))) --seed $(SEED)

replay: $(call installed,rtl) ## run one failing vector again and write its waveform: ID=...
	@plena replay $(ID)

synth: $(call installed,synth) ## gates, depth and flip-flops of every block against the recorded ones; BLOCK=, FMT=
	@plena synth $(if $(BLOCK),--block $(BLOCK)) $(if $(FMT),--fmt $(FMT)) --jobs $(JOBS)

fpga: $(call installed,fpga) ## LUTs, DSPs, flip-flops and clock on an ECP5, placed and routed; BLOCK=, FMT=, SEEDS=5
	@plena fpga $(if $(BLOCK),--block $(BLOCK)) $(if $(FMT),--fmt $(FMT)) $(if $(SEEDS),--seeds $(SEEDS))

coverage: $(call installed,rtl) ## what the last regressions have seen of every format, and what not; with RTL=1 of the RTL
	@plena coverage $(if $(BLOCK),--block $(BLOCK)) $(if $(FMT),--fmt $(FMT)) $(if $(RTL),--rtl)

waves: $(call installed,rtl) ## record a block at work and say how to look at it: BLOCK=fp_mul FMT=bf16 COUNT=32
	@plena waves --block $(or $(BLOCK),fp_mul) $(if $(FMT),--fmt $(FMT)) $(if $(COUNT),--count $(COUNT)) --seed $(SEED)

families-long: $(call installed,torch) ## every family of transformers' causal models under a recipe, and the table in docs/recipe.md (ten minutes on two cores)
	@plena families --write --jobs $(JOBS)

cosim-long: $(VENV)/.with-dev ## a fault in each block that a model's run uses, found and located (some minutes)
	@PLENA_COSIM_LONG=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/cosim

test-long: $(VENV)/.with-dev ## long commands killed in all ways, each at work (some minutes)
	@PLENA_TEST_LONG=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/cli/test_killed.py

fuzz-long: $(VENV)/.with-dev ## files, requests and saved models with mistakes in them: one clear error, or the right answer: SEED=
	@$(BIN)/python -m tools.fuzz $(if $(SEED),--seed $(SEED))

functions-long: $(VENV)/.with-dev ## answers of plena eval functions, and 200 made ones, judged by BFCL's own command as well (6 GB into build/bfcl, a quarter of an hour)
	@plena eval functions --limit 15 --max-new-tokens 48 --out results/functions-long
	@$(BIN)/python -m tools.functions_recorded $(if $(SEED),--seed $(SEED))

programs-long: $(VENV)/.with-dev ## 100,000 random programs on both interpreters, compared after every instruction (half an hour on two cores; goes on where it was): PROGRAMS=
	@$(BIN)/python -m tools.programs_long --jobs $(JOBS) $(if $(PROGRAMS),--programs $(PROGRAMS))

docs: $(call installed,docs) ## the documentation as a site that needs no network: build/site/index.html
	@# Not --quiet: that drops the warnings that --strict counts.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "docs: open build/site/index.html"

lint: $(VENV)/.with-dev ## ruff, mypy, import layers
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-cache

bench: $(VENV)/.with-dev ## speed against peers and limits, and docs/benchmarks.md: half an hour, resumable by part
	@$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.with-dev ## toy sizes in seconds: an error where a ratio is grossly worse than recorded
	@$(BIN)/python -m benchmarks --quick

clean: ## remove what the targets made here (the user cache stays)
	rm -rf $(VENV) build dist results sim_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
