# Everything that is done to Ledge, by the people who use it, by those who change it, and by CI.

PYTHON ?= python3
BIN := .venv/bin
LEDGE := $(BIN)/ledge
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# Tests mostly wait for processes that they started; those of one file share them.
TEST_PROCESSES ?= 2
BENCHES ?= llm embedding retrieval ingest rag orchestration asr tts translation voice start
# What an installed default environment and its models take, with room for documents.
NEEDED_MB := 1500
# What torch, which comes from PyPI with its CUDA libraries, takes with vLLM and the models that the tests make.
TORCH_NEEDED_MB := 8000

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
.DELETE_ON_ERROR:
# What the speech engines need of Debian (without it the suite starts without them, and says so), and llama.cpp's OpenMP,
# which all but the barest installations have.
DEBIAN_PACKAGES := flite apertium-eng-spa libgomp1
# What the tests of the page need: a whole browser, since those that come with drivers have no microphone.
BROWSER_PACKAGES := chromium fonts-liberation
# A machine without a network is told soon.
APT := DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=20
# The framework for Node that `test-frameworks` drives.
FRAMEWORK_MODULES := @openai/agents-realtime@0.20.0

.PHONY: help up down ask status logs doctor packages packages-browser test helm test-page test-clients test-frameworks test-torch check format generate docs release-contracts bench images testbed testbed-down e2e lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv/.default packages ## install, fetch the models, start the suite, ask one question of the sample documents
	@$(LEDGE) up

down: ## stop the suite; what was ingested stays
	@if [ -x $(LEDGE) ]; then $(LEDGE) down; else echo "nothing is installed, so nothing runs"; fi

# The question reaches the shell as it was typed, whatever marks it holds.
quoted = '$(subst ','\'',$(value Q))'
ask: .venv/.default ## a question: make ask Q="How deep is borehole 2?"
	@[ -n $(quoted) ] || { echo 'say what to ask: make ask Q="How deep is borehole 2?"' >&2; exit 2; }
	@$(LEDGE) ask -- $(quoted)

status: .venv/.default ## how each service is
	@$(LEDGE) status

logs: .venv/.default ## the last lines of every service's log
	@$(LEDGE) logs

doctor: .venv/.default ## whether this machine can run the suite, and what to do where not
	@$(LEDGE) doctor

bench: .venv/.default ## every bench, one after the other (one: .venv/bin/ledge bench NAME)
	@mkdir -p build/bench
	@for name in $(BENCHES); do $(LEDGE) bench $$name --json build/bench/$$name.json || exit 1; done

packages: ## the Debian packages of the speech engines, as root; what needs them is left out without
	@if dpkg-query -W $(DEBIAN_PACKAGES) >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && $(APT) update -qq \
	  && $(APT) install -y -qq --no-install-recommends $(DEBIAN_PACKAGES); then echo "installed: $(DEBIAN_PACKAGES)"; \
	else echo "for speech and the language model, on Debian or Ubuntu and as root: apt-get install $(DEBIAN_PACKAGES)"; fi

packages-browser: ## the browser of Debian that the page is tested in, as root
	@if dpkg-query -W $(BROWSER_PACKAGES) >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && $(APT) update -qq \
	  && $(APT) install -y -qq --no-install-recommends $(BROWSER_PACKAGES); then echo "installed: $(BROWSER_PACKAGES)"; \
	else echo "to test the page, on Debian and as root: apt-get install $(BROWSER_PACKAGES)"; fi

check: .venv/.dev ## formatter, linter, types, structure and contracts: under a minute
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q tests/contracts

helm: ## helm 3 and 4 from their Go modules, into ~/.cache/ledge/bin, for the tests of the chart (minutes, once)
	@for version in v4.2.4 v3.21.0; do helm/get-helm.sh $$version >/dev/null || { \
	  [ $$? = 3 ] && echo "without Go the tests of the chart are skipped"; break; }; done

test: .venv/.test helm ## all tests, ending in the runner's closing line
	@$(LEDGE) models pull
	@$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile --ignore tests/page

test-clients: .venv/.test .venv-clients/.made .venv-speech-clients/.made ## the doors by clients from PyPI, which get environments of their own
	@CLIENTS_PYTHON=$(CURDIR)/.venv-clients/bin/python \
	  SPEECH_CLIENTS_PYTHON=$(CURDIR)/.venv-speech-clients/bin/python $(BIN)/pytest tests/clients

# Not beside others: what is spoken and heard takes its time, whoever has the processor.
test-page: .venv/.page packages packages-browser ## the page in a real browser that hears and is heard; pictures in build/page
	@$(BIN)/pytest tests/page

test-frameworks: .venv/.test .venv-frameworks/.made .venv-frameworks/.node ## the doors of speech by Pipecat, LiveKit and OpenAI's Agents SDK (a gigabyte of disk)
	@FRAMEWORKS_PYTHON=$(CURDIR)/.venv-frameworks/bin/python \
	  FRAMEWORKS_MODULES=$(CURDIR)/.venv-frameworks/node_modules $(BIN)/pytest tests/clients/test_frameworks.py

