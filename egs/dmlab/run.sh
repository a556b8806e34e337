#!/usr/bin/env bash
# The old place of egs/firstperson: prints where the recipe is now.
set -euo pipefail
cat >&2 <<END
egs/dmlab is now egs/firstperson: its frames are of ViZDoom, and DeepMind Lab is one of its corpora. Run

  bash egs/firstperson/run.sh                            (ViZDoom)
  WORLD=deepmind_lab bash egs/firstperson/run.sh         (DeepMind Lab, where Python can import it)

To keep earlier results: mv egs/dmlab/data egs/dmlab/exp egs/firstperson/
END
exit 1
