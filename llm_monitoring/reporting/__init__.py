"""What people are shown: a project's report as one self-contained page, and its rows as files."""
