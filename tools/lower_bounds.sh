#!/usr/bin/env bash
# Install vqspeech with its extra `train` in the lowest versions that pyproject.toml allows, and see that it works: the smoke test,
# and tests that between them use every package. Needs uv. Usage: [PYTHON=3.10] [TORCH=VERSION] bash tools/lower_bounds.sh
# TORCH names another version than the lowest, for where no CPU build of that is at hand.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
command -v uv >/dev/null || { echo "tools/lower_bounds.sh: no uv; get it with: pip install uv" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
export UV_PYTHON=$work/venv
UV_PYTHON='' uv venv --quiet --python "${PYTHON:-3.10}" "$work/venv"
if [ -n "${TORCH:-}" ]; then
  echo "torch==$TORCH" >"$work/torch.txt"
  options=(--override "$work/torch.txt")
else
  options=(--torch-backend cpu)
fi
uv pip install --quiet --resolution lowest-direct "${options[@]}" "${root}[train]"
uv pip install --quiet hypothesis pytest
uv pip freeze
cd -- "$root"
"$work/venv/bin/python" tools/smoke.py
exec "$work/venv/bin/python" -m pytest -p no:cacheprovider tests/generate/test_engines.py tests/metrics/measures/test_leak.py \
  tests/metrics/measures/test_phone_ngrams.py tests/metrics/reports/test_style.py tests/training/test_log.py tests/test_world.py
