"""The simulated answers: a market, its texts and the judge."""
