"""From images on disk to what training reads: sets of images, their codes, batches of both."""
