"""The tabs of the page, in gradio."""

import functools
import html
import traceback
from collections.abc import Callable
from typing import Any

from vqspeech.errors import VqspeechError, describe_error, is_out_of_memory
from vqspeech.extras import import_extra
from vqspeech.page.studio import NGRAM_ORDER, Studio
from vqspeech.progress import LOGGER, Listener, Work
from vqspeech.recordings import UNITS
from vqspeech.sampling import RANDOM

BY_NAME, BY_RECORDING = "by name", "from a recording"
"""Ways to choose a voice."""
CSS = """
.gradio-container { max-width: 1100px !important; margin: 0 auto; }
footer { display: none !important; }
"""
QUEUE_LENGTH = 8
"""Requests that may wait."""
LIFETIME = 3600
"""Seconds after which files are deleted."""
CLEANING_INTERVAL = 300
"""Seconds between two looks for such files."""


def make_blocks(studio: Studio) -> Any:
    """Return the page as `gradio.Blocks`."""
    gr = import_extra("gradio", "page")
    with gr.Blocks(title="vqspeech", analytics_enabled=False, delete_cache=(CLEANING_INTERVAL, LIFETIME)) as blocks:
        gr.Markdown(
            "# vqspeech\nRecordings stay on the computer that serves this page, for an hour at most. Convert the voice "
            "of a person only with that person's consent."
        )
        with gr.Tab("Convert", id="convert"):
            _add_conversion(gr, studio)
        with gr.Tab("Units", id="units"):
            _add_units(gr, studio)
        if studio.can_sample:
            with gr.Tab("Sample", id="sample"):
                _add_samples(gr, studio)
    # One piece of work at a time: all of them share models and processor.
    blocks.queue(max_size=QUEUE_LENGTH, api_open=False)
    return blocks


def make_theme() -> Any:
    """Return gradio's default theme with fonts of the system: none is loaded."""
    gr = import_extra("gradio", "page")
    return gr.themes.Default(
        primary_hue="indigo", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )


def _add_conversion(gr: Any, studio: Studio) -> None:
    voices, decoder = studio.list_voices(), studio.model.decoder
    ways = [BY_NAME] * bool(voices) + [BY_RECORDING] * studio.takes_recordings
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            recording = _add_recording(gr, "Recording to convert", "recording")
        with gr.Column(min_width=300):
            way = gr.Radio(ways, value=ways[0], label="Target voice", visible=len(ways) > 1, elem_id="way")
            name = gr.Dropdown(
                voices,
                label="Name",
                visible=ways[0] == BY_NAME,
                elem_id="voice",
                value=voices[0][1] if voices else None,
            )
            like = _add_recording(gr, "Ten seconds or more of the voice", "like", visible=ways[0] == BY_RECORDING)
            pitch = gr.Slider(
                -12, 12, 0, step=0.5, label="Pitch (semitones)", visible=decoder.uses_pitch, elem_id="pitch"
            )
            formant = gr.Slider(
                0.7,
                1.4,
                1.0,
                step=0.01,
                label="Formants (above 1: a shorter vocal tract)",
                visible=decoder.uses_formant,
                elem_id="formant",
            )
            keep = gr.Checkbox(
                False, label="Keep the pitch of the recording", visible=decoder.uses_pitch, elem_id="keep"
            )
    button = gr.Button("Convert", variant="primary", elem_id="convert-button")
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            before = _add_player(gr, "Recording", "before")
        with gr.Column(min_width=300):
            after = _add_player(gr, "Conversion", "after")
    download = gr.DownloadButton("Download the conversion", visible=False, elem_id="download")
    picture = _add_picture(gr, "Spectrograms", "spectrograms")

    def show_voice(chosen: str) -> tuple[Any, Any]:
        return gr.update(visible=chosen == BY_NAME), gr.update(visible=chosen == BY_RECORDING)

    def convert(
        recording: str | None,
        way: str,
        name: str | None,
        like: str | None,
        pitch: float,
        formant: float,
        keep: bool,
        progress: Any = gr.Progress(),  # noqa: B008 -- so gradio recognises it
    ) -> tuple[Any, ...]:
        voice = name if way == BY_NAME else None
        found = studio.convert(recording, voice, like, pitch, keep, formant, _follow(progress))
        if found.doubt:
            gr.Warning(html.escape(found.doubt))
        speech = str(found.conversion)
        return str(found.recording), speech, gr.update(value=speech, visible=True), str(found.spectrograms)

    way.change(show_voice, way, [name, like], api_visibility="private", show_progress="hidden")
    inputs, outputs = [recording, way, name, like, pitch, formant, keep], [before, after, download, picture]
    _connect(gr, studio, button, convert, inputs, outputs)


