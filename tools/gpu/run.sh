#!/usr/bin/env bash
# Train a model where a GPU is: bash tools/gpu/run.sh RUN OPTION...
#   content --pack PACK --out FOLDER [--minutes 9]               a content encoder
#   voice --pack PACK --content MODEL --out FILE [--minutes 9]   the decoder of voices, on an encoder
#   live --pack PACK --content MODEL --out FILE [--minutes 60]   a live model
#   wavenet --pack PACK --out FOLDER [--conf vctk] [--minutes 9]  the paper's VQ-VAE of waveforms
#   prior --pack PACK --model MODEL --out FOLDER [--minutes 9]   a prior over its codes
#   images --data FOLDER --out FOLDER [--minutes 9]              the paper's models of images, and a prior over codes
#   images … --conf frames --top top_prior --video video_prior   frames, a second VQ-VAE and a prior over video
#   text --corpus DIR --out FOLDER [--minutes 9]                 models that translate
#   wheels train [vision] [text]                                 what these need besides torch and numpy, for pip wheel
# The options are those of tools/gpu/RUN.py (--help lists them). If $WHEELS is set, the wheels in that folder are
# installed first, for a machine without a network. $PYTHON chooses the Python.
set -euo pipefail
root=$(cd -- "$(dirname -- "$0")/../.." && pwd)
case "${1:-}" in
  content | voice | live | wavenet | prior | images | text | wheels) run=$1 ;;
  -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "tools/gpu/run.sh: no run '${1:-}'; give content, voice, live, wavenet, prior, images, text or wheels" >&2; exit 2 ;;
esac
shift
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"
python=${PYTHON:-python3}
if [ -n "${WHEELS:-}" ]; then
  site=$(mktemp -d)
  "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$WHEELS"/*.whl
  export PYTHONPATH="$PYTHONPATH:$site"
fi
exec "$python" "$root/tools/gpu/$run.py" "$@"
