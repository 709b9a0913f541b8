"""What a model suggests for single pictures, at once: the picture is read or looked at here."""
