"""Benchmarks of the speed targets: ``make bench``."""
