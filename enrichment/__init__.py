"""What concerns all programs: the database is prepared here, and an installation is checked."""
