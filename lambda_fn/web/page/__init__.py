"""The HTML pages: view model, SVG charts and templates. They work without JavaScript."""
