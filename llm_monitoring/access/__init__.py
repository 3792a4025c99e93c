"""Access: tokens of programs, what each may do, and the record of what was changed."""
