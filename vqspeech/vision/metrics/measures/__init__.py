"""Measures of images, of their codes and of video: pure functions of arrays, each with its equation or source."""
