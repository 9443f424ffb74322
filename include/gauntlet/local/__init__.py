"""The machine room for one machine: embedded services and their supervisor.

Nothing outside this room may depend on what is in it: the rest of Gauntlet sees URLs and connections only.
"""
