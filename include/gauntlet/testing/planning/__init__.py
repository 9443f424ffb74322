"""How a suite's cases are shared out over pods. Pure: durations and cases in, shards out."""
