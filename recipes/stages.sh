# shellcheck shell=bash
# shellcheck disable=SC2154 # what the recipe sets
# The stage runner: options, log lines, commands that may skip items, outputs that are made only once. Source it.
#
# A recipe sets `stages` ("NUMBER NAME" each) and, if it likes, defaults of the options below and `usage_more`; it defines a
# function stage_NAME for each stage ("-" becomes "_"), and calls `parse_options "$@"`, then `run_stages`.

repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
stage=${stage:-}           # first stage to run: number or name; empty: the first
stop_stage=${stop_stage:-} # last stage to run; empty: the last
nj=${nj:-}                 # processes for work on single files; empty: one per core
shards=${shards:-}         # shards that data stages divide their work into; empty: none
cluster=${cluster:-local}  # engine that makes shards: local, slurm, ray
cluster_options=${cluster_options:-} # its settings: "KEY=VALUE ..."
ngpu=${ngpu:-}             # GPUs to train on; empty: all there are; 0: CPU
conf=${conf:-}             # configuration to train; empty: those of the recipe
tag=${tag:-}               # name of the experiment folder; empty: that of the configuration
corpus=${corpus:-}         # folder of the corpus; empty: downloads/
unseen=${unseen-}         # speakers to hold out; empty: see hold_out
limit=${limit:-12}         # source utterances to reconstruct and to convert
overrides=()               # KEY=VALUE arguments: settings of the configuration
# shellcheck disable=SC2034 # recipes add it to commands that train
restart=()                 # (--restart): start unfinished trainings from scratch
skipped_somewhere=0

