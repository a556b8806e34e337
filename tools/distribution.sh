#!/usr/bin/env bash
# Build sdist and wheel, check them, install the wheel into a clean environment, and convert and encode with it there. Needs uv.
# Usage: [PYTHON=3.12] bash tools/distribution.sh [FOLDER]      FOLDER (default: dist) gets the files
# torch comes from where uv is told to look; for a CPU build: UV_TORCH_BACKEND=cpu.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
command -v uv >/dev/null || { echo "tools/distribution.sh: no uv; get it with: pip install uv" >&2; exit 1; }
mkdir -p "${1:-$root/dist}"
out=$(cd -- "${1:-$root/dist}" && pwd)

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
tools=(uv run --quiet --no-project --python "${PYTHON:-3.12}" --with build --with twine)
rm -f "$out"/vqspeech-*
"${tools[@]}" python -m build --installer uv --outdir "$out" "$root"
"${tools[@]}" twine check --strict "$out"/vqspeech-*

uv venv --quiet --python "${PYTHON:-3.12}" "$work/clean"
SECONDS=0
uv pip install --quiet --python "$work/clean" -c "$root/constraints.txt" "$out"/vqspeech-*.whl
echo "installed in $SECONDS s: $(du -sm "$work/clean" | cut -f1) MB"
mkdir "$work/home"
cd -- "$work"
HOME="$work/home" clean/bin/python "$root/tools/smoke.py"
