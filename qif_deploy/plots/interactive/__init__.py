"""Charts as plotly figures: plain dictionaries, drawn by plotly's JavaScript in the reader's browser."""
