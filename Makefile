# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later

LAB = python3 playbooks/files/lab.py
HOST = h1
TEST =

.DEFAULT_GOAL := help
.PHONY: help demo demo-shell demo-clean test venv lint unit integration kernel gates molecule fresh benchmark clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "    make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Build three lab hosts on this machine, encrypt the traffic between them, and show it.
	@.ci/demo

demo-shell: ## Open a shell in a lab host: make demo-shell HOST=h1
	@$(LAB) enter $(HOST)

demo-clean: ## Remove the demo's hosts with all their processes and files.
	@$(LAB) down

test: ## Install what the tests need, and run the usual ones of all tiers.
	@.ci/test

venv: ## Install packages, make .venv and the collection links.
	@.ci/setup

lint: ## Run the linters and standard sessions of nox: make lint TEST=codeqa
	@.ci/test lint -- $(TEST)

unit: ## Run the tests that need no root and no network: make unit TEST='tests/unit/test_docs.py -k links'
	@.ci/test unit -- $(TEST)

integration: ## Run the tests against lab hosts, as root.
	@WIREWRIGHT_LONG=1 .ci/test integration -- $(TEST)

kernel: ## Run the tests on kernel WireGuard and ESP, in a virtual machine if this kernel lacks them.
	@WIREWRIGHT_LONG=1 .ci/test kernel -- $(TEST)

gates: ## Check a release: ansible-test sanity, build, import, plays with old and new versions.
	@WIREWRIGHT_LONG=1 .ci/test gates -- $(TEST)

molecule: ## Run the Molecule scenarios in containers.
	@WIREWRIGHT_LONG=1 .ci/test molecule -- $(TEST)

fresh: ## Run the demo and some tests on a newly made Debian.
	@.ci/test fresh -- $(TEST)

benchmark: venv ## Compare the speed with wg and ip on this machine.
	@for part in tests/benchmark/[a-z]*.py; do echo "== $$part"; .venv/bin/python $$part || exit 1; done

clean: demo-clean ## Remove the demo and everything that was made in this checkout.
	@rm -rf .venv .cache .nox .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/output dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
