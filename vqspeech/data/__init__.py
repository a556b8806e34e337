"""Read corpora, alignments and units, and make of them what training reads: data directories, dumps, batches."""