log() { printf '%s %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$*" >&2; }
die() {
  log "error: $*"
  exit 1
}

usage() {
  cat <<END
Usage: bash $0 [OPTION VALUE]... [KEY=VALUE]...
  --stage N|NAME       first stage to run
  --stop-stage N|NAME  last stage to run
  --corpus DIR         folder of the corpus (default: downloads/ beside run.sh)
  --conf NAME          configuration to train
  --tag NAME           experiment folder exp/NAME (default: as the configuration)
  --nj N               processes (default: one per core)
  --shards N           divide the work of data stages into N shards; what is there is not made again
  --cluster NAME       engine of the shards: local (default), slurm, ray
  --cluster-options X  its settings, for example "partition=cpu minutes=60"
  --ngpu N             GPUs to train on (default: all; 0: CPU)
  --unseen N           speakers to hold out (default: ${unseen:-ten, or a third of fewer than 30})
  --limit N            source utterances to reconstruct and to convert (default: $limit)
  --restart            start unfinished trainings from scratch, do not resume
  --help               show this text
  KEY=VALUE            settings of the configuration, for example training.steps=500
Stages: $(printf '%s, ' "${stages[@]}" | sed 's/, $//')
${usage_more:-}
END
}

parse_options() {
  local name value
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --restart)
        # shellcheck disable=SC2034
        restart=(--restart)
        shift
        continue
        ;;
      --*=*)
        name=${1%%=*} value=${1#*=}
        shift
        ;;
      --*)
        name=$1
        is_option "$name" || die "unknown option $name; see: bash $0 --help"
        [ $# -ge 2 ] || die "$name needs a value; see: bash $0 --help"
        value=$2
        shift 2
        ;;
      -* | =*) die "unknown option $1; see: bash $0 --help" ;;
      *=*)
        overrides+=("$1")
        shift
        continue
        ;;
      *) die "unknown argument $1; see: bash $0 --help" ;;
    esac
    is_option "$name" || die "unknown option $name; see: bash $0 --help"
    name=${name#--}
    printf -v "${name//-/_}" '%s' "$value"
  done
  for name in nj ngpu limit unseen shards; do
    [[ ${!name} =~ ^[0-9]*$ ]] || die "--$name needs a number, not '${!name}'"
  done
  [ "$nj" != 0 ] || die "--nj needs at least 1"
  [ "$shards" != 0 ] || die "--shards needs at least 1"
  [[ $cluster =~ ^(local|slurm|ray)$ ]] || die "--cluster: no engine '$cluster'; choose local, slurm or ray"
  [ -n "$shards" ] || [ "$cluster" = local ] || die "--cluster $cluster needs --shards N"
  [ "${limit:-0}" != 0 ] || die "--limit needs at least 1"
  [[ $tag != */* ]] || die "--tag names a folder below exp/; leave out the slash"
  nj=${nj:-$(getconf _NPROCESSORS_ONLN)}
  ngpu=${ngpu:-$({ nvidia-smi -L 2>/dev/null || true; } | wc -l | tr -d ' ')}
  # shellcheck disable=SC2034 # pipelines add it to verbs whose work can be divided
  work=(--nj "$nj")
  if [ -n "$shards" ]; then
    work+=(--shards "$shards" --cluster "$cluster")
    for name in $cluster_options; do work+=(--cluster-option "$name"); done
  fi
  first_stage=$(stage_position "${stage:-${stages[0]%% *}}")
  last_stage=$(stage_position "${stop_stage:-${stages[${#stages[@]} - 1]%% *}}")
  [ "$first_stage" -le "$last_stage" ] || die "--stage $stage comes after --stop-stage $stop_stage"
  if [ -n "$corpus" ]; then # relative to the caller's folder, not to the recipe's
    corpus=$(cd -- "$corpus" 2>/dev/null && pwd) || die "--corpus: no such folder; check the path, or leave it out to use downloads/"
  fi
}

is_option() {
  case $1 in
    --stage | --stop-stage | --corpus | --conf | --tag | --nj | --shards | --cluster | --cluster-options | --ngpu | --limit | --unseen) return 0 ;;
    *) return 1 ;;
  esac
}

# Print the index in `stages` of a stage given by number or name.
stage_position() {
  local i
  for i in "${!stages[@]}"; do
    if [ "$1" = "${stages[i]%% *}" ] || [ "$1" = "${stages[i]#* }" ]; then
      echo "$i"
      return 0
    fi
  done
  die "no stage '$1'; choose one of: $(printf '%s, ' "${stages[@]}" | sed 's/, $//')"
}

run_stages() {
  local stage_index stage_name stage_started # long names: the functions of the recipe see these variables
  for ((stage_index = first_stage; stage_index <= last_stage; stage_index++)); do
    stage_name=${stages[stage_index]#* }
    stage_started=$SECONDS
    log "stage ${stages[stage_index]%% *} ($stage_name) starts"
    "stage_${stage_name//-/_}"
    log "stage ${stages[stage_index]%% *} ($stage_name) done in $((SECONDS - stage_started)) s"
  done
  if [ "$skipped_somewhere" = 1 ]; then
    log "warning: some items were skipped; search above for 'warning'"
  fi
}

# Run a command. Status 3 means that some items were skipped, which is a warning. Any other failure is fatal.
run() {
  local status=0
  log "\$ $*"
  "$@" || status=$?
  case $status in
    0) ;;
    3)
      skipped_somewhere=1
      log "warning: some items were skipped by: $*"
      ;;
    *)
      log "error: status $status from: $*"
      exit "$status"
      ;;
  esac
}

# hold_out DATA: print how many speakers of a data directory to hold out: --unseen, or else ten, the fewest of whom figures
# say something of other speakers (docs/decisions/intervals.md); of fewer than 30 speakers a third.
hold_out() {
  local speakers
  speakers=$(wc -l <"$1/spk2utt")
  if [ -n "$unseen" ]; then
    echo "$unseen"
  elif [ "$speakers" -ge 30 ]; then
    echo 10
  else
    log "warning: $1 has $speakers speakers: a third are held out, and figures of so few hold for these alone"
    echo $((speakers / 3))
  fi
}

# write_results EXPERIMENT...: write RESULTS.md of the recipe, and the page that compares all recipes with the papers.
# DRAFT=1: include scores of uncommitted code.
write_results() {
  run vqspeech results ${DRAFT:+--draft} "$@" --out RESULTS.md
  run vqspeech results --claims "$repository/egs" --out "$repository/RESULTS.md"
}

# once OUTPUT INPUT... -- COMMAND...: run COMMAND, which makes OUTPUT, unless the same command has made it before and no
# INPUT is newer. OUTPUT may be FILE#PART where several commands add to one file. A stamp in exp/.done holds the command.
# It is written when the command has succeeded, and removed before another command starts, so that an interrupted command
# never leaves a valid stamp. A file that was written after its stamp is made again.
once() {
  local output=$1 input done_before=yes command stamp
  local inputs=()
  shift
  while [ "$1" != -- ]; do
    inputs+=("$1")
    shift
  done
  shift
  stamp=$(stamp_of "$output")
  command=$(printf '%s ' "$@" | sed 's/ --nj [0-9]*//; s/ --shards [0-9]*//; s/ --cluster[-a-z]* [^ ]*//g; s/ --restart / /; s/ $//') # these change no result
  if [ -e "${output%%#*}" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$command" ]; then
    for input in ${inputs[@]+"${inputs[@]}"}; do
      if [ "$input" -nt "$stamp" ]; then
        log "$input is newer than $output, which is made again"
        done_before=""
      fi
    done
    if [[ $output != *#* && $output != *scores.json ]] && [ -f "$output" ] && [ "$output" -nt "$stamp" ]; then
      log "$output was changed after it was made, and is made again"
      done_before=""
    fi
    if [ -n "$done_before" ]; then
      log "done before: $command"
      return 0
    fi
  fi
  rm -f -- "$stamp"
  run "$@"
  [ -e "${output%%#*}" ] || die "$output was not made by: $command"
  mkdir -p exp/.done
  printf '%s\n' "$command" >"$stamp"
}

# Print the stamp file of an output, which is an INPUT for what depends on a whole folder.
stamp_of() { printf 'exp/.done/%s' "${1//\//:}"; }
