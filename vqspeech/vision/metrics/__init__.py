"""Images and video: measures, evaluations of models, and reports."""
