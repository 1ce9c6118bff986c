"""Pages that join what several apps know. One module a page."""
