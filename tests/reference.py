"""Slow, independent oracles, written from the equations and not from the code under test."""

import numpy as np


def quantised(z: np.ndarray, codebook: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest codes of z `(batch, dimension, time)`, one vector at a time, and their vectors (1711.00937, eq. 1, 2)."""
    codes = np.zeros((z.shape[0], z.shape[2]), dtype=np.int64)
    vectors = np.zeros_like(z)
    for b in range(z.shape[0]):
        for t in range(z.shape[2]):
            distances = [float(((z[b, :, t] - code) ** 2).sum()) for code in codebook]
            codes[b, t] = int(np.argmin(distances))
            vectors[b, :, t] = codebook[codes[b, t]]
    return codes, vectors


def ema_step(counts, sums, flat, codes, decay):
    """One step of the EMA codebook, code by code (1711.00937, appendix A.1): counts, sums, embeddings."""
    counts, sums = counts.copy(), sums.copy()
    for k in range(len(counts)):
        chosen = flat[codes == k]
        counts[k] = decay * counts[k] + (1 - decay) * len(chosen)
        sums[k] = decay * sums[k] + (1 - decay) * chosen.sum(0)
    return counts, sums, sums / counts[:, None]


def noise_substituted(z, codebook, codes, noise):
    """What NSVQ gives the decoder for z `(batch, dimension, time)`, vector by vector (Vali and Bäckström 2022)."""
    made = np.zeros_like(z)
    for b in range(z.shape[0]):
        for t in range(z.shape[2]):
            error = np.sqrt(((z[b, :, t] - codebook[codes[b, t]]) ** 2).sum())
            v = noise[b, :, t]
            made[b, :, t] = z[b, :, t] + error * v / np.sqrt((v**2).sum())
    return made


def choice_probabilities(z, codebook, temperature):
    """Probability of each code for a vector z `(dimension,)` in the E step of soft EM (1805.11063)."""
    weights = [np.exp(-float(((z - code) ** 2).sum()) / temperature) for code in codebook]
    return np.array(weights) / sum(weights)


def soft_em_step(counts, sums, flat, choices, decay):
    """The M step of soft EM, sample by sample: counts, sums, embeddings."""
    numbers, totals = np.zeros(len(counts)), np.zeros(sums.shape)
    for vector, drawn in zip(flat, choices, strict=True):
        for k in drawn:
            numbers[k] += 1 / len(drawn)
            totals[k] += vector / len(drawn)
    counts, sums = decay * counts + (1 - decay) * numbers, decay * sums + (1 - decay) * totals
    return counts, sums, sums / counts[:, None]


def wavenet_logits(state: dict[str, np.ndarray], dilations, samples, conditioning, hold) -> np.ndarray:
    """Logits `(time, classes)` of one stream by direct recursion over time and layers, from a WaveNet's weights.

    samples `(time,)`, conditioning `(layers, 2 * residual, latents)`. What lies before the first sample is zero.
    """

    def conv(name, x):
        return state[f"{name}.weight"][:, :, 0] @ x + state[f"{name}.bias"]

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    width = state["embedding.weight"].shape[1]
    memory: list[dict[int, np.ndarray]] = [{} for _ in dilations]
    logits = []
    for t in range(len(samples)):
        x = state["embedding.weight"][samples[t - 1] if t else 128]
        activations = []
        for i, dilation in enumerate(dilations):
            memory[i][t] = x
            weight = state[f"layers.{i}.gated.weight"]
            past = memory[i].get(t - dilation, np.zeros(width))
            z = weight[:, :, 0] @ past + weight[:, :, 1] @ x + state[f"layers.{i}.gated.bias"]
            z = z + conditioning[i, :, t // hold]
            h = np.tanh(z[:width]) * sigmoid(z[width:])
            activations.append(h)
            if i < len(dilations) - 1:
                x = x + conv(f"layers.{i}.residual", h)
        hidden = np.maximum(conv("skip", np.concatenate(activations)), 0)
        logits.append(conv("logits", np.maximum(conv("hidden", hidden), 0)))
    return np.array(logits)


def drawn(logits: np.ndarray, uniform: float, temperature: float) -> int:
    """The class at which the cumulative distribution passes `uniform`."""
    shifted = logits / temperature
    probabilities = np.exp(shifted - shifted.max())
    total = probabilities.sum() * uniform
    running = 0.0
    for k, probability in enumerate(probabilities):
        running += probability
        if running > total:
            return k
    return len(logits) - 1


def wavenet_samples(state, dilations, conditioning, hold, uniforms, temperature=1.0) -> np.ndarray:
    """Samples `(time,)` drawn one by one, the whole past computed again for each: the definition, at quadratic cost."""
    samples = np.zeros(len(uniforms), dtype=np.int64)
    for t, uniform in enumerate(uniforms):
        logits = wavenet_logits(state, dilations, samples[: t + 1], conditioning, hold)
        samples[t] = drawn(logits[t], uniform, temperature)
    return samples


def spectral_distance(power, other) -> float:
    """Log spectral distortion (dB) of one frame from its definition, bin by bin: power spectra `(bins,)`."""
    squares = [(10 * np.log10(p) - 10 * np.log10(q)) ** 2 for p, q in zip(power, other, strict=True)]
    return float(np.sqrt(sum(squares) / len(squares)))
