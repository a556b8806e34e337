import itertools

import pytest
import torch
from torch.nn import functional as F

pytest.importorskip("sentencepiece")
pytest.importorskip("sacrebleu")

from tests.text.conftest import small_config
from vqspeech.errors import CheckpointError, ConfigError, TextError, UnitsError
from vqspeech.text.data.batches import fill
from vqspeech.text.data.vocabulary import END, PAD
from vqspeech.text.models import Decoding, LatentTranslator, Translator
from vqspeech.text.models.alignment import measure_alignments
from vqspeech.text.models.parallel import ParallelTranslator, drop_repetitions
from vqspeech.text.models.transformer import Dropout, State
from vqspeech.text.training.translation import TranslationTask
from vqspeech.training.trainer import train

KINDS = ("autoregressive", "parallel", "latent")


def encode(model, lines, width=48):
    return fill(model.pieces.encode(lines), width).long()


@pytest.fixture(scope="module")
def models(folder):
    return {name: Translator.from_pretrained(folder / name) for name in KINDS}


def test_cached_decoding_equals_full(models, pairs):
    model = models["autoregressive"]
    source, target = (encode(model, side[:3], 48) for side in (pairs.source, pairs.target))
    with torch.inference_mode():
        context = model.encode_source(source)
        full = model.logits(model.predict(target, context))
        state, before, found = State(model.decoder, context, 48), torch.full((3,), 2), []
        for place in range(48):
            found.append(model._step(before, state, place))
            before = target[:, place]
    torch.testing.assert_close(torch.stack(found, 1), full, rtol=1e-4, atol=1e-4)


def test_cached_prediction_of_latents_equals_full(models):
    model = models["latent"]
    source, lengths = encode(model, ["a red dog runs", "a man sees a red house"]), torch.tensor([24, 17])
    with torch.inference_mode():
        context = model.encode_source(source)
        codes, scores = model.predictor.predict(3, lengths, context, model.positions)
        logs = model.predictor(codes, lengths, context, model.positions).log_softmax(3)
    top, chosen = logs.max(3)
    assert torch.equal(chosen, codes)
    torch.testing.assert_close(top.sum(2), scores, rtol=1e-4, atol=1e-4)


def test_a_piece_depends_on_those_before_it_alone(models, pairs):
    model = models["autoregressive"]
    context, target = model.encode_source(encode(model, pairs.source[:1])), encode(model, pairs.target[:1])
    embedded = []

    def keep(_, __, out):
        out.retain_grad()
        embedded.append(out)

    hook = model.embedding.register_forward_hook(keep)
    model.predict(target, context)[0, 5].square().sum().backward()
    hook.remove()
    moved = embedded[-1].grad[0].abs().sum(1) > 0
    assert moved[:6].all() and not moved[6:].any()


def test_a_latent_depends_on_those_before_it_alone(models):
    predictor = models["latent"].predictor
    model = models["latent"]
    context, lengths = model.encode_source(encode(model, ["a red dog runs"])), torch.tensor([32])
    codes = torch.randint(32, (1, 4, 2), generator=torch.Generator().manual_seed(0))
    before = predictor(codes, lengths, context, model.positions)
    for place in range(4):
        for part in range(2):
            changed = codes.clone()
            changed[0, place, part] = (codes[0, place, part] + 1) % 32
            moved = (predictor(changed, lengths, context, model.positions) - before).abs().amax(3)[0] > 1e-6
            order = torch.arange(8).view(4, 2)
            assert not moved[order <= 2 * place + part].any() and moved[order > 2 * place + part].all()


@pytest.mark.parametrize("kind", KINDS)
def test_translations_do_not_depend_on_the_batch(models, pairs, kind):
    model, lines = models[kind], pairs.source[:12]
    assert model.translate(lines, batch=12) == [model.translate([line])[0] for line in lines]


def test_a_beam_finds_what_enumeration_finds(models):
    """With a beam as wide as the vocabulary squared, two steps are searched in full."""
    model = models["autoregressive"]
    source = encode(model, ["a dog"], 8)
    with torch.inference_mode():
        context, size = model.encode_source(source), len(model.pieces)
        found = model._search(context, torch.tensor([2]), Decoding(beam=size, penalty=1.0))[0]
        first = torch.arange(size)
        target = torch.stack([first, torch.full((size,), END)], 1)
        logs = model.logits(model.predict(target, context.repeat(size))).log_softmax(2)
        two = (logs[first, 0, first] + logs[:, 1, END]) / 2
        two[END] = float("-inf")
        alone = logs[0, 0, END]
    best = [] if alone > two.max() else [int(two.argmax())]
    assert found == best


