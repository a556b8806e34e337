#!/usr/bin/env bash
# Make .venv in the repository root with vqspeech (editable), its extra `train` and the pinned versions of constraints.txt.
# Usage: bash tools/install.sh [EXTRA...]      extras: mini align eval study sweep slurm ray text vision video vizdoom loudness page docs dev (see pyproject.toml)
# Extras add up over calls; a call that changes nothing does nothing. $PYTHON selects the Python.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"

die() { echo "tools/install.sh: $*" >&2; exit 1; }

for extra in "$@"; do
  case $extra in
    mini | align | eval | study | sweep | slurm | ray | text | vision | video | vizdoom | loudness | page | docs | dev) ;;
    -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
    *) die "unknown extra '$extra'; known: mini align eval study sweep slurm ray text vision video vizdoom loudness page docs dev" ;;
  esac
done

python=${PYTHON:-python3}
command -v "$python" >/dev/null || die "no '$python' found; install Python 3.10 or later, or name one: PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  die "$("$python" --version) is too old; vqspeech needs Python 3.10 or later: PYTHON=/path/to/python3.11 bash tools/install.sh"

mkdir -p .venv
if command -v flock >/dev/null; then # two recipes started at once
  exec 9>.venv/.lock
  flock 9
fi

stamp=.venv/.vqspeech-stamp # line 1: what was installed and where; line 2: its extras
state="$(cat pyproject.toml constraints.txt tools/install.sh | cksum) $root"
installed=""
if [ -x .venv/bin/vqspeech ] && [ -f "$stamp" ]; then
  installed=$(sed -n 2p "$stamp")
  missing=""
  for extra in "$@"; do
    case " $installed " in *" $extra "*) ;; *) missing+=" $extra" ;; esac
  done
  if [ -z "$missing" ] && [ "$(sed -n 1p "$stamp")" = "$state" ]; then exit 0; fi
fi
wanted=$(echo "train $installed $*" | tr -s ' ' '\n' | sed '/^$/d' | sort -u | paste -sd ' ' -)

echo "tools/install.sh: installing vqspeech${wanted:+ with $wanted} into $root/.venv (about a minute)" >&2
rm -f "$stamp"
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  "$python" -m venv .venv || die "python -m venv failed; on Debian and Ubuntu: apt install python3-venv"
fi
pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt)
"${pip[@]}" -e ".${wanted:+[${wanted// /,}]}" || die "pip could not install; its message is above"
case " $wanted " in *" eval "*)
  # Without its dependencies: see the note in pyproject.toml.
  "${pip[@]}" --no-deps resemblyzer || die "pip could not install resemblyzer; its message is above" ;;
esac
printf '%s\n%s\n' "$state" "$wanted" >"$stamp"
