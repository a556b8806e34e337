# shellcheck shell=bash
# shellcheck disable=SC2154 # what the recipe sets
# Codes of images, a prior over them, and samples: from a corpus to RESULTS.md. Sourced by egs/*/run.sh with its
# arguments, after it has set what is specific to its corpus:
#   confs            configurations to train, in order, without --conf; codes are those of the first
#   extras           extras to install (see pyproject.toml)
#   prepare          command that writes data/, without --out; {corpus} stands for the folder of the corpus
#   prior            configuration of the prior over the codes of the first model; empty: none
#   classes          classes to sample: "any", "all", or names
#   each             samples of each class; by default 8
#   scale            width of a pixel in pictures
#   tiny             configuration of a model so small that all its codes can be enumerated; empty: none
#   download         function that downloads the corpus into the folder $corpus
# It may define the functions more_prior, more_sample and more_score, for steps that only its corpus has.
set -euo pipefail

stages=("-1 download" "0 prepare" "1 validate" "3 train" "4 reconstruct" "6 encode" "7 prior" "8 sample" "9 score")
usage_more="Configurations of this recipe: ${confs[*]}"
limit=${limit:-24}
each=${each:-8}
# shellcheck source=experiments.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/experiments.sh"

stage_prepare() {
  once data/train/index.json -- vqspeech vision "${prepare[@]//\{corpus\}/$corpus}" --out data
  if [ -n "$tiny" ]; then
    once data/tiny/train/index.json -- vqspeech vision "${prepare[@]//\{corpus\}/$corpus}" --shrink 4 --out data/tiny
  fi
}

stage_validate() {
  once "data#validate" data/train/index.json -- vqspeech vision validate data/train data/dev data/test
}

stage_train() {
  each_experiment train
  if [ -n "$tiny" ]; then
    once "exp/$tiny/best.safetensors" data/tiny/train/index.json -- \
      "${trainer[@]}" vision train --conf "$tiny" --train data/tiny/train --dev data/tiny/dev --out "exp/$tiny" \
      ${restart[@]+"${restart[@]}"}
  fi
}
train() { # conf exp
  once "$2/best.safetensors" data/train/index.json -- "${trainer[@]}" vision train --conf "$1" \
    --train data/train --dev data/dev --out "$2" ${restart[@]+"${restart[@]}"} ${overrides[@]+"${overrides[@]}"}
}

stage_reconstruct() { each_experiment reconstruct; }
reconstruct() { # conf exp
  once "$2/pictures/reconstructions.png" "$2/best.safetensors" -- vqspeech vision reconstruct --model "$2" \
    --data data/test --limit "$limit" --scale "$scale" --out "$2/pictures/reconstructions.png"
}

stage_encode() {
  local part exp
  exp=$(first_experiment)
  for part in train dev test; do
    once "$exp/codes/$part/index.json" "$exp/best.safetensors" "data/$part/index.json" -- \
      vqspeech vision encode --model "$exp" --data "data/$part" --out "$exp/codes/$part"
  done
}

stage_prior() {
  local exp
  exp=$(first_experiment)
  if [ -z "$prior" ]; then
    log "this recipe trains no prior"
    return
  fi
  once "$exp/prior/best.safetensors" "$exp/codes/train/index.json" -- "${trainer[@]}" vision prior --conf "$prior" \
    --codes "$exp/codes/train" --dev "$exp/codes/dev" --out "$exp/prior" ${restart[@]+"${restart[@]}"}
  once "$exp/scores.json#prior" "$exp/prior/best.safetensors" "$exp/codes/test/index.json" -- vqspeech vision score prior \
    --prior "$exp/prior" --codes "$exp/codes/test" --train "$exp/codes/train" --dev "$exp/codes/dev" --out "$exp/scores.json"
  ! declare -F more_prior >/dev/null || more_prior "$exp"
}

stage_sample() {
  local exp names
  exp=$(first_experiment)
  if [ -z "$prior" ]; then
    log "this recipe trains no prior, so there is nothing to sample"
    return
  fi
  read -ra names <<<"$classes"
  once "$exp/samples/samples.npz" "$exp/prior/best.safetensors" -- vqspeech vision sample --model "$exp" \
    --prior "$exp/prior" --class "${names[@]}" --n "$each" --scale "$scale" --out "$exp/samples"
  once "$exp/scores.json#samples" "$exp/samples/samples.npz" -- vqspeech vision score samples \
    --samples "$exp/samples/samples.npz" --train data/train --data data/test --scale "$scale" \
    --picture "$exp/pictures/samples-nearest.png" --out "$exp/scores.json"
  mkdir -p "$exp/pictures"
  cp -- "$exp/samples/samples.png" "$exp/pictures/samples.png"
  ! declare -F more_sample >/dev/null || more_sample "$exp"
}

stage_score() {
  local one experiments=()
  each_experiment score
  for one in "${confs[@]}"; do
    experiments+=("exp/${tag:-$one}")
  done
  if [ ${#experiments[@]} -gt 1 ]; then
    run vqspeech vision score steps "${experiments[@]}" --out exp/comparison/scores.json
    experiments=(exp/comparison "${experiments[@]}")
  fi
  if [ -n "$tiny" ]; then
    once "exp/$tiny/scores.json#approximation" "exp/$tiny/best.safetensors" -- \
      vqspeech vision score approximation "exp/$tiny" --data data/tiny/test --out "exp/$tiny/scores.json"
    experiments+=("exp/$tiny")
  fi
  ! declare -F more_score >/dev/null || more_score
  write_results "${experiments[@]}"
}
score() { # conf exp
  local with_prior=()
  if [ "$2" = "$(first_experiment)" ] && [ -f "$2/prior/best.safetensors" ]; then
    with_prior=(--prior "$2/prior")
  fi
  once "$2/scores.json#bits" "$2/best.safetensors" -- vqspeech vision score bits "$2" --data data/test \
    ${with_prior[@]+"${with_prior[@]}"} --limit "${IMAGES:-2000}" --out "$2/scores.json"
  once "$2/scores.json#reconstructions" "$2/best.safetensors" -- vqspeech vision score reconstructions "$2" \
    --data data/test --train data/train --out "$2/scores.json"
  run vqspeech vision draw "$2"
}

run_stages
