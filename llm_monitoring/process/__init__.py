"""Signals, standard streams, files and wording of a process."""
