"""What every kind of run shares: identities, states and verdicts. Pure: no database, no clock, no network."""
