"""Reports of images and video: training curves, sheets of images, animations."""
