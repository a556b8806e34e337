"""The compiled half of the engine `kernel`, which alone imports this module (numba): steps of the network for streams.

A matrix `(inputs, outputs)` is packed in blocks of `BLOCK` outputs, `(outputs / BLOCK, inputs, BLOCK)`, the order in
which it is read. The sums of a block, for up to `TILE` streams, stay in registers during the loop over the inputs, so
that each weight is read once for all those streams. A vector holds outputs, not streams, so that a single stream is
limited only by the bandwidth of the weights. Every sum runs over the inputs in their order for any number of streams:
the results of a stream are the same bits alone and in a batch.

All of it is in one file, because numba's cache on disk checks only the file of the outermost function for changes.
"""

# pyright: reportMissingParameterType=false
# Types of compiled functions come from their calls.

# Numba infers the types, and gives the signatures of intrinsics and of what they emit.

import math

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_FEATURES = llvm.get_host_cpu_features()
WIDTH = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx2") else 4
"""float32 numbers in a vector register."""
TILE = 8 if _FEATURES.get("avx512f") or not _FEATURES.get("avx2") else 5
"""Streams at once: 2 * TILE sums, 2 weights and an input fit the 32 registers, of AVX2 the 16."""
BLOCK = 2 * WIDTH
"""Outputs at once; numbers of outputs are multiples of it."""
_SPAN = 256
"""Inputs at once where there is more than one tile, so that their weights of a block stay in the L1 cache."""

_FLOAT, _INT = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, WIDTH)


def _emit(
    builder, multiply_add, weights, stride, x, x_stride, out, out_stride, count, streams: int, blocks: int
) -> None:
    """Emit the loop over `count` inputs for some streams, and for blocks that lie `stride` apart: out += Wᵀ x."""

    def at(pointer, *offsets):
        for offset in offsets:
            pointer = builder.gep(pointer, [offset])
        return pointer

    def vector(pointer):
        return builder.bitcast(pointer, _VECTOR.as_pointer())

    def number(value):
        return ir.Constant(_INT, value)

    offsets = [(number(block), half) for block in range(blocks) for half in (0, WIDTH)]
    sums_at = [
        [
            vector(at(out, builder.mul(out_stride, number(stream)), builder.mul(block, number(BLOCK)), number(half)))
            for block, half in offsets
        ]
        for stream in range(streams)
    ]
    first = [[builder.load(place, align=4) for place in row] for row in sums_at]
    before, loop = builder.block, builder.append_basic_block("inputs")
    after = builder.append_basic_block("summed")
    builder.branch(loop)
    builder.position_at_end(loop)
    i = builder.phi(_INT)
    sums = [[builder.phi(_VECTOR) for _ in row] for row in sums_at]
    row = at(weights, builder.mul(i, number(BLOCK)))
    read = [builder.load(vector(at(row, builder.mul(stride, block), number(half))), align=4) for block, half in offsets]
    undefined, zeros = ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), None)
    added = []
    for stream, stream_sums in enumerate(sums):
        value = builder.load(at(x, builder.mul(x_stride, number(stream)), i))
        one = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        repeated = builder.shuffle_vector(one, undefined, zeros)
        pairs = zip(read, stream_sums, strict=True)
        added.append([builder.call(multiply_add, [weight, repeated, total]) for weight, total in pairs])
    following = builder.add(i, number(1))
    i.add_incoming(number(0), before)
    i.add_incoming(following, loop)
    for stream in range(streams):
        for total, start, new in zip(sums[stream], first[stream], added[stream], strict=True):
            total.add_incoming(start, before)
            total.add_incoming(new, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
    for stream in range(streams):
        for new, place in zip(added[stream], sums_at[stream], strict=True):
            builder.store(new, place, align=4)


_SHAPES = {(streams, 1) for streams in range(1, TILE + 1)} | {(1, 4), (1, 2), (2, 2)}
"""(streams, blocks) with compiled code; few streams take more blocks, for sums enough to hide the latency of adding."""


@intrinsic
def _tile(typing, weights, weights_at, stride, x, x_at, x_stride, out, out_at, out_stride, count, streams, blocks):
    """Call `_emit` for a pair (streams, blocks) of `_SHAPES`; arrays are flat, `*_at` is where their part begins."""
    integer = types.intp
    sides = [weights, integer, integer, x, integer, integer, out, integer, integer]
    signature = types.void(*sides, integer, integer, integer)

    def generated(context, builder, signature, args):
        def pointer(i):
            data = context.make_array(signature.args[i])(context, builder, args[i]).data
            return builder.gep(data, [args[i + 1]])

        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        multiply_add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{WIDTH}f32")
        flat = pointer(0), args[2], pointer(3), args[5], pointer(6), args[8], args[9]
        end = builder.append_basic_block("done")
        shape = builder.add(builder.mul(args[10], ir.Constant(_INT, 8)), args[11])
        switch = builder.switch(shape, end)
        for n, m in sorted(_SHAPES):
            case = builder.append_basic_block(f"streams{n}blocks{m}")
            switch.add_case(ir.Constant(_INT, 8 * n + m), case)
            builder.position_at_end(case)
            _emit(builder, multiply_add, *flat, n, m)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return signature, generated


@njit
def _add_product(weights, weights_at, x, x_at, x_stride, out, out_at, out_stride, inputs, outputs, streams):
    """Add Wᵀ x[stream] to out[stream] for every stream.

    W is packed from `weights[weights_at]` on; rows of x and out lie a stride apart. `outputs` is a multiple of `BLOCK`,
    `inputs` at least 1.
    """
    span = inputs if streams <= TILE else min(inputs, _SPAN)
    for start in range(0, inputs, span):
        count = min(span, inputs - start)
        block = 0
        while block < outputs // BLOCK:
            left = outputs // BLOCK - block
            blocks = 4 if streams == 1 and left >= 4 else 2 if streams <= 2 and left >= 2 else 1
            from_weight = weights_at + (block * inputs + start) * BLOCK
            for stream in range(0, streams, TILE):
                _tile(  # pyright: ignore[reportCallIssue]
                    weights,
                    from_weight,
                    inputs * BLOCK,
                    x,
                    x_at + stream * x_stride + start,
                    x_stride,
                    out,
                    out_at + stream * out_stride + block * BLOCK,
                    out_stride,
                    count,
                    min(TILE, streams - stream),
                    blocks,
                )
            block += blocks


@intrinsic
def _power_of_two(typing, exponent):
    """Return 2**exponent as float32, by shifting the exponent bits; the exponent is a whole number in [-126, 127]."""

    def generated(context, builder, signature, args):
        whole, integer = builder.fptosi(args[0], ir.IntType(32)), ir.IntType(32)
        biased = builder.add(whole, ir.Constant(integer, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(integer, 23)), _FLOAT)

    return types.float32(types.float32), generated


_LOG2_E, _LN_2, _HALF = np.float32(1.4426950408889634), np.float32(0.6931471805599453), np.float32(0.5)
_C2, _C3, _C4, _C5, _C6, _C7 = (np.float32(1 / math.factorial(n)) for n in range(2, 8))
_1, _2 = np.float32(1), np.float32(2)


@njit(fastmath=True, error_model="numpy")
def exponential(x):
    """Return e**x of a float32 in [-87, 87], relative error below 5e-7.

    It is 2**n times the Taylor series of e**f, |f| <= ln(2) / 2.
    """
    scaled = x * _LOG2_E
    whole = np.floor(scaled + _HALF)
    f = x - whole * _LN_2
    series = _1 + f * (_1 + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * (_C6 + f * _C7))))))
    return series * _power_of_two(whole)  # pyright: ignore[reportCallIssue]


