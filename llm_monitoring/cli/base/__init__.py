"""What all commands share: sessions, output, questions, periods and files of rows."""
