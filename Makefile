# make demo         installs what the app needs and opens it
# make test         installs what the tests need and runs the quick ones: every feature, in seven minutes on two cores
# make test-all     runs all tests: also every made-up fault, setting and kill, which are marked `long` (20 minutes)
# make lint         style, format and types, and the Dockerfile
# make audit        known vulnerabilities of what is installed; make advisories keeps them for when no database answers
# make sbom         what is installed and shipped, as CycloneDX: make sbom [SBOM=sbom.json]
# make sums         lists the SHA-256 of the weights in checkpoints/, after some were replaced
# make paper        the paper's table, figures and page: make paper PACK=/path/to/pack [OUT=paper] [WORKERS=2]
# make ablations    trains the ablations that are not shipped, four minutes each: make ablations PACK=/path/to/pack
# make soak         1,000 jobs of 100 visitors in an hour, who behave like people, with a kill, a full disk and a jump of
#                   the clock; draws how long they waited: make soak [SOAK="--jobs 60 --visitors 12 --minutes 4"]
# make fuzz         every door where foreign data comes in, led by coverage, an hour each: make fuzz [MINUTES=60]
# make screenshots  pictures of the app for the README; needs Chromium with chromedriver
# Each is idempotent. Another Python: make demo PYTHON=/path/to/python3.11

VENV := .venv
BIN := $(VENV)/bin
# The newest interpreter that torch and mediapipe both have wheels for.
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(firstword $(foreach p,python3 python3.12 python3.11 python3.10 python,$(shell $(p) -c "$(SUPPORTED)" 2>/dev/null && echo $(p))))

.PHONY: demo test test-all lint audit advisories sbom sums paper ablations soak fuzz screenshots clean

demo: $(VENV)/.demo
	$(BIN)/python app.py

# One thread each: two tests run side by side. Training has processes of its own, as in use: a test worker that had
# loaded all of the app before it trained has died now and then. Bytecode is kept even where the system says not to, as
# images for containers do: compiling the tests anew takes each worker five seconds.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
TRAINING := tests/data tests/nets tests/train

test: $(VENV)/.test
	$(PYTEST) $(TRAINING)
	$(PYTEST) $(TRAINING:%=--ignore=%)

test-all: $(VENV)/.test
	$(PYTEST) -m "" $(TRAINING)
	$(PYTEST) -m "" $(TRAINING:%=--ignore=%)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@test ! -x $(BIN)/hadolint || $(BIN)/hadolint Dockerfile

# pip-audit has an environment of its own, so that it cannot change the versions of what it looks at.
audit: $(VENV)/.test
	@test -x $(VENV)/audit/bin/pip-audit || { $(BIN)/python -m venv $(VENV)/audit && \
	  $(VENV)/audit/bin/python -m pip install --quiet "pip-audit>=2.9,<3"; } || echo "pip-audit could not be installed"
	$(BIN)/python .ci/audit.py $(VENV)/audit/bin/pip-audit

advisories: $(VENV)/.test
	$(BIN)/python .ci/audit.py $(VENV)/audit/bin/pip-audit --keep

SBOM ?= sbom.json
sbom: $(VENV)/.demo
	$(BIN)/python .ci/sbom.py "$(SBOM)"

sums: $(VENV)/.demo
	$(BIN)/python -c "from pathlib import Path; from atvg.sums import write_sums; write_sums(Path('checkpoints'))"

OUT ?= paper
WORKERS ?= 2
paper: $(VENV)/.test
	@test -n "$(PACK)" || { echo "which pack? make paper PACK=/path/to/pack"; exit 1; }
	$(BIN)/python -m atvg paper -p "$(PACK)" -o "$(OUT)" --workers $(WORKERS)

# Those that show no difference after so short a training; the others are shipped.
UNTRAINED := plain_l1 beta0 no_recurrence batch_recurrence plain_discriminator regression_discriminator
ablations: $(UNTRAINED:%=checkpoints/compared/ablation_%.safetensors)

checkpoints/compared/ablation_%.safetensors: | $(VENV)/.test
	@test -n "$(PACK)" || { echo "of which pack? make ablations PACK=/path/to/pack"; exit 1; }
	$(BIN)/python -m atvg train vg -p "$(PACK)" -o runs/$* \
	  $$($(BIN)/python -c 'from atvg.evaluation.ablations import ABLATIONS; print(ABLATIONS["$*"].settings)')
	cp runs/$*/vg_net.safetensors $@

SOAK := --jobs 1000 --visitors 100 --minutes 60 --chart assets/screenshots/soak.png
soak: $(VENV)/.test
	$(BIN)/python -m tests.soak $(SOAK)

# Goes on where it stopped: what was reached lies in runs/fuzz.
MINUTES ?= 60
fuzz: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --minutes $(MINUTES)

screenshots: $(VENV)/.test
	$(BIN)/python -m tests.screenshots -o assets/screenshots

clean:
	rm -rf $(VENV) *.egg-info build

$(VENV)/.python:
	@$(if $(PYTHON),"$(PYTHON)" -c "$(SUPPORTED)",false) || \
	  { echo "ATVG needs Python 3.10, 3.11 or 3.12; install one, or say which: make demo PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

# Minimal images lack libGL, which OpenCV's desktop wheel links to: there the headless build of the same version
# takes its place.
define install
	$(BIN)/python -m pip install --quiet $(1)
	@$(BIN)/python -c "import cv2" 2>/dev/null || $(BIN)/python -m pip install --quiet --force-reinstall --no-deps \
	  "opencv-python-headless==$$($(BIN)/python -c 'from importlib.metadata import version; print(version("opencv-contrib-python"))')"
endef

$(VENV)/.demo: $(VENV)/.python requirements.txt pyproject.toml
	$(call install,-e .)
	@touch $@

# axe-core comes in a package for Playwright, which the tests do without: they have Selenium.
$(VENV)/.test: $(VENV)/.python requirements.txt pyproject.toml
	$(call install,-e '.[test]')
	$(BIN)/python -m pip install --quiet --no-deps "axe-playwright-python==0.1.8"
	@touch $@