def _add_units(gr: Any, studio: Studio) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            recording = _add_recording(gr, "Recording to encode", "units-recording")
        with gr.Column(min_width=300):
            coder = gr.Dropdown(
                list(studio.coders),
                value=UNITS if UNITS in studio.coders else next(iter(studio.coders)),
                label="Model",
                elem_id="coder",
            )
            button = gr.Button("Encode", variant="primary", elem_id="units-button")
            summary = gr.Markdown(elem_id="units-summary")
    picture = _add_picture(gr, "Codes over the spectrogram", "codes")
    label = "Units file, its description, and a TextGrid for Praat"
    files = gr.File(label=label, visible=False, interactive=False, elem_id="units-files")

    def encode(
        recording: str | None,
        coder: str,
        progress: Any = gr.Progress(),  # noqa: B008 -- as above
    ) -> tuple[Any, ...]:
        found = studio.encode(recording, coder, _follow(progress))
        return str(found.picture), gr.update(value=[*map(str, found.files)], visible=True), found.summary

    _connect(gr, studio, button, encode, [recording, coder], [picture, files, summary])


def _add_samples(gr: Any, studio: Studio) -> None:
    voices = [("random", RANDOM), *studio.list_voices(own=False)]
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            if studio.source is None:
                gr.Markdown(
                    f"There is no prior. A {NGRAM_ORDER}-gram of the codes of recordings babbles in their manner: the "
                    "more speech, the better. (`vqspeech page --prior FILE` takes a prior.)"
                )
            learn = gr.File(
                label="Recordings to learn from",
                file_count="multiple",
                visible=studio.source is None,
                height=140,
                elem_id="learn",
            )
            voice = gr.Dropdown(voices, value=RANDOM, label="Voice", elem_id="sample-voice")
        with gr.Column(min_width=300):
            seconds = gr.Slider(1, min(20, studio.longest), 5, step=1, label="Seconds", elem_id="seconds")
            temperature = gr.Slider(0.1, 1.5, 1.0, step=0.05, label="Temperature of the codes", elem_id="temperature")
            seed = gr.Number(0, label="Seed (another one: another sample)", precision=0, minimum=0, elem_id="seed")
    button = gr.Button("Speak", variant="primary", elem_id="sample-button")
    speech = _add_player(gr, "Speech", "speech")
    download = gr.DownloadButton("Download the speech", visible=False, elem_id="sample-download")
    picture = _add_picture(gr, "Codes over the spectrogram", "sample-picture")

    def sample(
        learn: list[str] | None,
        voice: str,
        seconds: float,
        temperature: float,
        seed: float,
        progress: Any = gr.Progress(),  # noqa: B008 -- as above
    ) -> tuple[Any, ...]:
        found = studio.sample(seconds, voice, temperature, int(seed or 0), learn, _follow(progress))
        return str(found.speech), gr.update(value=str(found.speech), visible=True), str(found.picture)

    _connect(gr, studio, button, sample, [learn, voice, seconds, temperature, seed], [speech, download, picture])


def _add_recording(gr: Any, label: str, name: str, visible: bool = True) -> Any:
    options = {"label": label, "elem_id": name, "visible": visible}
    return gr.Audio(sources=["upload", "microphone"], type="filepath", editable=False, buttons=[], **options)


def _add_player(gr: Any, label: str, name: str) -> Any:
    # The browser's own player: it works on every device, and the picture below shows more than a waveform.
    options = {"elem_id": name, "waveform_options": gr.WaveformOptions(show_recording_waveform=False)}
    return gr.Audio(label=label, type="filepath", interactive=False, buttons=[], **options)


def _add_picture(gr: Any, label: str, name: str) -> Any:
    options = {"label": label, "show_label": False, "elem_id": name, "alt_text": label}  # a label covers a corner
    return gr.Image(type="filepath", format="png", interactive=False, buttons=["fullscreen"], **options)


def _connect(gr: Any, studio: Studio, button: Any, work: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Let a button start work, whose errors are shown in words."""

    @functools.wraps(work)
    def work_in_words(*arguments: Any, **options: Any) -> Any:
        try:
            return work(*arguments, **options)
        except Exception as error:
            if not (isinstance(error, VqspeechError | OSError) or is_out_of_memory(error)):
                LOGGER.error(traceback.format_exc())
            message = html.escape(studio.hide_paths(describe_error(error)))
            raise gr.Error(message, duration=None, print_exception=False) from error

    button.click(work_in_words, inputs, outputs, concurrency_limit=1, concurrency_id="studio", api_visibility="private")


def _follow(progress: Any) -> Listener:
    """Return a listener that shows work in the page."""

    def listen(work: Work) -> None:
        progress(work.share, desc=work.what)

    return listen
