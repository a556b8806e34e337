#!/usr/bin/env bash
# First-person frames of 84x84, recorded in ViZDoom (or DeepMind Lab, where it can be imported): 21x21 codes, a prior over
# them, a second VQ-VAE with three latents per frame, and a prior over video, conditioned on actions.
# About an hour on one core, most of it for the prior over video.
# shellcheck disable=SC2034 # the variables are for the pipeline
set -euo pipefail
confs=(frames_small)
prior=frames_small_prior
top=small_top_prior
video=mini_video_prior
clips=32
episodes=40
frames=120
if [ -n "${FULL:-}" ]; then # FULL=1: the paper's size, for a GPU
  confs=(frames)
  prior=prior
  top=${TOP:-top_prior}
  video=video_prior
  clips=256
  episodes=200
  frames=500
fi
extras=(vision video vizdoom)
prepare=(record --world "${WORLD:-vizdoom}" --episodes "$episodes" --frames "$frames")
if [ -n "${FRAMES:-}" ]; then prepare=(prepare npz --data "$FRAMES"); fi # FRAMES=my.npz: images, episodes, actions
classes=${CLASSES:-any} # CLASSES=all: of each map
read -ra actions <<<"${ACTIONS:-forward right}" # two whose videos should differ
scale=2
limit=16
tiny=

download() { log "nothing to download: stage prepare records the frames"; }

# The second VQ-VAE, over the codes of the first.
more_prior() { # exp
  once "$1/top/best.safetensors" "$1/codes/train/index.json" -- "${trainer[@]}" vision prior --conf "$top" \
    --codes "$1/codes/train" --dev "$1/codes/dev" --out "$1/top" ${restart[@]+"${restart[@]}"}
  once "$1/scores.json#top" "$1/top/best.safetensors" "$1/codes/test/index.json" -- vqspeech vision score top \
    --top "$1/top" --model "$1" --codes "$1/codes/test" --data data/test --picture "$1/pictures/top-frames.png" \
    --out "$1/scores.json"
  once "$1/video/best.safetensors" "$1/codes/train/index.json" -- "${trainer[@]}" vision prior-video --conf "$video" \
    --codes "$1/codes/train" --dev "$1/codes/dev" --model "$1" --out "$1/video" ${restart[@]+"${restart[@]}"}
}

# Videos of one action repeated: ten frames and a hundred.
more_sample() { # exp
  local frames
  for frames in 10 100; do
    once "$1/video/imagined-$frames/videos.npz" "$1/video/best.safetensors" data/test/index.json -- \
      vqspeech vision sample-video --prior "$1/video" --model "$1" --data data/test --actions "${actions[@]}" \
      --n 3 --frames "$frames" --out "$1/video/imagined-$frames"
    cp -- "$1/video/imagined-$frames/sheet.png" "$1/pictures/imagined-$frames.png"
  done
}

more_score() {
  local exp
  exp=$(first_experiment)
  once "$exp/scores.json#video" "$exp/video/best.safetensors" "$exp/codes/test/index.json" -- vqspeech vision score video \
    --prior "$exp/video" --model "$exp" --data data/test --codes "$exp/codes/test" \
    --train data/train --train-codes "$exp/codes/train" --image-prior "$exp/prior" --compare-actions "${actions[@]}" --clips "$clips" --out "$exp/scores.json"
}

# shellcheck source=../../recipes/images.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../recipes/images.sh"
