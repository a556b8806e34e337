"""From corpora on disk to what training reads: data directories, alignments, dumps."""
