"""Operators: each hands one decision to the domain and does what it says."""
