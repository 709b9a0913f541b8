"""The commands of `trainer`, one module each.

They load torch and the like inside their functions, so that help and wrong usage are quick.
"""
