"""One daily run on several machines: a coordinator that divides the day into chunks, and workers that ask them."""
