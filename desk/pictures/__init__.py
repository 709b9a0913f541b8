"""The pictures that pages show: fetched as workers fetch them, checked, made small and kept."""