@njit(fastmath=True, error_model="numpy")
def gate(filters, gates, out):
    """Write tanh(filters) * sigmoid(gates) to `out`, absolute error below 5e-7.

    tanh f = (1 - a) / (1 + a) with a = e**(-2 f), sigmoid g = 1 / (1 + b) with b = e**-g: one division for both. Beyond
    9 and 40 the functions have reached their limits in float32.
    """
    for i in range(len(out)):
        f = min(max(filters[i], np.float32(-9)), np.float32(9))
        g = min(max(gates[i], np.float32(-40)), np.float32(40))
        a = exponential(-_2 * f)
        b = exponential(-g)
        out[i] = (_1 - a) / ((_1 + a) * (_1 + b))


@njit(fastmath=True, error_model="numpy")
def _draw_class(logits, at, count, uniform, temperature, top_p, odds):
    """Draw a class from `count` logits, as `generate` describes; `odds` is a buffer of that size."""
    best = 0
    for k in range(1, count):
        if logits[at + k] > logits[at + best]:
            best = k
    if temperature == 0:
        return best
    largest, scale = logits[at + best], np.float32(1 / temperature)
    for k in range(count):
        odds[k] = exponential(max((logits[at + k] - largest) * scale, np.float32(-87)))
    if top_p < 1:
        _keep_nucleus(odds[:count], top_p)
    total = np.float32(0)
    for k in range(count):
        total += odds[k]
    aim, running, last = uniform * total, np.float32(0), best
    for k in range(count):
        if odds[k] > 0:
            running += odds[k]
            last = k
            if running > aim:
                break
    return last


@njit
def _keep_nucleus(odds, top_p):
    """Keep the fewest odds that make up `top_p` of their sum; set the others to zero."""
    order = np.argsort(-odds, kind="mergesort")
    before, total = np.float32(0), odds.sum()
    for k in order:
        one = odds[k]
        if before >= top_p * total:
            odds[k] = 0
        before += one


