"""Files of prompts and competitors: text tables as spreadsheets write them."""
