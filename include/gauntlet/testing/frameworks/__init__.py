"""One adapter per test tool: how to list its tests, how to run one shard, what it reports and leaves.

An adapter runs nothing: it turns a suite into command lines that the agent runs in pods.
"""