@njit
def _fill(out, streams, width, biases, at):
    for stream in range(streams):
        for i in range(width):
            out[stream * width + i] = biases[at + i]


@njit(nogil=True, cache=True)
def run_steps(
    weights,
    biases,
    embedding,
    dilations,
    sizes,
    conditioning,
    uniforms,
    given,
    classes,
    logits,
    state,
    now,
    until,
    settings,
):
    """Run steps `now` to `until` of some streams, and fill their classes and, unless it is empty, `logits`.

    Args:
        weights: Of every layer, gated before residual, then skip, hidden, logits; all padded to `BLOCK`.
        biases: Likewise.
        embedding: `(inputs, width)`, padded.
        dilations: Of the layers.
        sizes: Steps per latent, padded skip, hidden and logits, classes.
        conditioning: `(streams, layers, 2, residual, latents)`, of the latents of these steps.
        uniforms: `(streams, time)`.
        given: `(streams, n)`, classes that are not sampled.
        classes: `(streams, time)`, to be filled.
        logits: `(streams, time, classes)`, or `(streams, 0, classes)`.
        state: Buffers that are kept from call to call.
        now: First step.
        until: Step after the last.
        settings: Temperature and top_p.
    """
    rings, drawn, held, pair, z, activations, skip, hidden, found, odds = state
    streams, layers = conditioning.shape[:2]
    width = embedding.shape[1]
    hold, skips, hiddens, outputs, count = sizes
    for step in range(now, until):
        if step % hold == 0:
            _hold(conditioning, step // hold - now // hold, biases, width, held)
        for stream in range(streams):
            for i in range(width):
                pair[stream * 2 * width + width + i] = embedding[drawn[stream], i]
        weight, bias, ring = 0, 0, 0
        for layer in range(layers):
            slot = ring + step % dilations[layer] * streams * width
            for stream in range(streams):
                here, there = stream * 2 * width, slot + stream * width
                for i in range(width):
                    pair[here + i] = rings[there + i]
                    rings[there + i] = pair[here + width + i]
            ring += dilations[layer] * streams * width
            for i in range(streams * 2 * width):
                z[i] = held[layer * streams * 2 * width + i]
            _add_product(weights, weight, pair, 0, 2 * width, z, 0, 2 * width, 2 * width, 2 * width, streams)
            weight, bias = weight + 4 * width * width, bias + 2 * width
            for stream in range(streams):
                at, to = stream * 2 * width, (stream * layers + layer) * width
                gate(z[at : at + width], z[at + width : at + 2 * width], activations[to : to + width])
            if layer < layers - 1:
                for stream in range(streams):
                    for i in range(width):
                        pair[stream * 2 * width + width + i] += biases[bias + i]
                _add_product(
                    weights,
                    weight,
                    activations,
                    layer * width,
                    layers * width,
                    pair,
                    width,
                    2 * width,
                    width,
                    width,
                    streams,
                )
                weight, bias = weight + width * width, bias + width
        _fill(skip, streams, skips, biases, bias)
        _add_product(weights, weight, activations, 0, layers * width, skip, 0, skips, layers * width, skips, streams)
        weight, bias = weight + layers * width * skips, bias + skips
        for i in range(streams * skips):
            skip[i] = max(skip[i], np.float32(0))
        _fill(hidden, streams, hiddens, biases, bias)
        _add_product(weights, weight, skip, 0, skips, hidden, 0, hiddens, skips, hiddens, streams)
        weight, bias = weight + skips * hiddens, bias + hiddens
        for i in range(streams * hiddens):
            hidden[i] = max(hidden[i], np.float32(0))
        _fill(found, streams, outputs, biases, bias)
        _add_product(weights, weight, hidden, 0, hiddens, found, 0, outputs, hiddens, outputs, streams)
        for stream in range(streams):
            if logits.shape[1]:
                for k in range(count):
                    logits[stream, step, k] = found[stream * outputs + k]
            if step < given.shape[1]:
                drawn[stream] = given[stream, step]
            else:
                drawn[stream] = _draw_class(
                    found, stream * outputs, count, uniforms[stream, step], settings[0], settings[1], odds
                )
            classes[stream, step] = drawn[stream]


@njit
def _hold(conditioning, latent, biases, width, held):
    """Write the conditioning of a latent plus the gated bias to held `(layers, streams, 2, width)`."""
    streams, layers, _, residual, _ = conditioning.shape
    for layer in range(layers):
        for stream in range(streams):
            for half in range(2):
                at = ((layer * streams + stream) * 2 + half) * width
                for i in range(residual):
                    held[at + i] = (
                        conditioning[stream, layer, half, i, latent] + biases[layer * 3 * width + half * width + i]
                    )
