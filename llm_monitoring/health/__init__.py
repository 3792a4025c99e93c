"""Checks of the installation: the machine, the database, keys, models and projects."""
