#!/usr/bin/env bash
# Install what the tests need into .venv, and run them. Usage: bash tools/test.sh [PYTEST OPTION...]
# Tests that need recordings find them in $VQSPEECH_CORPORA; those of the judges (ASR, ...) run after tools/install.sh eval.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
bash tools/install.sh dev
exec .venv/bin/python -m pytest "$@"
