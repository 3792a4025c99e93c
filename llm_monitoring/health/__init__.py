"""What `doctor` examines: the machine, the database, projects and their definitions."""
