#!/usr/bin/env bash
# Installs what the tests need into .venv and runs them. Usage: bash tools/test.sh [PYTEST OPTION...]
# Tests that need recordings look at $VQSPEECH_CORPORA; those of the ASR and other judges run after tools/install.sh eval.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
bash tools/install.sh dev
exec .venv/bin/python -m pytest "$@"
