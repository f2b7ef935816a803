# make            what there is          make install    set up .venv
# make notebooks  everything into outputs/ [PROFILE=smoke|quick|full] [DATA="dir dir"] [RUN=name]
# make test       the test suite         make lab        JupyterLab        make lint
# make app        the web app [PORT=5000] make explore    the Streamlit explorer
# make docs       run every notebook on phantoms and write docs/notebooks/ [PROFILE=quick]
# make bench      speed and memory beside others' [ONLY="conversion metrics"] [TORCH=venv/bin/python]

PYTHON ?= python3
PROFILE ?= quick
DATA ?=
RUN ?=
PORT ?= 5000
WORKERS ?= 2
ONLY ?=
TORCH ?=
EXTRAS ?= app,dev
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

.PHONY: help install notebooks docs test lab app explore bench lint lock
help:
	@sed -n 's/^# //p' Makefile

# The stamp is younger than everything that decides what is installed, so a second call does nothing.
.venv/installed-$(EXTRAS): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "medgan_tf needs Python 3.11 or newer; set PYTHON=python3.x")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --progress-bar on -c requirements.lock -e ".[$(EXTRAS)]"
	@touch $@

install: .venv/installed-$(EXTRAS)
	@echo "medgan_tf is installed in .venv; 'make notebooks' runs everything."

notebooks: .venv/installed-$(EXTRAS)
	$(BIN)/python -m medgan_tf run --profile $(PROFILE) $(if $(DATA),--data "$(DATA)") --run "$(RUN)"

docs: .venv/installed-$(EXTRAS)
	$(BIN)/python -m medgan_tf run --profile $(PROFILE) --run docs-$(PROFILE)
	$(BIN)/python -m medgan_tf render docs-$(PROFILE) --out docs/notebooks

test: .venv/installed-$(EXTRAS)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(if $(FAST),-m "not slow") $(TESTS)
	@echo "All tests ran; skipped ones say what they lack."

lab: .venv/installed-$(EXTRAS)
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/01_dicom_to_jpg.ipynb

app: .venv/installed-$(EXTRAS)
	$(BIN)/python -m medgan_tf serve --port $(PORT)

explore: .venv/installed-$(EXTRAS)
	$(BIN)/python -m pip install --quiet -c requirements.lock -e ".[explore]"
	$(BIN)/streamlit run medgan_tf/app/explorer.py --browser.gatherUsageStats false --server.address 127.0.0.1

bench: .venv/installed-$(EXTRAS)
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(TORCH),--torch-python $(TORCH))

lint: .venv/installed-$(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# After a change of the dependencies in pyproject.toml. The header would name the command's machine.
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --no-header --no-annotate --no-emit-index-url --extra app --extra dev -o requirements.lock pyproject.toml
