#!/usr/bin/env bash
# Train a live model: bash tools/gpu/live.sh --pack PACK --content MODEL --out FILE [--minutes 60]
# Options are those of live.py. Wheels in $WHEELS, if it is set, are installed first, for a machine without a network.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 OMP_NUM_THREADS="${OMP_NUM_THREADS:-4}"
if [ -n "${WHEELS:-}" ]; then
    site=$(mktemp -d)
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$WHEELS"/*.whl
    export PYTHONPATH="$PYTHONPATH:$site"
fi
if [ -n "${PYTHON:-}" ]; then exec "$PYTHON" tools/gpu/live.py "$@"; fi
exec python3 tools/gpu/live.py "$@"
