"""Trains a patriarch and its students; the command is scripts/generations.py."""
