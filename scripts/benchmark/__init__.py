"""The parts of bench.py: what is run, how it is run, what is printed."""
