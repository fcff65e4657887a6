# SPDX-License-Identifier: GPL-3.0-or-later
# The front door: `make` lists what there is. Needs Python >= 3.11, Go, git, make and apt.

PYTHON ?= python3
BIN := $(CURDIR)/build/venv/bin
ON_CLUSTER = settings=$$($(PYTHON) tests/cluster env) && env $$settings PATH="$(BIN):$$PATH"
PREPARE = $(ON_CLUSTER) ansible-playbook tests/local/prepare.yml -i inventories/local
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo test thorough lint sanity unit molecule chaos bench cluster cluster-down venv venv-tests lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Watch real releases: one succeeds, one rolls itself back, one never gets traffic
	@$(MAKE) -j2 venv cluster
	@mkdir -p build/demo && : > build/demo/demo.log
	@$(PREPARE) --limit podinfo
	@tail -f build/demo/demo.log | sed -u 's/^[^|]*| //' & follow=$$!; $(ON_CLUSTER) ansible-playbook playbooks/demo.yml -i inventories/local; \
	  code=$$?; kill $$follow; exit $$code

test: venv-tests ## What a change waits for, as CI runs it
	@$(BIN)/python tests/run.py

thorough: venv-tests ## What takes too long for every change: before a release of the collection
	@$(BIN)/python tests/run.py thorough molecule:database molecule:service_entry molecule:stages molecule:stand_ins

lint: venv-tests ## Formatter, linters, types and documentation
	@$(BIN)/python tests/run.py format ruff mypy yamllint ansible-lint docs changelog

sanity: venv-tests ## ansible-test sanity, with no ignore file
	@$(BIN)/python tests/run.py sanity

unit: venv-tests ## Unit tests, of the plugins through ansible-test
	@$(BIN)/python tests/run.py pytest units

molecule: venv-tests ## Releases, failures and rollbacks on the real cluster
	@$(BIN)/python tests/run.py molecule

chaos: venv-tests cluster ## Kill releases at every journal point and see what becomes of them
	@$(ON_CLUSTER) pytest --quiet --no-header tests/chaos

bench: venv-tests cluster ## Measure switches, rollbacks and releases into build/bench.jsonl
	@$(PREPARE)
	@$(ON_CLUSTER) python tests/bench
	@$(ON_CLUSTER) python tests/bench/postgres.py

cluster: ## Start the test cluster (or use KUBECONFIG, or kind) and print its kubeconfig
	@$(PYTHON) tests/cluster up

cluster-down: ## Stop the test cluster and leave nothing behind
	@$(PYTHON) tests/cluster down

venv: ## Install the locked Python packages into build/venv
	@$(PYTHON) tests/venv.py

venv-tests: ## The same, and what the tests need
	@$(PYTHON) tests/venv.py --tests

lock: ## Resolve the Python packages anew into constraints.txt
	@$(PYTHON) tests/venv.py --lock

clean: ## Remove what was built here (the cluster has cluster-down)
	@rm -rf build .ansible
