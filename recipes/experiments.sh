# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what recipes and pipelines set and use
# What the pipelines share: configurations, the corpus, the command that trains. Sourced by a pipeline, which egs/*/run.sh
# sources with its arguments, after `stages` and `usage_more` are set.
#
# The recipe provides `confs`, `extras` and the function `download`; see the pipelines.
set -euo pipefail

recipes=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname -- "$recipes")
recipe=$(cd -- "$(dirname -- "${BASH_SOURCE[2]}")" && pwd) # the folder of run.sh
# shellcheck source=stages.sh
. "$recipes/stages.sh"

parse_options "$@"
[ -n "$conf" ] && confs=("$conf")
[ -z "$tag" ] || [ ${#confs[@]} = 1 ] || die "--tag names one experiment, but the recipe trains ${confs[*]}; choose one by --conf"
corpus_given=$corpus
corpus=${corpus:-downloads}

bash "$root/tools/install.sh" "${extras[@]}"
export PATH="$root/.venv/bin:$PATH"
cd -- "$recipe"

# Call a function with each configuration and its experiment folder.
each_experiment() {
  local one
  for one in "${confs[@]}"; do
    "$1" "$one" "exp/${tag:-$one}"
  done
}

# The experiment whose codes the priors model. Priors are saved within it, since they neither encode nor convert.
first_experiment() { echo "exp/${tag:-${confs[0]}}"; }

stage_download() {
  if [ -n "$corpus_given" ]; then
    log "--corpus is given, nothing to download"
  else
    mkdir -p "$corpus"
    download
  fi
}

# The command that trains, on the requested GPUs.
trainer=(vqspeech)
if [ "$ngpu" -gt 1 ]; then
  trainer=(torchrun --standalone --nproc_per_node "$ngpu" -m vqspeech.cli)
elif [ "$ngpu" = 0 ]; then
  export CUDA_VISIBLE_DEVICES=""
fi
