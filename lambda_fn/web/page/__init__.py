"""The page at `/` for a browser: HTML and SVG from forecast and record, useful without JavaScript."""
