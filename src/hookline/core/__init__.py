"""What is true and what to do: values, bytes, signatures, schedules, verdicts.

No clock, dice or I/O.
"""
