#!/usr/bin/env bash
# Where this recipe was before it was called after what it shows. It points there, and does nothing else.
set -euo pipefail
cat >&2 <<END
egs/dmlab is egs/firstperson now: its frames are of ViZDoom, and DeepMind Lab is one of its corpora. Type

  bash egs/firstperson/run.sh                            (ViZDoom)
  WORLD=deepmind_lab bash egs/firstperson/run.sh         (DeepMind Lab, where Python can import it)

What was made before goes on there: mv egs/dmlab/data egs/dmlab/exp egs/firstperson/
END
exit 1
