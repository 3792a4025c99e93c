"""Access: tokens, sessions and share links, what each may do, and the record of what was changed."""
