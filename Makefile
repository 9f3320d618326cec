# Two commands: `make demo` and `make test`. Each makes .venv from the exact lock file if it is missing.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo demo-driving demo-sounds demo-catalog test check image peers benchmarks lock clean

demo: $(STAMP)
	$(BIN)/rushes run recipes/operations-twin.yaml

demo-driving: $(STAMP)
	$(BIN)/rushes run recipes/driving-twin.yaml

demo-sounds: $(STAMP)
	$(BIN)/rushes run recipes/sounds-twin.yaml

demo-catalog: $(STAMP)
	$(BIN)/rushes run recipes/catalog-twin.yaml
	$(BIN)/rushes search recipes/catalog-twin.yaml "green velvet sofa"

# One thread for torch: with more, its matrix products change the last bits from run to run, and the tests
# compare bytes. Files are kept together, since a file's tests share what is costly to make, and in their order:
# by the number of their tests, few slow ones would come last, when the other core has nothing left.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: $(STAMP)
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

# The service, for a CPU; docs/serving.md says how the image for CUDA is made.
BUILDER ?= $(shell for one in docker podman buildah; do command -v $$one && break; done)
image:
	$(or $(BUILDER),$(error none of docker, podman and buildah is here)) build --tag rushes:cpu --target cpu .

# What benchmarks compare with, each in an environment of its own under .peers/.
peers: $(STAMP)
	$(BIN)/python benchmarks/peers.py

# Every benchmark in its quick form, then what falls short.
benchmarks: $(STAMP)
	$(BIN)/python benchmarks/all.py

# The lock names torch without a build: pip takes the one that fits the machine.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rushes needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

lock: $(STAMP)
	( echo "# Exact versions of everything, for make demo, make test and CI. Written by: make lock"; \
	  $(BIN)/python -m pip freeze --exclude-editable --all | grep -v '^pip==' | sed 's/^\(torch==[0-9.]*\)+.*/\1/' ) > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf .venv build