def test_greedy_is_a_beam_of_one(models, pairs):
    model = models["autoregressive"]
    source = encode(model, pairs.source[:6])
    with torch.inference_mode():
        context = model.encode_source(source)
        most = torch.full((6,), 30)
        greedy = [[one for one in row if one != PAD] for row in model._decode_greedily(context, most)]
        beam = model._search(context, most, Decoding(beam=1))
    for one, other in zip(greedy, beam, strict=True):
        if one[-1] == END and len(one) < 30:
            assert one[:-1] == other


@pytest.mark.parametrize("line", ["", "red " * 200])
def test_a_line_that_cannot_be_translated_is_refused(models, line):
    with pytest.raises(TextError):
        models["latent"].translate([line])


@pytest.mark.parametrize("line", ["Привет, мир", "你好", "🙂", "\u0000x", "x" * 20])
def test_any_script_has_pieces_and_one_line_of_translation(models, line):
    for model in models.values():
        (text,) = model.translate([line])
        assert "\n" not in text


def test_a_predictor_is_refined_alone_and_fits_its_codebook_only(folder, pairs, tmp_path):
    config = small_config("latent_small", "training.learn=predictor", "training.steps=3")
    train(lambda: TranslationTask(config, pairs, pairs, folder / "latent"), tmp_path / "refined")
    before, after = (LatentTranslator.from_pretrained(one) for one in (folder / "latent", tmp_path / "refined"))
    changed = {
        name.split(".")[0]
        for name, one in after.state_dict().items()
        if not torch.equal(one, before.state_dict()[name])
    }
    assert changed == {"predictor"}
    before.load_predictor(tmp_path / "refined")
    assert torch.equal(before.predictor.begin, after.predictor.begin)
    after.quantizer.books[0].weight[0] += 1
    after.save_pretrained(tmp_path / "other.safetensors")
    with pytest.raises(UnitsError, match="another codebook"):
        before.load_predictor(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError):
        before.load_predictor(folder / "autoregressive")


def test_refining_needs_a_latent_model(folder, pairs):
    config = small_config("latent_small", "training.learn=predictor")
    with pytest.raises(ConfigError, match="--start"):
        TranslationTask(config, pairs, pairs)
    other = small_config("latent_small", "training.learn=predictor", "model.dimension=8")
    with pytest.raises(ConfigError, match="other sizes"):
        TranslationTask(other, pairs, pairs, folder / "latent").initialize()


def test_the_decoder_takes_each_latent_to_its_eight_pieces(models):
    model = models["latent"]
    codes = torch.zeros(1, 3, 2, dtype=torch.long)
    changed = codes.clone()
    changed[0, 1] = 5
    with torch.no_grad():
        moved = (model.condition_on(codes) - model.condition_on(changed)).abs().sum(2)[0] > 0
    covered = 8 * model.sizes.places
    assert moved[covered : 2 * covered].all() and not moved[:covered].any() and not moved[2 * covered :].any()


def test_a_share_of_the_sentences_is_conditioned_on_predicted_latents(folder, pairs):
    config = small_config("latent_small", "model.predicted=0.5", "model.condition_dropout=0.25", "model.dropout=0")
    model = TranslationTask(config, pairs, pairs, folder / "autoregressive").model.train()
    source, target = (encode(model, side[:200]) for side in (pairs.source, pairs.target))
    context, lengths = model.encode_source(source), (target != PAD).sum(1)
    torch.manual_seed(0)
    with torch.no_grad():
        found, _, codes, _ = model.summarise(target, lengths, context)
        chosen = model.condition_on(model.predictor(codes, lengths, context, model.positions).argmax(3))
        nothing = model.spread(torch.zeros(1, model.sizes.dimension, codes.shape[1])).transpose(1, 2)
        same = [(found - other).abs().amax((1, 2)) < 1e-5 for other in (chosen, nothing, model.condition_on(codes))]
        told = model.eval().summarise(target, lengths, context).condition
    shares = [float(one.float().mean()) for one in same]
    assert shares[0] == pytest.approx(0.375, abs=0.1) and shares[1] == pytest.approx(0.25, abs=0.1)
    assert not ((found - chosen).abs().amax((1, 2)) < 1e-5).all()
    assert ((told - chosen).abs().amax((1, 2)) > 1e-3).all()


