# Two commands for a person: `make demo` and `make test`. Each installs what it needs, and may run again.
.PHONY: setup rehearsal-setup test-setup demo test soak faults check format lock

VENV := .venv
PIP := $(VENV)/bin/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1

setup: $(VENV)/.installed

# Debian keeps venv in a package of its own.
$(VENV)/.installed: requirements.lock pyproject.toml
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "installing python3-venv"; apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; }
	@test -x $(VENV)/bin/python || python3 -m venv $(VENV)
	@echo "installing Python packages into $(VENV) (pinned in requirements.lock)"
	@$(PIP) install --quiet --quiet -r requirements.lock
	@$(PIP) install --quiet --quiet --no-deps -e .
	@touch $@

# What real hosts, Docker and the engine need beside Python.
rehearsal-setup: setup
	@$(VENV)/bin/python -m rehearsal.machine
	@$(VENV)/bin/python -m rehearsal.engine >/dev/null

demo: rehearsal-setup
	@$(VENV)/bin/python -m rehearsal.gateway >/dev/null
	@$(VENV)/bin/fab rehearse --outage

test-setup: rehearsal-setup
	@$(VENV)/bin/python -m rehearsal.machine tests/machine_packages.txt
	@$(VENV)/bin/python -m rehearsal.gateway >/dev/null

test: test-setup
	@$(VENV)/bin/python -m tests.run

# Ten thousand requests during rollouts: 34 minutes when it was measured, on a machine that has nothing else to do.
soak: test-setup
	@$(VENV)/bin/pytest -q -s -m soak tests/soak; code=$$?; cat ~/.cache/llm-fleet/soak.txt; exit $$code

# What is too long for every run: each way in which a release is bad, every moment of a kill, ...
faults: test-setup
	@$(VENV)/bin/pytest -q -m soak --ignore=tests/soak

check: setup
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

format: setup
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

# New versions: edit pyproject.toml, then this, then read the diff.
lock: setup
	@$(PIP) install --quiet --quiet uv
	@$(VENV)/bin/uv pip compile pyproject.toml --extra infra --extra rehearsal --extra dev \
	  --no-emit-index-url --quiet --output-file requirements.lock
	@$(VENV)/bin/uv pip compile --group gateway --universal --python-version 3.11 --generate-hashes \
	  --only-binary :all: --no-emit-index-url --quiet --output-file requirements-gateway.lock
