"""Convert and encode a sound with the installed package, as a user would: python tools/smoke.py.

It needs nothing but the package, in any working directory, and no shell.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile


def main() -> int:
    """Run the verbs and return the exit status."""
    time_axis = np.arange(16_000 * 11) / 16_000
    pulses = np.sin(2 * np.pi * 120 * time_axis + np.sin(9 * time_axis)) * (time_axis * 2.5 % 1 < 0.75)
    with tempfile.TemporaryDirectory() as folder:
        source, voice = Path(folder, "a b.wav"), Path(folder, "voice.wav")
        soundfile.write(source, 0.3 * pulses[:32_000], 16_000)
        soundfile.write(voice, 0.3 * np.sign(pulses) * np.abs(pulses) ** 0.5, 16_000)
        run(["convert", "--src", str(source), "--like", str(voice), "--out", str(Path(folder, "c.wav"))])
        run(["convert", "--src", folder, "--speaker", "p225", "--out", str(Path(folder, "out"))])
        run(["encode", "--model", "units", "--src", str(voice), "--out", str(Path(folder, "units.txt")), "--nj", "2"])
        sound, rate = soundfile.read(Path(folder, "c.wav"))
        codes = Path(folder, "units.txt").read_text(encoding="utf-8").split()
        if (len(sound), rate) != (32_000, 16_000) or not np.abs(sound).max() or len(codes) != 1 + 11 * 25:
            sys.exit(f"unexpected: {len(sound)} samples at {rate} Hz, {len(codes) - 1} codes")
    print("smoke test passed")
    return 0


def run(words: list[str]) -> None:
    """Run a verb and print how long it took."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "vqspeech.cli", *words], check=True)
    print(f"{words[0]}: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
