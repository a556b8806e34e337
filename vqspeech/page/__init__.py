"""The page in the browser: convert, encode and sample without a command line (`vqspeech page`).

studio.py    what it does with recordings, without a browser: recordings in, files out
layout.py    its tabs, in gradio
guard.py     what may be asked of its server
server.py    serves it, and leaves nothing behind
"""
