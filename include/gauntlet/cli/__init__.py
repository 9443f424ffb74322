"""The `gauntlet` command, also `kubectl gauntlet`: what a person types, and nothing that decides."""
