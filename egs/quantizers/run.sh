#!/usr/bin/env bash
# The studies of the papers on quantisers, each one command, one table and one picture; RESULTS.md at the end.
# shellcheck disable=SC2034 # the variables are for the stage runner
set -euo pipefail
recipe=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -- "$recipe/../.." && pwd)
stages=("0 toy" "1 beta" "9 results")
usage_more="Seeds of every study: SEEDS=5 bash $0"
# shellcheck source=../../recipes/stages.sh
. "$root/recipes/stages.sh"
studies=(toy beta)
seeds=${SEEDS:-5}

stage_toy() { once exp/toy/scores.json -- vqspeech study toy --out exp/toy --seeds "$seeds"; }
stage_beta() { once exp/beta/scores.json -- vqspeech study beta --out exp/beta --seeds "$seeds"; }
stage_results() { run vqspeech results "${studies[@]/#/exp/}" --out RESULTS.md; }

parse_options "$@"
[ ${#overrides[@]} = 0 ] || die "studies have no settings; see: vqspeech study --help"
bash "$root/tools/install.sh"
export PATH="$root/.venv/bin:$PATH"
cd -- "$recipe"
run_stages
