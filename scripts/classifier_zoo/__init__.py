"""What scripts/zoo.py consists of."""
