#!/usr/bin/env bash
# Photographs in folders, ImageNet or any others, as squares of 128: 32x32 codes. --corpus is required: ImageNet needs a login.
# shellcheck disable=SC2034 # the variables are for the pipeline
set -euo pipefail
confs=(imagenet_small)
if [ -n "${FULL:-}" ]; then confs=(imagenet); fi # FULL=1: the paper's size, for a GPU
extras=(vision)
prepare=(prepare folder --size 128 --data "{corpus}")
prior=${FULL:+prior}
prior=${prior:-imagenet_small_prior}
classes=${CLASSES:-any} # CLASSES="tabby tench": those of a corpus with a folder for each class
scale=1
limit=6
each=4 # pictures of 128x128 are large
tiny=

download() { die "ImageNet cannot be downloaded without a login; pass a folder of photographs as --corpus DIR (DIR/CLASS/*.jpg or DIR/*.jpg)"; }

# shellcheck source=../../recipes/images.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../recipes/images.sh"
