"""The formats of exports: what each makes of rows."""
