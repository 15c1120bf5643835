"""Trains a patriarch and its students; the command is scripts/generations.py."""

import signal
import sys

# Ctrl-C while the command's modules are imported ends it without a traceback; OneLineParser.run makes it an error.
if sys.argv[0].endswith("generations.py") and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
