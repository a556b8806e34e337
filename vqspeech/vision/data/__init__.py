"""Images from disk to training batches: sets of images, their codes, batches of both."""
