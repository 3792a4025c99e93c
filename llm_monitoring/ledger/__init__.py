"""The ledger: accounts, the budget, one paid call from reservation to settlement."""
