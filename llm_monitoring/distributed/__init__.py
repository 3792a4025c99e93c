"""One daily run on several machines: a scheduler that cuts the day into chunks, and workers that ask them."""
