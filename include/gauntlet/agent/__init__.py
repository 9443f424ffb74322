"""What runs in pods beside the test tool: prepare, run, heartbeat, collect, upload.

Standard library only (Python 3.8 or newer) and no import from any other room: the agent's image carries this
folder alone, and a test tool's own image may bring an old Python.
"""
