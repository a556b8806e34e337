"""Configurations as a whole: those of the package are valid, and errors are found before anything is built."""

import pytest

from vqspeech import conf
from vqspeech.conf import vision
from vqspeech.errors import ConfigError
from vqspeech.models.coder import Coder
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE

WRONG = {
    "training.batch=0": "training.batch=0: give a whole number from 1",
    "training.batch=2.5": "training.batch=2.5: give a whole number from 1",
    "training.batch=true": "training.batch=true: give a whole number from 1",
    "training.lr=abc": "training.lr=abc: give a number of at least 0",
    "training.lr=nan": "training.lr=nan: give a number",
    "training.lr=inf": "training.lr=inf: give a number",
    "training.accumulate=0": "training.accumulate=0: give a whole number",
    "training.steps=0": "training.steps=0: give a whole number",
    "training.seconds=0": "training.seconds=0: give a number from 0.01",
    "training.evaluate_every=0": "training.evaluate_every=0: give a whole number",
    "training.listen_every=0": "training.listen_every=0: give a whole number",
    "training.seed=-1": "training.seed=-1: give a whole number from 0",
    "training.precision=fp8": "training.precision=fp8: give one of auto, fp32, bf16",
    "training.encoder=5": "training.encoder=5: give a text, or null",
    "training.compile=maybe": "training.compile=maybe: give true or false",
    "training=null": "string",
    "~training.lr": "training.lr is missing; give a number of at least 0",
    "decoder.window=4": "decoder.window=4: give an odd whole number from 1 to 999",
    "decoder.dropout=1.0": "decoder.dropout=1.0: give a number from 0 to below 1",
    "decoder.layers=1000000": "decoder.layers=1000000: give a whole number from 1 to 1,000",
    "decoder=null": "string",
    "+decoder.depth=2": "decoder.depth: no such option; there are layers, channels, window, voice, dropout",
    "encoder.channels=-3": "encoder.channels=-3: give a whole number from 1",
    "encoder.layers=[]": "encoder.layers=.*: give a list of 1 to 100 items",
    "encoder.layers=[[5,0]]": r"encoder.layers\[0\]\[1\]=0: give a whole number from 1 to 1,000",
    "encoder.layers=[[5,null]]": r"encoder.layers\[0\]\[1\]=null: give a whole number",
    "encoder.layers=[[5,1000000]]": r"encoder.layers\[0\]\[1\]=1000000: give a whole number",
    "encoder.layers=[[9,900],[9,900]]": "the encoder gives a code every 8,100 s; give strides of at most 10 s",
    "frontend.warp=0.5": "frontend.warp=0.5: give a number from 0 to below 0.5",
    "quantizer.codes=null": "quantizer.codes=null: give a whole number",
    "quantizer.decay=1.5": "quantizer.decay=1.5: give a number from 0 to 1",
    "+foo.x=1": "foo: no such group of options; there are frontend, encoder, quantizer, decoder, training",
}


@pytest.mark.parametrize("override", list(WRONG))
def test_what_cannot_be_is_refused_by_key_value_and_what_is_allowed(override):
    with pytest.raises(ConfigError, match=WRONG[override]):
        conf.load_config("mini_world", [override])


def test_a_whole_number_may_have_an_exponent():
    batch = conf.load_config("mini_world", ["training.batch=2e0"])["training"]["batch"]
    assert batch == 2 and isinstance(batch, int)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("prior", "prior.skip=0", "prior.skip=0"),
        ("prior", "training.length=0", "training.length=0"),
        ("prior", "prior.condition_dropout=2", "prior.condition_dropout=2: give a number from 0 to 1"),
        ("units_lda", "training.clusters=0", "training.clusters=0"),
        ("units_lda", "encoder.window=3", "encoder.window=3: give 4, as encoder.hop, or an even number more"),
        ("librispeech_wavenet", "decoder.frames.window=2", "decoder.frames.window=2: give an odd whole number"),
        ("librispeech_wavenet", "decoder.cycle=60", "decoder.cycle=60: give a whole number from 1 to 20"),
    ],
)
def test_of_every_kind_of_training(name, override, message):
    with pytest.raises(ConfigError, match=message):
        conf.load_config(name, [override])
    conf.load_config(name)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("cifar10_vqvae", "model.latents=0", "model.latents=0"),
        ("cifar10_vimco", "model.samples=1", "model.samples=1: give a whole number from 2"),
        ("cifar10_vae", "network.halvings=0", "network.halvings=0"),
        ("cifar10_vae", "training.show_every=0", "training.show_every=0"),
        ("prior", "prior.window=4", "prior.window=4: give an odd whole number from 3"),
        ("top_prior", "top.channels=0", "top.channels=0"),
        ("video_prior", "video.dilations=[1,0]", r"video.dilations\[1\]=0"),
        ("video_prior", "video.heads=7", "video.past=256 is not a multiple of video.heads=7"),
        ("video_prior", "video.window=4", "video.window=4: give an odd whole number from 3"),
        ("video_prior", "training.given=24", "training.given=24; it is less than training.length=24"),
    ],
)
def test_of_every_kind_of_model_of_images(name, override, message):
    with pytest.raises(ConfigError, match=message):
        vision.load_config(name, [override])
    vision.load_config(name)


def test_all_that_come_along_are_right():
    assert all(conf.load_config(name) for name in conf.list_configurations())
    assert all(vision.load_config(name) for name in vision.list_configurations())


def test_a_model_checks_its_configuration_by_itself():
    config = conf.load_config("mini_world")
    for kind, made, wrong in (
        (VQVAE, lambda some: VQVAE(some, ["a"]), {"decoder": {"name": "world", "layers": None}}),
        (Coder, Coder, {"encoder": {**config["encoder"], "layers": [[3, 10**6]]}}),
        (LatentPrior, lambda some: LatentPrior(some, [], {"rate_hz": 1, "codes": 3}), {"prior": {"name": "wavenet"}}),
    ):
        with pytest.raises(ConfigError, match="layers|condition_dropout"):
            made(config | wrong)
        assert kind.groups


def test_the_papers_configurations_train_by_eq_3_and_ours_have_names_of_their_own():
    """Configurations of images; those of speech are tested in tests/models/test_vqvae.py. Small ones are ours."""
    for name in ("cifar10_vqvae", "imagenet", "frames", "top_prior"):
        paper, ours = vision.load_config(name), vision.load_config(f"{name}_ema")
        assert paper["quantizer"]["name"] == "gradient" and paper["quantizer"]["beta"] == 0.25
        assert paper["quantizer"]["revive_below"] == 0 and paper["quantizer"]["initial"] == "uniform"
        assert ours["quantizer"]["name"] == "ema" and {**ours, "quantizer": 0} == {**paper, "quantizer": 0}
    for name in ("cifar10_vqvae_small", "cifar10_tiny", "imagenet_small", "frames_small", "small_top_prior"):
        assert (
            vision.load_config(name)["quantizer"]["name"] == "ema"
            and "initial" not in vision.load_config(name)["quantizer"]
        )
    assert (
        vision.load_config("top_prior")["top"]["codebooks"]
        == vision.load_config("small_top_prior")["top"]["codebooks"]
        == "own"
    )
    assert (
        set(vision.list_priors()) >= {"top_prior", "top_prior_ema"} and "top_prior_ema" not in vision.list_experiments()
    )
