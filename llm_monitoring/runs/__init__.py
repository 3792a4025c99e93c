"""One daily run: plan, dispatch, ask, recover, report."""
