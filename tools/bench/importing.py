"""What importing costs beyond torch, which every use needs: seconds, in this fresh interpreter."""

import time


def seconds(statement: str) -> dict[str, float]:
    """Return {"torch", "beyond"}: the seconds of `import torch`, and then of the statement."""
    times = [time.perf_counter()]
    for line in ("import torch", statement):
        exec(line, {})  # noqa: S102
        times.append(time.perf_counter())
    return {"torch": times[1] - times[0], "beyond": times[2] - times[1]}
