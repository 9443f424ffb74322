"""Suites: their definition, their frameworks, how they are split over pods, and what their results say."""
