#!/usr/bin/env bash
# Every linter over every file: ruff, ruff format, pyright, shellcheck. Usage: bash tools/lint.sh
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
bash tools/install.sh dev
status=0
.venv/bin/ruff check . || status=1
.venv/bin/ruff format --check . || status=1
.venv/bin/pyright --pythonpath .venv/bin/python || status=1
mapfile -t scripts < <(git ls-files -co --exclude-standard '*.sh' .ci/run | sort -u)
.venv/bin/shellcheck -x "${scripts[@]}" || status=1
[ "$status" = 0 ] && echo "lint: clean (${#scripts[@]} shell scripts among it)"
exit "$status"
