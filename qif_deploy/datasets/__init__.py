"""Data sets as integer codes, NumPy only; a package that carries or reads the data is imported when a data set is opened."""
