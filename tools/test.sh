#!/usr/bin/env bash
# Install what the tests need into .venv, and run them. Usage: bash tools/test.sh [PYTEST OPTION...]
# The files are shared out among processes, one a core, at most eight; -n 0: all in one.
# Tests that need recordings find them in $VQSPEECH_CORPORA; those of the judges (ASR, ...) run after tools/install.sh eval.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
bash tools/install.sh dev
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
cores=$(getconf _NPROCESSORS_ONLN)
exec .venv/bin/python -m pytest -n "$((cores < 8 ? cores : 8))" --dist loadfile "$@"
