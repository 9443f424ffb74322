"""Triggers: what waits in the triggerer. Async, no worker, no decision that the domain could take."""
