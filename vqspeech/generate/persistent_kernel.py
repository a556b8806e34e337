"""The kernel of the engine `persistent`, which alone imports this module, and only where it runs (Triton).

Every program owns a tile of streams and takes them through all layers of many steps in one launch; programs do not
communicate. Within a program, barriers order what threads exchange through global memory: a ring has one slot more than
its dilation, so that a step reads no slot that it writes, and one barrier per step is enough for all rings. The loop
over the layers has no barrier, and Triton fetches the weights of later layers during the present one.
"""

# pyright: reportMissingParameterType=false
# Types of compiled functions come from their calls.

# Triton compiles these functions: it infers the types, and decides branches on constants when it compiles.
# ruff: noqa: FURB136, RET505

import triton
import triton.language as tl

ONE: tl.constexpr = tl.constexpr(0x3F800000)
"""The bits of 1.0: for floats of at least 0, the order of the bits is the order of the floats."""


@triton.jit
def _product(
    rows,
    matrix,
    bias,
    INNER: tl.constexpr,
    OUTER: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Return `rows @ matrix + bias`, float32 `(TILE, OUTER)`.

    rows `(TILE, INNER)` and matrix `(INNER, OUTER)` are in memory and are read in blocks of BLOCK inner numbers.
    """
    streams, inputs, outputs = tl.arange(0, TILE), tl.arange(0, BLOCK), tl.arange(0, OUTER)
    total = tl.zeros((TILE, OUTER), tl.float32) + tl.load(bias + outputs)[None, :]
    for start in tl.range(0, INNER, BLOCK, num_stages=STAGES):
        left = tl.load(rows + streams[:, None] * INNER + (start + inputs)[None, :])
        right = tl.load(matrix + (start + inputs)[:, None] * OUTER + outputs[None, :])
        total = tl.dot(left, right, total, input_precision="ieee")
    return total


@triton.jit
def _nucleus(odds, top_p):
    """Keep the odds `(TILE, CLASSES)` of the fewest classes that make up `top_p` of the sum; set the others to 0.

    Of equals the lower class is kept. Instead of sorting, the smallest odds of the nucleus are found bit by bit.
    """
    wanted = tl.sum(odds, 1) * top_p
    bits = odds.to(tl.int32, bitcast=True)
    low = tl.zeros_like(wanted).to(tl.int32)
    high = low + ONE
    for _ in range(30):
        middle = (low + high) // 2
        short = tl.sum(tl.where(bits > middle[:, None], odds, 0.0), 1) < wanted
        low = tl.where(short, low, middle + 1)
        high = tl.where(short, middle, high)
    heavier = bits > high[:, None]
    equal = (bits == high[:, None]).to(tl.int32)
    before = tl.sum(tl.where(heavier, odds, 0.0), 1)[:, None] + (tl.cumsum(equal, 1) - equal) * odds
    return tl.where(heavier | ((equal > 0) & (before < wanted[:, None])), odds, 0.0)


@triton.jit
def _draw_class(found, uniform, sharpness, top_p, LEVELS: tl.constexpr, GREEDY: tl.constexpr, NUCLEUS: tl.constexpr):
    """Draw classes int32 `(TILE,)` from logits `(TILE, CLASSES)`, of which LEVELS are real."""
    if GREEDY:
        return tl.argmax(found, 1)
    else:
        odds = tl.exp((found - tl.max(found, 1)[:, None]) * sharpness)
        if NUCLEUS:
            odds = _nucleus(odds, top_p)
        running = tl.cumsum(odds, 1)
        passed = tl.sum((running <= (uniform * tl.max(running, 1))[:, None]).to(tl.int32), 1)
        return tl.minimum(passed, LEVELS - 1)


@triton.jit(do_not_specialize=["first", "count", "latents", "hold"])
def sample(
    embedding,  # (inputs, RESIDUAL)
    gated,  # (LAYERS, past and present, RESIDUAL, 2 * RESIDUAL), the columns filter, gate, filter, gate ...
    residual,  # (LAYERS, RESIDUAL, RESIDUAL)
    residual_bias,  # (LAYERS, RESIDUAL), as all biases float32
    skip,  # (LAYERS, RESIDUAL, SKIP)
    skip_bias,  # (SKIP,)
    hidden,  # (SKIP, HIDDEN)
    hidden_bias,  # (HIDDEN,)
    output,  # (HIDDEN, CLASSES)
    output_bias,  # (CLASSES,)
    dilations,  # (LAYERS,)
    starts,  # (LAYERS,), first slot of each ring
    held,  # (programs, latents, LAYERS, TILE, 2 * RESIDUAL), conditioning and bias, columns as in gated
    uniforms,  # (programs, count, TILE)
    classes,  # (programs, count, TILE), -1 where a class is to be drawn
    last,  # (programs, TILE), the class before step `first`; receives the last one
    rings,  # (programs, SLOTS, TILE, RESIDUAL)
    skipped_rows,  # (programs, TILE, SKIP), room for what all threads read
    hidden_rows,  # (programs, TILE, HIDDEN), likewise
    logits,  # (programs, count, TILE, CLASSES), written where KEEP
    first,
    count,
    latents,
    hold,
    sharpness,
    top_p,
    LAYERS: tl.constexpr,
    SLOTS: tl.constexpr,
    TILE: tl.constexpr,
    RESIDUAL: tl.constexpr,
    SKIP: tl.constexpr,
    HIDDEN: tl.constexpr,
    CLASSES: tl.constexpr,
    LEVELS: tl.constexpr,
    GREEDY: tl.constexpr,
    NUCLEUS: tl.constexpr,
    KEEP: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Run steps `first` to `first + count`.

    Each class is drawn by its uniform from softmax(logits * sharpness): from the nucleus of `top_p` where NUCLEUS is
    set; the most likely class where GREEDY is set. LEVELS of the CLASSES are real.
    """
    program = tl.program_id(0).to(tl.int64)
    streams, channels, pairs = tl.arange(0, TILE), tl.arange(0, RESIDUAL), tl.arange(0, 2 * RESIDUAL)
    skips, hiddens, levels = tl.arange(0, SKIP), tl.arange(0, HIDDEN), tl.arange(0, CLASSES)
    tile = streams[:, None] * RESIDUAL + channels[None, :]
    rings += program * SLOTS * TILE * RESIDUAL
    skipped_rows += program * TILE * SKIP
    hidden_rows += program * TILE * HIDDEN
    held += program * latents * LAYERS * TILE * 2 * RESIDUAL
    uniforms += program * count * TILE
    classes += program * count * TILE
    logits += program * count * TILE * CLASSES
    last += program * TILE
    kind = embedding.dtype.element_ty
    drawn = tl.load(last + streams)
    for i in range(count):
        step = first + i
        latent = step // hold - first // hold
        conditions = held + latent.to(tl.int64) * (LAYERS * TILE * 2 * RESIDUAL)
        uniform = tl.load(uniforms + i * TILE + streams)
        wanted = tl.load(classes + i * TILE + streams)
        x = tl.load(embedding + drawn[:, None] * RESIDUAL + channels[None, :]).to(tl.float32)
        skipped = tl.zeros((TILE, SKIP), tl.float32) + tl.load(skip_bias + skips)[None, :]
        for layer in tl.range(0, LAYERS, num_stages=STAGES):
            slots = tl.load(dilations + layer) + 1
            start = tl.load(starts + layer)
            past = tl.load(rings + (start + (step + 1) % slots) * (TILE * RESIDUAL) + tile)
            present = x.to(kind)
            tl.store(rings + (start + step % slots) * (TILE * RESIDUAL) + tile, present)
            z = tl.load(conditions + (layer * TILE + streams)[:, None] * (2 * RESIDUAL) + pairs[None, :]).to(tl.float32)
            weights = gated + layer * (4 * RESIDUAL * RESIDUAL) + channels[:, None] * (2 * RESIDUAL) + pairs[None, :]
            z = tl.dot(past, tl.load(weights), z, input_precision="ieee")
            z = tl.dot(present, tl.load(weights + 2 * RESIDUAL * RESIDUAL), z, input_precision="ieee")
            filters, gates = tl.split(tl.reshape(z, (TILE, RESIDUAL, 2)))
            h = ((2 * tl.sigmoid(2 * filters) - 1) * tl.sigmoid(gates)).to(kind)  # tanh f = 2 sigmoid(2 f) - 1
            x += tl.load(residual_bias + layer * RESIDUAL + channels)[None, :]
            matrix = residual + layer * (RESIDUAL * RESIDUAL) + channels[:, None] * RESIDUAL + channels[None, :]
            x = tl.dot(h, tl.load(matrix), x, input_precision="ieee")
            matrix = skip + layer * (RESIDUAL * SKIP) + channels[:, None] * SKIP + skips[None, :]
            skipped = tl.dot(h, tl.load(matrix), skipped, input_precision="ieee")
        tl.store(skipped_rows + streams[:, None] * SKIP + skips[None, :], tl.maximum(skipped, 0.0).to(kind))
        tl.debug_barrier()
        found = _product(skipped_rows, hidden, hidden_bias, SKIP, HIDDEN, 64 if SKIP > 64 else SKIP, TILE, STAGES)
        tl.store(hidden_rows + streams[:, None] * HIDDEN + hiddens[None, :], tl.maximum(found, 0.0).to(kind))
        tl.debug_barrier()
        found = _product(hidden_rows, output, output_bias, HIDDEN, CLASSES, 64 if HIDDEN > 64 else HIDDEN, TILE, STAGES)
        if KEEP:
            tl.store(logits + (i * TILE + streams)[:, None] * CLASSES + levels[None, :], found)
        chosen = _draw_class(found, uniform, sharpness, top_p, LEVELS, GREEDY, NUCLEUS)
        drawn = tl.where(wanted < 0, chosen, wanted)
        tl.store(classes + i * TILE + streams, drawn)
        tl.debug_barrier()  # the next step reads what this one wrote into the rings
    tl.store(last + streams, drawn)
