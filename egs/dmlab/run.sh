#!/usr/bin/env bash
# First-person frames of 84x84: recorded on the spot in ViZDoom (or DeepMind Lab, where it can be imported), 21x21 codes, a
# prior over them, and a second VQ-VAE that has three latents for a frame. About 20 minutes on one core.
# shellcheck disable=SC2034 # the variables are for the pipeline
set -euo pipefail
confs=(frames_small)
prior=frames_small_prior
top=small_top_prior
episodes=20
frames=120
if [ -n "${FULL:-}" ]; then # FULL=1: the paper's size, for a GPU
  confs=(frames)
  prior=prior
  top=top_prior
  episodes=200
  frames=500
fi
extras=(vision vizdoom)
prepare=(record --world "${WORLD:-vizdoom}" --episodes "$episodes" --frames "$frames")
if [ -n "${FRAMES:-}" ]; then prepare=(prepare npz --data "$FRAMES"); fi # FRAMES=my.npz: images, episodes, actions
classes=${CLASSES:-any} # CLASSES=all: of each map
scale=2
limit=16
tiny=

download() { log "nothing to download: stage prepare records the frames"; }

# The second VQ-VAE, over the codes of the first.
more_prior() { # exp
  once "$1/top/best.safetensors" "$1/codes/train/index.json" -- "${trainer[@]}" vision prior --conf "$top" \
    --codes "$1/codes/train" --dev "$1/codes/dev" --out "$1/top"
  once "$1/scores.json#top" "$1/top/best.safetensors" "$1/codes/test/index.json" -- vqspeech vision score top \
    --top "$1/top" --model "$1" --codes "$1/codes/test" --data data/test --picture "$1/pictures/top.png" \
    --out "$1/scores.json"
}

# shellcheck source=../../recipes/images.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../recipes/images.sh"
