"""Objects, their versions, selectors and patches: pure data, no HTTP and no processes."""
