"""Images: the same floors as for speech, beside it. It stands on models/quantize, on the trainer and on the metrics;
nothing of speech imports it, only the study that compares quantisers on images."""