def test_a_target_has_the_same_codes_in_any_batch(models, pairs):
    model = models["latent"]
    lines = pairs.source[:5], pairs.target[:5]
    source, target = (encode(model, side, 40) for side in lines)
    codes, mask = model.encode_target(target, model.encode_source(source))
    for i in range(5):
        own = [encode(model, [side[i]], 40 + 8 * (i % 3)) for side in lines]
        one, counted = model.encode_target(own[1], model.encode_source(own[0]))
        assert torch.equal(one[counted], codes[i : i + 1][mask[i : i + 1]])


def test_dropout_keeps_the_mean_and_the_share():
    torch.manual_seed(0)
    drop = Dropout(0.25)
    x = drop(torch.ones(100_003))
    assert abs(float((x == 0).float().mean()) - 0.25) < 0.01 and abs(float(x.mean()) - 1) < 0.01
    x = torch.ones(8, 5000)
    assert abs(float((drop(x.T)[:, :1] == 0).float().mean()) - 0.25) < 0.03
    assert torch.equal(drop.eval()(x), x)


def test_repetitions_and_what_follows_the_end_are_dropped():
    assert drop_repetitions([7, 7, 8, PAD, 8, 8, 7, PAD, PAD, END, 9]) == [7, 8, 8, 7]


def test_all_ways_of_writing_a_translation_count(folder):
    config = small_config("parallel_small", "model.places=2")
    model = ParallelTranslator(
        {key: config[key] for key in ("model", "vocabulary")},
        Translator.from_pretrained(folder / "parallel").vocabulary,
    ).eval()
    torch.manual_seed(0)
    pieces = (PAD, END, 7, 8)
    logits = torch.full((3, 6, len(model.pieces)), -1e4)
    logits[:, :, pieces] = torch.randn(3, 6, 4)
    target = torch.tensor([[7, 7, END], [8, END, PAD], [7, 8, END]])
    lengths = (target != PAD).sum(1)
    logs, total = logits.log_softmax(2), 0.0
    for row, one, length in zip(logs, target.tolist(), lengths.tolist(), strict=True):
        ways = [
            sum(float(row[place, piece]) for place, piece in enumerate(way))
            for way in itertools.product(pieces, repeat=2 * length)
            if [key for key, _ in itertools.groupby(way) if key != PAD] == one[:length]
        ]
        total -= float(torch.tensor(ways).logsumexp(0))
    found = model._measure_written(logits, target, lengths)
    assert float(found) == pytest.approx(total / int(lengths.sum()), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_alignments_and_their_gradient_are_those_of_torch(dtype):
    torch.manual_seed(0)
    lengths = torch.randint(1, 9, (70,))
    target = torch.randint(1, 4, (70, 8)).masked_fill(torch.arange(8) >= lengths[:, None], PAD)
    logits = (3 * torch.randn(70, 16, 900)).to(dtype).requires_grad_()  # more than are looked at together
    weights = torch.rand(70)
    found = measure_alignments(logits, target, 2 * lengths, lengths)
    (gradient,) = torch.autograd.grad((found * weights).sum(), logits)
    logs = logits.double().log_softmax(2).transpose(0, 1)
    expected = F.ctc_loss(logs, target, 2 * lengths, lengths, blank=PAD, reduction="none")
    (slow,) = torch.autograd.grad((expected * weights).sum(), logits)
    assert torch.allclose(found.double(), expected, rtol=1e-5)
    assert gradient.dtype == dtype and torch.allclose(gradient, slow, atol=5e-5 if dtype == torch.float32 else 4e-3)


@pytest.mark.parametrize("name", ["parallel", "latent"])
def test_places_for_each_piece_are_those_of_its_length(folder, pairs, name):
    config = small_config(f"{name}_small", "model.places=2")
    task = TranslationTask(config, pairs, pairs, folder / "autoregressive")
    model = task.model.eval()
    source = encode(model, pairs.source[:2], 24)
    context, lengths = model.encode_source(source), torch.tensor([9, 16])
    with torch.no_grad():
        condition, _ = model.condition(lengths, context)
        logits = model.logits(model.write(lengths, 16, context, condition))
    assert logits.shape[:2] == (2, 32)
    logits[:, ::2, 7], logits[:, 1::2, PAD] = 1e4, 1e4
    assert [len(one) for one in model.read_pieces(logits, lengths)] == [9, 16]
