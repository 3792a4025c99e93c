"""The text of an answer: Markdown, HTML, visible words, letters and hosts."""
