"""What came out of a run: reading reports, merging attempts, judging, rendering. Pure but for the readers' streams."""
