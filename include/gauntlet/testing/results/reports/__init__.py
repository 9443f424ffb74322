"""A run's result as a document: JSON for programs, JUnit XML for CI servers, HTML for people. Pure text, no files."""
