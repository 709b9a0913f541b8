"""Models as folders to share, and such folders from others."""
