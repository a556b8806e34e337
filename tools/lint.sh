#!/usr/bin/env bash
# Run every check over every file: ruff, pyright, vulture (dead code), the architecture, the
# documentation, shellcheck. Usage: bash tools/lint.sh
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
bash tools/install.sh dev
status=0
.venv/bin/ruff check . || status=1
.venv/bin/ruff format --check . || status=1
.venv/bin/pyright --pythonpath .venv/bin/python || status=1
.venv/bin/vulture || status=1
.venv/bin/python tools/architecture.py --check || status=1
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict --site-dir build/site || status=1
mapfile -t scripts < <(git ls-files -co --exclude-standard '*.sh' .ci/run | sort -u)
.venv/bin/shellcheck -x "${scripts[@]}" || status=1
[ "$status" = 0 ] && echo "lint: clean (${#scripts[@]} shell scripts among the files)"
exit "$status"