test-torch: .venv-torch/.made ## vLLM, sentence-transformers and a cross-encoder, run for real on the CPU (8 GB of disk)
	@.venv-torch/bin/python -m pytest -m torch tests/torch tests/embedding/test_contract.py \
	  tests/llm/test_contract.py tests/llm/test_vllm.py tests/llm/test_vllm_ends.py

images: ## every image that runs on a CPU, and what they weigh
	@deploy/images.sh

testbed: ## a real Kubernetes on this machine, as root; deploy/testbed/README.md
	@$(PYTHON) deploy/testbed/testbed.py up

testbed-down: ## its end, leaving nothing
	@$(PYTHON) deploy/testbed/testbed.py down

e2e: .venv/.test ## the chart on a real cluster: that of KUBECONFIG, or a test bed with images made for it
	@deploy/e2e.sh

format: .venv/.dev ## put the code into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

generate: .venv/.dev ## protos/gen from the contracts
	@PYTHON=../$(BIN)/python protos/generate.sh

docs: .venv/.dev ## the reference pages, from config classes and contracts
	@$(BIN)/python docs/generate.py

release-contracts: .venv/.dev ## record today's contracts as released: from then on breaking changes are refused
	@cd protos && ../$(BIN)/python -m grpc_tools.protoc -I . --descriptor_set_out=released.binpb \
	  $$(find ledge -name '*.proto' | LC_ALL=C sort)

lock: ## constraints.txt anew, from what the newest allowed packages are
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -e '.[default,test,dev]'
	@{ echo "# Made by \`make lock\`: the versions that this release was tested with."; \
	   .venv-lock/bin/python -m pip freeze --exclude-editable; } > constraints.txt
	@rm -rf .venv-lock

clean: ## remove the environment and what tools leave; documents, logs and models stay
	@if [ -x $(LEDGE) ]; then $(LEDGE) down >/dev/null; fi
	rm -rf .venv .venv-lock .venv-clients .venv-speech-clients .venv-frameworks .venv-baselines .venv-torch build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# Each file here stands for a finished step, so that a second run repeats nothing.
.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Ledge needs Python 3.11 or newer as $(PYTHON): install it, or name another with make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "the Python package venv is missing: run \`apt-get install python3-venv\` (as root), then make again" >&2; \
	  exit 1; }
	@free=$$(df -Pm . | awk 'NR == 2 { print $$4 }'); [ "$$free" -ge $(NEEDED_MB) ] || { \
	  echo "$$free MB are free here and $(NEEDED_MB) MB are needed: free some space, then make again" >&2; exit 1; }
	@started=$$(date +%s); $(PYTHON) -m venv .venv && echo "environment made in $$(( $$(date +%s) - started )) s"
	@touch $@

# $(call install,extras): pip says what it does; constraints.txt makes every installation the same.
install = started=$$(date +%s); $(PIP) install -c constraints.txt -e '.[$(1)]' \
	&& echo "packages installed in $$(( $$(date +%s) - started )) s"
comma := ,

.venv/.default: .venv/.made pyproject.toml constraints.txt
	@$(call install,default)
	@touch $@

.venv/.test: .venv/.made pyproject.toml constraints.txt
	@$(call install,default$(comma)test)
	@touch $@ .venv/.default

.venv/.page: .venv/.made pyproject.toml constraints.txt
	@$(call install,default$(comma)test$(comma)page-tests)
	@touch $@ .venv/.test .venv/.default

.venv/.dev: .venv/.made pyproject.toml constraints.txt
	@$(call install,default$(comma)dev)
	@touch $@ .venv/.test .venv/.default

.venv-clients/.made: .venv/.made tests/clients/requirements.txt
	@rm -rf .venv-clients && $(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r tests/clients/requirements.txt
	@touch $@

.venv-speech-clients/.made: .venv/.made tests/clients/speech-requirements.txt
	@rm -rf .venv-speech-clients && $(PYTHON) -m venv .venv-speech-clients
	@.venv-speech-clients/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r tests/clients/speech-requirements.txt
	@touch $@

.venv-frameworks/.made: .venv/.made tests/clients/framework-requirements.txt
	@rm -rf .venv-frameworks && $(PYTHON) -m venv .venv-frameworks
	@.venv-frameworks/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r tests/clients/framework-requirements.txt
	@touch $@

# Beside them, for Node; without it the test says why it is skipped.
.venv-frameworks/.node: .venv-frameworks/.made
	@if command -v npm >/dev/null; then \
	  npm install --silent --no-audit --no-fund --no-save --prefix .venv-frameworks $(FRAMEWORK_MODULES); fi
	@touch $@

.venv-torch/.made: constraints-torch.txt
	@free=$$(df -Pm . | awk 'NR == 2 { print $$4 }'); [ "$$free" -ge $(TORCH_NEEDED_MB) ] || { \
	  echo "$$free MB are free here and $(TORCH_NEEDED_MB) MB are needed: free some space, then make again" >&2; exit 1; }
	@started=$$(date +%s); rm -rf .venv-torch && $(PYTHON) -m venv .venv-torch \
	  && .venv-torch/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
	  -r constraints-torch.txt -e . && echo "torch and its engines installed in $$(( $$(date +%s) - started )) s"
	@touch $@
